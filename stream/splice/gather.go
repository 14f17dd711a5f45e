package splice

import (
	"math"
	"time"

	"github.com/streamq/streamq-proxy/stream/pacing"
)

// A thread gathers (package pacing) while nobody else has anything for it to do. It waits for as long as gatherSize takes to come: what comes faster
// than that is large enough as it is, and what comes slowly is not held up.
const (
	gatherSize  = 32 << 10
	gatherLeast = 100 * time.Microsecond // less costs more than it brings
	gatherMost  = 300 * time.Microsecond // the kernel's timer slack (prctl(2)) adds up to 50
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
	from.oneWay, back.oneWay = int32(min(int(from.oneWay)+n, math.MaxInt32)), 0
	g.alone += n
	g.wait = 0
	many := from.oneWay > pacing.GatherAfter && g.alone > pacing.GatherAlone && !from.bulk
	if since := clock - g.at; many && since < 2*gatherMost {
		g.wait = min(gatherMost, since*gatherSize/time.Duration(n))
	}
	g.at = clock
}

// gather waits when more small pieces are to come, and nothing else is to do.
func (t *thread) gather() {
	if wait := t.toGather(); wait > 0 {
		pacing.Wait(wait)
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
