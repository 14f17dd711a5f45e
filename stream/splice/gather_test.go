package splice

import (
	"testing"
	"time"
)

// A thread waits for more of a pair that alone sends much in small pieces, one way.
func TestGather(t *testing.T) {
	const piece = 8 << 10
	every := 89 * time.Microsecond
	for name, c := range map[string]struct {
		piece  int
		every  time.Duration
		answer int // pieces between two answers, 0: none
		other  int // pieces between two of another pair, 0: none
		bulk   bool
		wait   time.Duration // after the last piece
	}{
		"small pieces":          {piece: piece, every: every, wait: gatherMost},
		"in between":            {piece: piece, every: 40 * time.Microsecond, wait: 160 * time.Microsecond},
		"large ones":            {piece: 2 * gatherSize, every: every, wait: every / 2},
		"slow ones":             {piece: piece, every: 2 * gatherMost},
		"answered now and then": {piece: piece, every: every, answer: 32, wait: gatherMost},
		"answered":              {piece: piece, every: every, answer: 8},
		"with a neighbour":      {piece: piece, every: every, other: 100},
		"spliced":               {piece: piece, every: every, bulk: true},
	} {
		var s stream
		p, neighbour := &Pair{}, &Pair{}
		p.ways[0].bulk = c.bulk
		clock := time.Second
		for i := range 1024 {
			clock += c.every
			if c.other > 0 && i%c.other == 0 {
				s.note(neighbour, 0, 1, clock)
			}
			if c.answer > 0 && i%c.answer == 0 {
				s.note(p, 1, 1, clock)
			}
			s.note(p, 0, c.piece, clock)
		}
		if s.wait != c.wait {
			t.Errorf("%s: waits %v, want %v", name, s.wait, c.wait)
		}
	}
}

// Much is waited for once, and not while something is left to do.
func TestGatherOnce(t *testing.T) {
	s := newSteps(t, 1)
	th := s.threads[0]
	waits := func() bool {
		begin := time.Now()
		th.gather()
		return time.Since(begin) >= gatherLeast
	}
	th.stream.wait = gatherLeast
	if !waits() {
		t.Error("does not wait")
	}
	if th.stream.wait != 0 {
		t.Error("waits twice for one piece")
	}
}
