package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

const (
	// never is later than any time, and far enough from the last to be reckoned with.
	never = time.Duration(1) << 62
	// maxDials bounds the dials that run at once in a pool.
	maxDials = 512
	// dialLook is the least time between two looks at all dials, so that very many
	// of them cost little.
	dialLook = 10 * time.Millisecond
)

// dialScheduler says which dials may run and when they have to be looked at. At
// most maxDials run at once; further ones queue, first come, first served.
//
//	queued --admitted by add or next--> running
//	   +------------ remove ---------------+--> gone
type dialScheduler struct {
	dials   map[pairing.PeerID]*dial // queued and running
	queue   []*dial                  // and some that are gone
	running int
	at      time.Duration // no dial has anything to do before
}

func newDialScheduler() dialScheduler {
	return dialScheduler{dials: map[pairing.PeerID]*dial{}, at: never}
}

// add says whether a new dial may run at once; if not, next will have it.
func (s *dialScheduler) add(x *dial) bool {
	s.dials[x.id] = x
	if s.running < maxDials && len(s.queue) == 0 {
		s.admit(x)
		return true
	}
	s.queue = append(s.queue, x)
	return false
}

// next is a dial that had to wait and may run now, nil if there is none.
func (s *dialScheduler) next() *dial {
	for s.hasNext() {
		x := s.queue[0]
		s.queue = s.queue[1:]
		if s.dials[x.id] == x {
			s.admit(x)
			return x
		}
	}
	return nil
}

// hasNext: somebody is queued, perhaps gone, and there is room.
func (s *dialScheduler) hasNext() bool { return len(s.queue) > 0 && s.running < maxDials }

func (s *dialScheduler) admit(x *dial) {
	s.running++
	x.admitted = true
}

// remove makes room for who is queued, if x was running.
func (s *dialScheduler) remove(x *dial) {
	delete(s.dials, x.id)
	if x.admitted {
		s.running--
	}
	if len(s.queue) > 0 {
		s.at = 0
	}
}

// wakeAt has x looked at then, in place of any time that was said before.
func (s *dialScheduler) wakeAt(x *dial, at time.Duration) {
	x.at = at
	s.at = min(s.at, at)
}

// looked reckons, after a look at all dials, when the next is due.
func (s *dialScheduler) looked(now time.Duration) {
	s.at = never
	for _, x := range s.dials {
		s.at = min(s.at, x.at)
	}
	s.at = max(s.at, now+dialLook)
	if s.hasNext() { // those that were looked at have made room
		s.at = now
	}
}
