package clientaddr

import (
	"net/netip"
	"slices"
	"sort"
	"time"
)

// Each gives every pair an address of its own: fresh ones while no more than [Remembered]
// were given, then the one that has rested longest, then fresh ones again.
type Each struct {
	span
	fresh   uint32 // this and all behind it have never been given
	inUse   int
	resting []rested // in the order of their release
}

// rested is an address that is not in use any more.
type rested struct {
	number uint32
	since  time.Duration
}

func newEach(s span) *Each { return &Each{span: s} }

// Take is an address that nobody has. Who the client is does not matter.
func (e *Each) Take(now time.Duration, _ string) (netip.Addr, bool) {
	number := e.fresh
	switch {
	case e.fresh < min(e.count, Remembered):
		e.fresh++
	case len(e.resting) > 0 && now-e.resting[0].since >= Rest:
		number = e.resting[0].number
		e.resting = e.resting[1:]
	case e.fresh < e.count:
		e.fresh++
	default:
		return netip.Addr{}, false
	}
	e.inUse++
	return e.address(number), true
}

// Keep counts an address as given; those of lower numbers that nobody has rest.
func (e *Each) Keep(a netip.Addr, _ string) bool {
	if !e.has(a) {
		return false
	}
	number := e.number(a)
	for e.fresh <= number {
		e.resting = append(e.resting, rested{number: e.fresh})
		e.fresh++
	}
	for i := range e.resting {
		if e.resting[i].number == number {
			e.resting = slices.Delete(e.resting, i, i+1)
			e.inUse++
			return true
		}
	}
	return false
}

// Release has an address rest.
func (e *Each) Release(now time.Duration, a netip.Addr) {
	e.inUse--
	e.resting = append(e.resting, rested{e.number(a), now})
}

// Usage counts those in use and those that rest. The latter are looked for by halves.
func (e *Each) Usage(now time.Duration) (taken, all int) {
	done := sort.Search(len(e.resting), func(i int) bool { return now-e.resting[i].since < Rest })
	return e.inUse + len(e.resting) - done, int(e.count)
}
