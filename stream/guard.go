package stream

import "time"

// A libzmq worker that dialled in never comes back from what it takes for a protocol
// error of the handshake, so that a stranger could cost it one connection after the
// other. What can be seen to be wrong ends the pair before the worker has it; what
// can be judged only by the worker's own word is withheld until that has come
// (zmtp.Handshake.Guard).

// A worker may be one that wants to hear READY first, as rzmq's is in NULL: what is
// withheld is passed on when nothing was heard for withholdFor. A pool whose last worker
// was like that waits only for withholdBriefly, in which libzmq has said its own.
const (
	withholdFor     = 3 * time.Second
	withholdBriefly = 100 * time.Millisecond
)

// protect guards the worker of a new pair, if it dialled in.
func (l *loop) protect(f *flow) {
	if side(f.worker.id>>32) != backendSide {
		return
	}
	f.shaking.guarded = true
	f.shaking.Guard(l.mechanism)
}

// spoken notes what the workers that dial in speak, and whether they have to hear
// first: all of a pool are alike.
func (l *loop) spoken(f *flow) {
	if s := f.shaking; s.guarded {
		l.mechanism = s.WorkerMechanism()
		l.hearFirst = s.released
	}
}

// withhold is what of the client's data may be passed on, now that the handshake has
// been told of it.
func (l *loop) withhold(f *flow, data []byte) []byte {
	s := f.shaking
	held := int(s.Held())
	if held == 0 && len(s.withheld) == 0 {
		return data
	}
	if len(s.withheld) == 0 && held > 0 { // from now on, however long the client has taken so far
		l.await(f)
	}
	all := append(s.withheld, data...)
	held = min(held, len(all))
	s.withheld = append([]byte(nil), all[len(all)-held:]...)
	return all[:len(all)-held]
}

// setFree passes on what, by the worker's word or for want of it, no longer need be withheld.
func (l *loop) setFree(f *flow) {
	s := f.shaking
	held := min(int(s.Held()), len(s.withheld))
	free := s.withheld[:len(s.withheld)-held]
	s.withheld = s.withheld[len(free):]
	if len(free) > 0 {
		l.pass(f.client, f.worker, free)
	}
	if c := f.client; len(s.withheld) == 0 && c.paused && c.phase == live && f.worker.out.empty() {
		c.paused = false
		l.updateInterest(c)
	}
}

// await gives the worker time to say its word.
func (l *loop) await(f *flow) {
	agenda, long := &l.guarding, withholdFor
	if l.hearFirst {
		agenda, long = &l.briefly, withholdBriefly
	}
	f.shaking.awaited = l.clock + long
	agenda.add(f, f.shaking.awaited)
}

// stopWithholding goes on with the pairs whose worker has not said its word in time.
func (l *loop) stopWithholding() {
	for _, agenda := range [...]*agenda{&l.guarding, &l.briefly} {
		l.seeTo(agenda, func(f *flow) {
			s := f.shaking
			if s != nil && len(s.withheld) > 0 && l.clock >= s.awaited { // and not something later than what was put down
				s.released = true
				s.Release()
				l.setFree(f)
				l.passEndOn(f.client)
			}
		})
	}
}
