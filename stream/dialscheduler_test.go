package stream

import (
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Dials run in the order in which they came, as many as there is room for; one
// that is gone before it could run takes none.
func TestDialScheduler(t *testing.T) {
	s := newDialScheduler()
	all := make([]*dial, maxDials+4)
	for i := range all {
		all[i] = &dial{id: pairing.PeerID(i + 1), at: never}
		if runs := s.add(all[i]); runs != (i < maxDials) {
			t.Fatalf("dial %d: runs %v", i, runs)
		}
	}
	first, gone, second, last := all[maxDials], all[maxDials+1], all[maxDials+2], all[maxDials+3]
	expect := func(want *dial) {
		t.Helper()
		if got := s.next(); got != want {
			t.Errorf("next is %v, want %v", got, want)
		}
	}
	expect(nil)
	s.remove(all[0])
	s.remove(gone)
	s.remove(all[1])
	if s.add(&dial{id: maxDials + 5, at: never}) {
		t.Error("one runs before those that came first")
	}
	expect(first)
	expect(second)
	expect(nil)
	s.remove(second)
	expect(last)
}

// The next look is when the first dial has something to do, at once if one may
// run, and never too soon after the last.
func TestDialSchedulerLooks(t *testing.T) {
	s := newDialScheduler()
	a, b := &dial{id: 1}, &dial{id: 2}
	s.add(a)
	s.add(b)
	s.wakeAt(a, time.Hour)
	s.wakeAt(b, time.Minute)
	expect := func(want time.Duration) {
		t.Helper()
		if s.at != want {
			t.Errorf("the next look is at %v, want %v", s.at, want)
		}
	}
	expect(time.Minute)
	s.looked(time.Second)
	expect(time.Minute)
	s.wakeAt(b, never)
	s.looked(time.Minute)
	expect(time.Hour)
	s.looked(time.Hour - time.Nanosecond)
	expect(time.Hour - time.Nanosecond + dialLook)
	s.running = maxDials
	s.add(&dial{id: 3, at: never})
	s.looked(time.Minute)
	expect(time.Hour)
	s.remove(b) // which is as good as one that runs
	expect(0)
	s.running--
	s.looked(time.Minute)
	expect(time.Minute)
}
