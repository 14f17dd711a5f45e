package stream

import "time"

// A libzmq worker that dialled in never comes back from what it takes for a protocol
// error of the handshake, so that a stranger could cost it one connection after the
// other. What can be seen to be wrong ends the pair before the worker has it; what
// can be judged only by the worker's own word is withheld until that has come
// (zmtp.Handshake.Guard).

// withholdFor is how long a worker is waited for, which may be one that wants to hear first.
const withholdFor = 3 * time.Second

// protect guards the worker of a new pair, if it dialled in.
func (l *loop) protect(f *flow) {
	if side(f.worker.id>>32) != backendSide {
		return
	}
	f.guarded = true
	f.handshake.Guard(l.mechanism)
	l.guarding.add(f, l.clock+withholdFor)
}

// spoken notes what the workers that dial in speak: all of a pool speak the same.
func (l *loop) spoken(f *flow) {
	if f.guarded {
		l.mechanism = f.handshake.WorkerMechanism()
	}
}

// withhold is what of the client's data may be passed on, now that the handshake has
// been told of it.
func (l *loop) withhold(f *flow, data []byte) []byte {
	held := int(f.handshake.Held())
	if held == 0 && len(f.withheld) == 0 {
		return data
	}
	all := append(f.withheld, data...)
	held = min(held, len(all))
	f.withheld = append([]byte(nil), all[len(all)-held:]...)
	return all[:len(all)-held]
}

// setFree passes on what, by the worker's word or for want of it, no longer need be withheld.
func (l *loop) setFree(f *flow) {
	held := min(int(f.handshake.Held()), len(f.withheld))
	free := f.withheld[:len(f.withheld)-held]
	f.withheld = f.withheld[len(free):]
	if len(free) > 0 {
		l.pass(f.client, f.worker, free)
	}
}

// stopWithholding goes on with the pairs whose worker has not said its word in time.
func (l *loop) stopWithholding() {
	l.seeTo(&l.guarding, func(f *flow) {
		if !f.open {
			f.handshake.Release()
			l.setFree(f)
		}
	})
}
