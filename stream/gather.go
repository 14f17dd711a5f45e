package stream

import (
	"math"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/pacing"
)

// A socket that is in the middle of much is left alone for a moment, so that it
// has more at once: [pacing.GatherAfter] and [pacing.GatherAlone] say when. The
// wait is fixed, unlike that of package splice: what libzmq hands over does not tell
// how fast it came.
const (
	gatherWait = 50 * time.Microsecond
	// gatherWaitAlone is for when no other pair is there to be kept waiting.
	gatherWaitAlone = 200 * time.Microsecond
)

// gathering is what the loop remembers of the pair that spoke last.
type gathering struct {
	pair  pairing.PeerID // its client
	alone int            // bytes, since another spoke
	due   bool           // who sends much, not always this pair, is to be waited for
}

// heard takes in a piece of n bytes, which came from one side for the other.
func (g *gathering) heard(from, to *conn, n int) {
	if pair := from.flow.client.id; g.pair != pair {
		g.pair, g.alone = pair, 0
	}
	from.oneWay, to.oneWay = int32(min(int(from.oneWay)+n, math.MaxInt32)), 0
	g.alone += n
}

// lone: one pair is all that has been heard of for a while.
func (g *gathering) lone() bool { return g.alone > pacing.GatherAlone }

// many says whether c, of which r was just heard, is in the middle of much. A
// partner that is direct is written to at once, without a thread between, which
// with others about is worth more than what gathering saves.
func (g *gathering) many(c *conn, r *run) bool {
	return r.more && c.oneWay > pacing.GatherAfter && (g.lone() || c.flow.partner(c).own() == nil)
}

// gather waits a moment when a STREAM peer is sending much. libzmq reads 8 KiB at
// a time, and the loop is awake before the next read: each would cost a wake-up
// of the loop and a write of its own, and with a STREAM peer on the other side a
// message and a wake-up of libzmq's thread as well.
func (l *loop) gather() {
	if !l.gathering.due {
		return
	}
	l.gathering.due = false
	wait := gatherWait
	if l.gathering.lone() {
		wait = gatherWaitAlone
	}
	pacing.Wait(wait)
}
