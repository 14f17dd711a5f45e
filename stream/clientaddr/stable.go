package clientaddr

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// Stable gives all pairs of a client's address the same address. It follows from the
// client's by a hash, so that a proxy that was restarted gives the same. Where it is
// another client's already the next of [candidates] is taken, and stays the client's while
// it is remembered.
type Stable struct {
	span
	clients map[string]*holder
	holders map[uint32]*holder // by the number of what they hold
	resting list.List          // of *holder without a pair, in the order of their release
	rested  list.List          // of those that were found to have rested, likewise
}

// holder is a client's address that has an address, or had.
type holder struct {
	client string
	number uint32
	pairs  int
	since  time.Duration // it has no pair
	place  *list.Element // among those that rest or have; nil while there are pairs
}

// candidates are how many addresses a client may be given, one after the other. With a
// tenth of all taken one in a hundred million clients finds none of its own free.
const candidates = sha256.Size / 4

func newStable(s span) *Stable {
	return &Stable{span: s, clients: map[string]*holder{}, holders: map[uint32]*holder{}}
}

// Take is the client's address.
func (s *Stable) Take(now time.Duration, client string) (netip.Addr, bool) {
	h := s.clients[client]
	if h == nil {
		s.forgetSome(now)
		number, ok := s.choose(now, client)
		if !ok {
			return netip.Addr{}, false
		}
		h = &holder{client: client, number: number}
		s.clients[client], s.holders[number] = h, h
	}
	s.wake(h)
	h.pairs++
	return s.address(h.number), true
}

// Keep has a client have an address.
func (s *Stable) Keep(a netip.Addr, client string) bool {
	if !s.has(a) {
		return false
	}
	h, number := s.clients[client], s.number(a)
	switch other := s.holders[number]; {
	case h == nil && other == nil:
		h = &holder{client: client, number: number}
		s.clients[client], s.holders[number] = h, h
	case h == nil || h != other:
		return false
	}
	s.wake(h)
	h.pairs++
	return true
}

// choose is the first candidate that nobody has, or else the first whose holder has rested
// for long enough, which then is forgotten.
func (s *Stable) choose(now time.Duration, client string) (number uint32, ok bool) {
	var old *holder
	hash := sha256.Sum256([]byte(client))
	for i := range candidates {
		number = binary.BigEndian.Uint32(hash[4*i:]) % s.count
		h := s.holders[number]
		if h == nil {
			return number, true
		}
		if old == nil && h.restedBy(now) {
			old = h
		}
	}
	if old == nil {
		return 0, false
	}
	s.forget(old)
	return old.number, true
}

// Release ends one pair of the client that has the address.
func (s *Stable) Release(now time.Duration, a netip.Addr) {
	h := s.holders[s.number(a)]
	if h.pairs--; h.pairs == 0 {
		h.since, h.place = now, s.resting.PushBack(h)
	}
}

// Usage counts those in use and those that rest, of which a client that is back may have
// its own at once.
func (s *Stable) Usage(now time.Duration) (taken, all int) {
	s.settle(now, s.resting.Len())
	return len(s.holders) - s.rested.Len(), int(s.count)
}

// restedBy says whether somebody else may have the holder's address.
func (h *holder) restedBy(now time.Duration) bool { return h.place != nil && now-h.since >= Rest }

// settle finds who has rested, of the most that it looks at.
func (s *Stable) settle(now time.Duration, most int) {
	for range most {
		first := s.resting.Front()
		if first == nil || !first.Value.(*holder).restedBy(now) {
			return
		}
		h := s.resting.Remove(first).(*holder)
		h.place = s.rested.PushBack(h)
	}
}

// forgetSome makes room for one who comes, by those who left first: two at a time, so
// that room is made faster than it is needed.
func (s *Stable) forgetSome(now time.Duration) {
	s.settle(now, 2)
	for range 2 {
		first := s.rested.Front()
		if len(s.clients) < Remembered || first == nil {
			return
		}
		s.forget(first.Value.(*holder))
	}
}

func (s *Stable) forget(h *holder) {
	s.wake(h)
	delete(s.clients, h.client)
	delete(s.holders, h.number)
}

// wake takes a holder from the list that it is in, if it is in one.
func (s *Stable) wake(h *holder) {
	if h.place == nil {
		return
	}
	s.resting.Remove(h.place) // of an element of the other list it does nothing
	s.rested.Remove(h.place)
	h.place = nil
}
