package pairing

import (
	"slices"
	"time"
)

// expiry is a queue of what falls due a fixed time after it was put in. Because
// the time is the same for all, the order of arrival is the order of falling
// due: putting in and taking out are O(1), and looking for what is due looks at
// the head only. It stores when each was put in and not when it falls due, so
// that the time can be changed for all at once.
type expiry[T any] struct {
	list[T]
	after time.Duration // 0: nothing ever falls due
}

// start puts x at the end, wherever it was; now must not be before that of the last start.
func (q *expiry[T]) start(x *node[T], now time.Duration) {
	x.leave()
	x.since = now
	q.pushBack(x)
}

// due is the head's owner if it has fallen due by now.
func (q *expiry[T]) due(now time.Duration) (owner T, ok bool) {
	if q.head == nil || q.after == 0 || now-q.head.since < q.after {
		return owner, false
	}
	return q.head.owner, true
}

// deadline is when the head falls due; false when nothing will.
func (q *expiry[T]) deadline() (time.Duration, bool) {
	if q.head == nil || q.after == 0 {
		return 0, false
	}
	return q.head.since + q.after, true
}

// spread is the number of queues that one jittered time is made of: what is
// timed picks one of them at random, each with its own share of the time.
const spread = 16

type spreadExpiry struct {
	queues [spread]expiry[*Peer]
}

// set gives the queues times from low to high, evenly.
func (s *spreadExpiry) set(low, high time.Duration) {
	for i := range s.queues {
		s.queues[i].after = low + (high-low)*time.Duration(i)/(spread-1)
	}
}

// atLeast is the queue with the shortest time that is not below d, or the longest.
func (s *spreadExpiry) atLeast(d time.Duration) *expiry[*Peer] {
	for i := range s.queues {
		if s.queues[i].after >= d {
			return &s.queues[i]
		}
	}
	return &s.queues[spread-1]
}

func (s *spreadExpiry) due(now time.Duration) (*Peer, bool) {
	for i := range s.queues {
		if p, ok := s.queues[i].due(now); ok {
			return p, true
		}
	}
	return nil, false
}

func (s *spreadExpiry) deadline() (time.Duration, bool) {
	var soonest soonest
	for i := range s.queues {
		soonest.note(s.queues[i].deadline())
	}
	return soonest.at, soonest.ok
}

// soonest is the earliest of some times, if there was any.
type soonest struct {
	at time.Duration
	ok bool
}

func (s *soonest) note(at time.Duration, ok bool) {
	if ok && (!s.ok || at < s.at) {
		*s = soonest{at, true}
	}
}

// dated is one kind of thing that falls due: fire does all that is due by now.
// Some must be done before each event, however late the caller's Tick may be.
type dated struct {
	deadline func() (time.Duration, bool)
	fire     func()
	first    bool
}

// each has f called for everything that is due by the table's time. f must take
// it out of its queue.
func each[T any](t *Table, due func(now time.Duration) (T, bool), f func(T)) func() {
	return func() {
		for x, ok := due(t.now); ok; x, ok = due(t.now) {
			f(x)
		}
	}
}

// dated lists all that falls due, in the order in which it is done.
func (t *Table) dated() []dated {
	return slices.Concat([]dated{
		{t.ages.deadline, each(t, t.ages.due, t.recycle), true},
		{t.warming.deadline, each(t, t.warming.due, t.warmer), true},
		{t.streaks.deadline, each(t, t.streaks.due, t.expireStreak), true},
		{t.awaited.deadline, each(t, t.awaited.due, t.expireOwed), false},
		{t.losers.deadline, each(t, t.losers.due, t.forgive), false},
		{t.apart.deadline, each(t, t.apart.due, t.unbar), false},
		{t.portless.deadline, each(t, t.portless.due, t.tryPorts), false},
		{t.ejected.deadline, each(t, t.ejected.due, t.admit), true},
		{t.handshakes.deadline, each(t, t.handshakes.due, func(p *Peer) { t.end(p, HandshakeTimeout) }), false},
		{t.silences.deadline, each(t, t.silences.due, t.endSilent), false},
		{t.finishes.deadline, each(t, t.finishes.due, func(p *Peer) { t.end(p, p.reason) }), false},
		{t.holds.deadline, each(t, t.holds.due, t.expireHold), false},
		{t.recalls.deadline, each(t, t.recalls.due, t.answer), false},
		{t.hintsDeadline, t.expireHints, false},
	}, t.leases.dated(t), []dated{
		{t.failbacks.deadline, each(t, t.failbacks.due, t.comeBack), false},
		{t.moveDeadline, t.moveDue, false},
		{t.queueDeadline, each(t, t.queueDue, func(p *Peer) { t.endClient(p, t.whyUnserved(p), true) }), false},
		{t.retries.deadline, each(t, t.retries.due, t.probe), false},
	})
}
