package splice

import (
	"slices"
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
		"crowded beside a calm one":     {loadWindow, 13, loadWindow, loadWindow / 4, 0, true},
		"crowded beside a sleeping one": {loadWindow, 13, loadWindow, loadWindow, 3 * loadWindow, true},
		"one pair at a time":            {loadWindow, 12, loadWindow, 0, 0, false},
		"both crowded":                  {loadWindow, 13, loadWindow, loadWindow, 0, false},
		"time left":                     {loadWindow / 2, 13, loadWindow, 0, 0, false},
		"before the window's end":       {loadWindow / 2, 13, loadWindow / 2, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSteps(t, 2)
			s.start = time.Now().Add(-time.Hour)
			e := src.ends(t)
			e.start(t, s.Relay)
			from, to := s.threads[0], s.threads[1]
			from.clock = s.now()
			from.load = load{since: from.clock - c.window, busy: c.busy, turns: 9, pairs: c.pairs}
			to.share.Store(int64(c.other))
			to.seen.Store(int64(from.clock - c.heard))
			from.observe(e.pair)
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
	say(t, e, 0, word)
	return e
}

// say has a side's peer send a word, which is there then.
func say(t *testing.T, e *ends, side int, word string) {
	t.Helper()
	if _, err := e.outer[side].Write([]byte(word)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, word, func() bool { return waiting(t, e.inner[side]) > 0 })
}

// hear expects a word at a side's peer.
func hear(t *testing.T, e *ends, side int, word string) {
	t.Helper()
	buf := make([]byte, 16)
	_ = e.outer[side].SetReadDeadline(deadline())
	if n, err := e.outer[side].Read(buf); string(buf[:n]) != word {
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
	hear(t, e, 1, "before")
	say(t, e, 0, "after")
	s.turn(1)
	hear(t, e, 1, "after")

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
		hear(t, e, 1, "word")
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
	hear(t, e, 1, "word")
}

// A pair that is all that a thread has to do stays there, however much that is.
func TestLonePairStays(t *testing.T) {
	for name, talk := range map[string]func(t *testing.T, s *busySteps, e *ends){
		"both sides talk": func(t *testing.T, s *busySteps, e *ends) {
			for range 20 {
				s.talk(t, e)
			}
		},
		"one sends without end": func(t *testing.T, s *busySteps, e *ends) {
			defer pour(t, e)()
			waitFor(t, "much is moved", func() bool { s.turn(e.pair.thread); return e.pair.Moved(0) > 32*fairShare })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, e := newBusySteps(t), newSource(t, "tcp4").ends(t)
			e.start(t, s.Relay)
			talk(t, s, e)
			if s.moves > 0 {
				t.Errorf("it was moved %d times", s.moves)
			}
		})
	}
}

// Of two pairs that talk on one thread, one is moved to the thread that sleeps, and
// then each stays where it is.
func TestPairsAreSharedOut(t *testing.T) {
	src, s := newSource(t, "tcp4"), newBusySteps(t)
	a, b := src.ends(t), src.ends(t)
	a.start(t, s.Relay)
	b.start(t, s.Relay)
	b.pair.watchedBy(s.threads[0])
	for range 20 {
		s.talk(t, a, b)
	}
	if s.moves != 1 || a.pair.thread == b.pair.thread {
		t.Errorf("moved %d times; on one thread: %t", s.moves, a.pair.thread == b.pair.thread)
	}
}

// busySteps is a relay of two threads of which each is busy for as long as it has
// existed when it takes a turn, and the other sleeps.
type busySteps struct {
	*steps
	moves int // pairs from one thread to the other
}

func newBusySteps(t *testing.T) *busySteps {
	t.Helper()
	s := newSteps(t, 2)
	s.start = time.Now().Add(-time.Hour)
	return &busySteps{steps: s}
}

// turn has a thread take a turn, with which a window ends.
func (s *busySteps) turn(t *thread) {
	for _, other := range s.threads {
		other.seen.Store(0)
	}
	t.load.since, t.load.busy = 0, s.now()
	watched := t.watched
	s.steps.turn(slices.Index(s.threads, t))
	s.moves += watched - t.watched
}

// talk has both sides of each pair say a word at once, and each thread pass on what
// there is for it in one turn.
func (s *busySteps) talk(t *testing.T, all ...*ends) {
	t.Helper()
	for _, e := range all {
		say(t, e, 0, "one")
		say(t, e, 1, "two")
	}
	for _, e := range all {
		s.turn(e.pair.thread)
	}
	for _, e := range all {
		hear(t, e, 1, "one")
		hear(t, e, 0, "two")
	}
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
