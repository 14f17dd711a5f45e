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
)

const (
	// GatherAfter is how many bytes one side must have sent since the other last spoke
	// to be waited for: who asks and answers is not kept waiting.
	GatherAfter = 128 << 10
	// GatherAlone is how many bytes one pair must have sent since another did to be
	// the only one: some milliseconds' worth at the least. One that speaks every now
	// and then is not kept waiting, either.
	GatherAlone = 4 << 20
)

// gathering is what a thread remembers of the pair that spoke last.
type gathering struct {
	pair  *Pair
	alone int           // bytes, since another spoke
	at    time.Duration // when the last piece came, by the relay's clock
	wait  time.Duration // for more, 0: not at all
}

// heard takes in a piece of n bytes, which came one way.
func (g *gathering) heard(p *Pair, side, n int, clock time.Duration) {
	if g.pair != p {
		*g = gathering{pair: p}
	}
	from, back := &p.ways[side], &p.ways[1-side]
	from.oneWay, back.oneWay = from.oneWay+n, 0
	g.alone += n
	g.wait = 0
	many := from.oneWay > GatherAfter && g.alone > GatherAlone && !from.bulk
	if since := clock - g.at; many && since < 2*gatherMost {
		g.wait = min(gatherMost, since*gatherSize/time.Duration(n))
	}
	g.at = clock
}

// gather waits when more small pieces are to come, and nothing else is to do.
func (t *thread) gather() {
	if wait := t.toGather(); wait > 0 {
		pause := unix.NsecToTimespec(wait.Nanoseconds())
		_ = unix.Nanosleep(&pause, nil)
	}
}

// toGather is how long gather is to wait, once for each piece.
func (t *thread) toGather() time.Duration {
	wait := t.gathering.wait
	t.gathering.wait = 0
	if wait < gatherLeast || len(t.again) > 0 {
		return 0
	}
	return wait
}
