package splice

import (
	"time"

	"golang.org/x/sys/unix"
)

// Who sends much in small pieces has a thread awake for each of them: libzmq writes
// 8 KiB at a time. While nobody else has anything for the thread to do it waits a
// moment after each piece, so that more is there at once, which can halve what a
// byte costs. It waits for as long as gatherSize takes to come: what comes faster
// than that is large enough as it is, and what comes slowly is not held up.
const (
	gatherSize  = 32 << 10
	gatherLeast = 100 * time.Microsecond // less costs more than it brings
	gatherMost  = 300 * time.Microsecond // the kernel's timer slack (prctl(2)) adds up to 50
	// gatherAfter is how much must have come one way since anything came the other:
	// who asks and answers is not kept waiting.
	gatherAfter = 128 << 10
	// gatherAlone is how much the thread must have moved for this pair since it had
	// to do with another: one that speaks every now and then is not, either.
	gatherAlone = 4 << 20
)

// stream is what a thread remembers of the pair that it served last.
type stream struct {
	pair  *Pair
	moved int           // bytes since another was served
	at    time.Duration // when the last piece came, by the relay's clock
	wait  time.Duration // for what is worth a turn, 0: not to be waited for
}

// note takes in a piece of n bytes, which came one way.
func (s *stream) note(p *Pair, side, n int, clock time.Duration) {
	if s.pair != p {
		*s = stream{pair: p}
	}
	from, back := &p.ways[side], &p.ways[1-side]
	from.run, back.run = from.run+n, 0
	s.moved += n
	s.wait = 0
	many := from.run > gatherAfter && s.moved > gatherAlone && !from.bulk
	if since := clock - s.at; many && since < 2*gatherMost {
		s.wait = min(gatherMost, since*gatherSize/time.Duration(n))
	}
	s.at = clock
}

// gather waits when more small pieces are to come, and nothing else is to do.
func (t *thread) gather() {
	if t.stream.wait >= gatherLeast && len(t.again) == 0 {
		pause := unix.NsecToTimespec(t.stream.wait.Nanoseconds())
		_ = unix.Nanosleep(&pause, nil)
	}
	t.stream.wait = 0
}
