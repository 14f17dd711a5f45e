package splice

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Pairs are started on the thread that watches fewest.
func TestStartOnLeast(t *testing.T) {
	src, s := newSource(t, "tcp4"), newSteps(t, 2)
	var all []*ends
	start := func(want int) {
		t.Helper()
		e := src.ends(t)
		e.start(t, s.Relay)
		if e.pair.thread != s.threads[want] {
			t.Fatalf("pair %d is not on thread %d", len(all), want)
		}
		all = append(all, e)
	}
	start(0)
	start(1)
	start(0)
	start(1)
	all[1].pair.Stop()
	all[3].pair.Stop()
	start(1)
	start(1)
	start(0)
}

// A thread gives a pair away at the end of a window if it was busy with several,
// and another was not.
func TestObserve(t *testing.T) {
	src := newSource(t, "tcp4")
	for name, c := range map[string]struct {
		busy         time.Duration // of a window
		pairs        int           // in ten turns
		window       time.Duration
		other, heard time.Duration // what the other was busy for, and how long ago
		moves        bool
	}{
		"crowded beside a calm one":     {loadWindow, 20, loadWindow, loadWindow / 4, 0, true},
		"crowded beside a sleeping one": {loadWindow, 20, loadWindow, loadWindow, 3 * loadWindow, true},
		"one pair at a time":            {loadWindow, 11, loadWindow, 0, 0, false},
		"both crowded":                  {loadWindow, 20, loadWindow, loadWindow, 0, false},
		"time left":                     {loadWindow / 2, 20, loadWindow, 0, 0, false},
		"before the window's end":       {loadWindow / 2, 20, loadWindow / 2, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSteps(t, 2)
			s.start = time.Now().Add(-time.Hour)
			e := src.ends(t)
			e.start(t, s.Relay)
			from, to := s.threads[0], s.threads[1]
			from.clock = s.now()
			from.load = load{since: from.clock - c.window, busy: c.busy, turns: 9, pairs: c.pairs - 2}
			to.share.Store(int64(c.other))
			to.seen.Store(int64(from.clock - c.heard))
			from.observe(2, e.pair)
			if moved := e.pair.thread == to; moved != c.moves {
				t.Fatalf("moved: %t", moved)
			}
			if c.moves && (from.watched != 0 || to.watched != 1) {
				t.Errorf("they watch %d and %d", from.watched, to.watched)
			}
		})
	}
}

// told is a pair with a word on its way, of which nothing has been moved yet.
func told(t *testing.T, s *steps, word string) *ends {
	t.Helper()
	e := newSource(t, "tcp4").ends(t)
	e.start(t, s.Relay)
	s.turn(0)
	say(t, e, word)
	return e
}

// say has the first side's peer send a word, which is there then.
func say(t *testing.T, e *ends, word string) {
	t.Helper()
	if _, err := e.outer[0].Write([]byte(word)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, word, func() bool { return waiting(t, e.inner[0]) > 0 })
}

// hear expects a word at the other side's peer.
func hear(t *testing.T, e *ends, word string) {
	t.Helper()
	buf := make([]byte, 16)
	_ = e.outer[1].SetReadDeadline(deadline())
	if n, err := e.outer[1].Read(buf); string(buf[:n]) != word {
		t.Fatalf("%q, %v", buf[:n], err)
	}
}

// What comes after a pair was moved is announced to its new thread, and what came before.
func TestMove(t *testing.T) {
	s := newSteps(t, 2)
	e := told(t, s, "before")
	s.threads[0].handOver(e.pair, s.threads[1])
	s.turn(0)
	if waiting(t, e.inner[0]) == 0 {
		t.Fatal("still on its old thread's watch")
	}
	s.turn(1)
	hear(t, e, "before")
	say(t, e, "after")
	s.turn(1)
	hear(t, e, "after")

	e.pair.Stop()
	s.threads[1].handOver(e.pair, s.threads[0])
	if s.threads[0].watched != 0 || s.threads[1].watched != 0 {
		t.Errorf("after its stop, threads watch %d and %d", s.threads[0].watched, s.threads[1].watched)
	}
}

// What a thread could not see to, because the pair was just being moved, is seen to
// by whoever has moved it, to wherever.
func TestMoveMeetsEvent(t *testing.T) {
	for to := range 2 {
		s := newSteps(t, 2)
		e := told(t, s, "word")
		e.pair.mu.Lock()
		s.turn(0)
		e.pair.mu.Unlock()
		s.turn(0)
		if waiting(t, e.inner[0]) == 0 {
			t.Fatal("announced twice, or moved without the lock")
		}
		s.threads[0].handOver(e.pair, s.threads[to])
		hear(t, e, "word")
	}
}

// A thread that serves a pair on another's watch leaves to that one what is more
// than its share.
func TestLaterIsForTheWatcher(t *testing.T) {
	s := newSteps(t, 2)
	e := told(t, s, "word")
	e.pair.mu.Lock()
	s.turn(0)
	e.pair.mu.Unlock()
	e.pair.late.Store(0) // as if the first of the word had been moved
	s.threads[1].later(e.pair)
	if len(s.threads[1].again) != 0 {
		t.Error("who does not watch it goes on with it")
	}
	s.turn(0)
	hear(t, e, "word")
}

// waiting is how much a descriptor has to read (SIOCINQ, tcp(7)).
func waiting(t *testing.T, fd int) int {
	t.Helper()
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
