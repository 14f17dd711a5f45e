package stream

import "time"

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

// seeTo does something about the pairs whose time has come and that are still there, a
// bounded number in one turn.
func (l *loop) seeTo(a *agenda, do func(*flow)) {
	for range agendaShare {
		f := a.due(l.clock)
		if f == nil {
			return
		}
		if f.client.phase == live && f.worker.phase == live {
			do(f)
		}
	}
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
