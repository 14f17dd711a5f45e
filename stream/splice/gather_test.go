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
		var g gathering
		p, neighbour := &Pair{}, &Pair{}
		p.ways[0].bulk = c.bulk
		clock := time.Second
		for i := range 1024 {
			clock += c.every
			if c.other > 0 && i%c.other == 0 {
				g.heard(neighbour, 0, 1, clock)
			}
			if c.answer > 0 && i%c.answer == 0 {
				g.heard(p, 1, 1, clock)
			}
			g.heard(p, 0, c.piece, clock)
		}
		if g.wait != c.wait {
			t.Errorf("%s: waits %v, want %v", name, g.wait, c.wait)
		}
	}
}

// A piece is waited for once, not for less than is worth it, and not while something
// is left to do.
func TestGatherOnce(t *testing.T) {
	for name, c := range map[string]struct {
		wait  time.Duration
		again []*Pair
		want  time.Duration
	}{
		"worth it":          {wait: gatherLeast, want: gatherLeast},
		"too little":        {wait: gatherLeast - 1},
		"something is left": {wait: gatherMost, again: []*Pair{{}}},
	} {
		th := thread{gathering: gathering{wait: c.wait}, again: c.again}
		if wait := th.toGather(); wait != c.want {
			t.Errorf("%s: waits %v, want %v", name, wait, c.want)
		}
		if th.again = nil; th.toGather() != 0 {
			t.Errorf("%s: waits twice for one piece", name)
		}
	}
}
