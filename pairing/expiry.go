package pairing

import "time"

// expiry is a queue of what falls due a fixed time after it was put in. Because
// the time is the same for all, the order of arrival is the order of falling
// due: putting in and taking out are O(1), and looking for what is due looks at
// the head only. It stores when each was put in and not when it falls due, so
// that the time can be changed for all at once.
type expiry[T any] struct {
	after      time.Duration // 0: nothing ever falls due
	head, tail *timer[T]
	n          int
}

// timer is an owner's place in an expiry. It is part of its owner: being timed
// allocates nothing.
type timer[T any] struct {
	owner      T
	since      time.Duration
	in         *expiry[T] // nil: not running
	prev, next *timer[T]
}

// start puts t at the end of q; now must not be before that of the last start.
func (t *timer[T]) start(q *expiry[T], now time.Duration) {
	t.stop()
	t.since, t.in = now, q
	t.prev, t.next = q.tail, nil
	if q.tail == nil {
		q.head = t
	} else {
		q.tail.next = t
	}
	q.tail = t
	q.n++
}

// stop takes t out of the queue that it is in, if any.
func (t *timer[T]) stop() {
	q := t.in
	if q == nil {
		return
	}
	if t.prev == nil {
		q.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		q.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next, t.in = nil, nil, nil
	q.n--
}

// due is the head if it has fallen due by now, else nil.
func (q *expiry[T]) due(now time.Duration) *timer[T] {
	if q.head == nil || q.after == 0 || now-q.head.since < q.after {
		return nil
	}
	return q.head
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

func (s *spreadExpiry) due(now time.Duration) *timer[*Peer] {
	for i := range s.queues {
		if t := s.queues[i].due(now); t != nil {
			return t
		}
	}
	return nil
}
