package stream

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A client that is refused comes back: libzmq after 100 to 200 ms for ever, since its
// back-off grows only while TCP itself is refused, and go-zeromq without any pause. So
// who is refused is held: the table knows nothing of it, it is left unread, and it is
// closed after a while. Closes are spread, so that a crowd does not come back as one.
const (
	holdMin = time.Second
	holdMax = 5 * time.Second
	// holdPace is the least time between two closes of those that are held, as long as
	// that holds nobody for more than holdLongest: libzmq gives up after 30 s.
	holdPace    = 25 * time.Millisecond
	holdLongest = 25 * time.Second
	holdClosed  = 2 * time.Second
	// heldMost are held in all pools at most, and heldShare-th of the descriptors. The one
	// that would be closed next makes way.
	heldMost  = 10_000
	heldShare = 8
)

// refuses says whether a client that ends so is refused for what it cannot know of, or
// mend, and would come back at once. One that has waited for its whole time is not held.
func refuses(why pairing.Reason) bool {
	switch why {
	case pairing.Shutdown, pairing.QueueFull, pairing.NoWorker, pairing.DialFailed, pairing.MechanismRefused, pairing.NoSourcePort,
		pairing.NotZMTP, pairing.ProxyHeader, pairing.ProtocolError:
		return true
	}
	return false
}

// held are the clients that were refused, by when they are closed.
type held struct {
	heap heldHeap
	last time.Duration // when the last of them is closed, by the pace
}

type heldConn struct {
	c     *conn
	until time.Duration
}

type heldHeap []heldConn

func (h heldHeap) Len() int           { return len(h) }
func (h heldHeap) Less(i, j int) bool { return h[i].until < h[j].until }
func (h heldHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heldHeap) Push(x any)        { *h = append(*h, x.(heldConn)) }

func (h *heldHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = heldConn{}
	*h = (*h)[:last]
	return x
}

// next is when somebody is to be closed.
func (h *held) next() (at time.Duration, ok bool) {
	if len(h.heap) == 0 {
		return 0, false
	}
	return h.heap[0].until, true
}

// hold keeps a client that the table has refused, and says whether it does. It does not
// where a reset is owed, descriptors are scarce, or the pool has ended.
func (l *loop) hold(c *conn, why pairing.Reason) bool {
	if !c.client() || !refuses(why) || !c.out.empty() || c.owedReset || c.broken || c.ended || c.lastWords || l.closed || l.turnedAway(c) {
		return false
	}
	if l.ctx.scarce() {
		l.releaseAll()
		return false
	}
	if l.ctx.held.Load() >= min(heldMost, l.ctx.limit/heldShare) {
		if len(l.held.heap) == 0 { // they are other pools'
			return false
		}
		l.releaseNext()
	}
	_ = l.listenTo(c, wish{})
	l.unknow(c)
	l.figures.connections--
	l.ctx.held.Add(1)
	c.phase, c.paused = refused, false
	c.unsay()
	heap.Push(&l.held.heap, heldConn{c, l.holdUntil()})
	return true
}

// holdUntil is when one that is held from now on is closed. Where the port is closed it is
// what the client backs off by, and only a crowd has to be spread: over holdClosed.
func (l *loop) holdUntil() time.Duration {
	if l.draining.on {
		return l.clock + rand.N(holdClosed)
	}
	l.held.last = max(l.held.last+holdPace, l.clock+holdMin)
	until := max(l.held.last, l.clock+holdMin+rand.N(holdMax-holdMin))
	return min(until, l.clock+holdLongest)
}

// releaseNext closes the one that is to be closed next.
func (l *loop) releaseNext() {
	c := heap.Pop(&l.held.heap).(heldConn).c
	l.ctx.held.Add(-1)
	l.ctx.descriptors.Add(-1)
	c.link.drop(false)
	l.leave(c)
	c.phase = dead
}

func (l *loop) releaseAll() {
	for len(l.held.heap) > 0 {
		l.releaseNext()
	}
	l.held.heap = nil
}

// releaseHeld closes those whose time has come.
func (l *loop) releaseHeld() {
	for at, ok := l.held.next(); ok && at <= l.clock; at, ok = l.held.next() {
		l.releaseNext()
	}
}
