package stream

import (
	"time"
)

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
	for range agendaShare {
		f := l.guarding.due(l.clock)
		if f == nil {
			return
		}
		if !f.open && f.client.phase == live && f.worker.phase == live {
			f.handshake.Release()
			l.setFree(f)
		}
	}
}

// agenda are pairs that something is to be done about, the earliest first.
type agenda struct{ entries []entry }

type entry struct {
	flow *flow
	at   time.Duration
}

// agendaShare is how many pairs of an agenda are seen to in one turn.
const agendaShare = 64

// agendaGrain has many pairs fall due together, so that the loop need not wake up for each.
const agendaGrain = 50 * time.Millisecond

// add puts a pair behind the others; at must not be before theirs. It falls due
// within [agendaGrain] after that.
func (a *agenda) add(f *flow, at time.Duration) {
	a.entries = append(a.entries, entry{f, at.Truncate(agendaGrain) + agendaGrain})
}

// next is when there is something to do.
func (a *agenda) next() (at time.Duration, ok bool) {
	if len(a.entries) == 0 {
		return 0, false
	}
	return a.entries[0].at, true
}

// due takes a pair whose time has come, nil if there is none.
func (a *agenda) due(now time.Duration) *flow {
	if at, ok := a.next(); !ok || at > now {
		return nil
	}
	f := a.entries[0].flow
	a.entries[0] = entry{}
	if a.entries = a.entries[1:]; len(a.entries) == 0 {
		a.entries = nil
	}
	return f
}
