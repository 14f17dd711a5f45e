package stream

import (
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// Once a pair is open nothing of it needs to be looked at any more. If both of
// its connections are direct, they are lent to the relay of package splice,
// whose threads move the bytes until a side has ended. The loop takes them back
// for everything else: to end the pair, or to halt it.
//
//	direct, open --lend--> lent --recall--> direct
//	                        | both ways have ended
//	                        +-------------> relayed: the pair ends

// lent says whether the relay has the connection.
func (c *conn) lent() bool { return c.flow != nil && c.flow.lent != nil }

// lend gives an open pair to the relay, with what is held back on either side.
func (l *loop) lend(f *flow) {
	if !f.open || f.lent != nil || l.halted || !lendable(f.client) || !lendable(f.worker) {
		return
	}
	for _, c := range [...]*conn{f.client, f.worker} {
		if c.interest != 0 {
			l.poller.remove(c.fd)
			c.interest, c.paused = 0, false
		}
	}
	rest := [2][]byte{f.worker.out.all(), f.client.out.all()}
	lent, err := l.ctx.relay.Start(f.client.fd, f.worker.fd, rest, &l.passed, func() { l.pool.relayTold(f) })
	if err != nil { // for want of memory
		l.cfg.Log.Error("cannot relay a pair", "pool", l.cfg.Name, "error", err)
		l.act(l.table.End(l.clock, f.client.id, pairing.QueueFull))
		return
	}
	f.lent = lent
	for _, c := range [...]*conn{f.client, f.worker} {
		l.backlogged -= int64(c.out.size())
		c.out.reset()
	}
}

func lendable(c *conn) bool {
	return c.phase == live && c.sock == nil && !c.broken
}

// recall takes a pair back from the relay, if it was lent, with what the relay
// still held. Its connections are not watched then.
func (l *loop) recall(f *flow) {
	if f == nil || f.lent == nil {
		return
	}
	lent := f.lent
	rest := lent.Stop()
	f.active = l.lastActive(f.client)
	f.lent = nil
	for way, to := range [...]*conn{f.worker, f.client} {
		f.passed[way] += lent.Moved(way)
		if to.phase != dead && len(rest[way]) > 0 {
			to.out.append(rest[way])
			l.backlogged += int64(len(rest[way]))
		}
	}
}

// lastActive is when bytes last passed on the pair of a connection.
func (l *loop) lastActive(c *conn) time.Duration {
	if c.lent() {
		return l.clock - c.flow.lent.Idle()
	}
	if c.flow == nil {
		return 0
	}
	return c.flow.active
}

// news are lent pairs of which the relay has something to tell.
type news struct {
	mu    sync.Mutex
	flows []*flow
}

// relayTold adds a pair; it is called by the relay's threads.
func (p *Pool) relayTold(f *flow) {
	p.news.mu.Lock()
	p.news.flows = append(p.news.flows, f)
	p.news.mu.Unlock()
	p.wake.wake()
}

func (n *news) take() []*flow {
	n.mu.Lock()
	defer n.mu.Unlock()
	flows := n.flows
	n.flows = nil
	return flows
}

// hearOfLent ends the pairs that the relay has brought to their end.
func (l *loop) hearOfLent() {
	for _, f := range l.pool.news.take() {
		if f.lent == nil {
			continue // taken back since
		}
		if end := f.lent.End(); end.Over {
			l.relayed(f, end)
		} else {
			l.halfClosed = append(l.halfClosed, l.halfClosedFrom(f))
		}
	}
}

// relayed ends a pair of which the relay has moved everything that there was.
func (l *loop) relayed(f *flow, end splice.End) {
	l.recall(f)
	sides := [...]*conn{f.client, f.worker}
	if end.Abort {
		l.aborted(sides[end.Gone], sides[1-end.Gone], end)
		return
	}
	first, second := sides[end.First], sides[1-end.First]
	second.phase = finished // it has been sent a FIN, and has sent its own
	l.ended(first, pairing.Closed)
	l.ended(second, pairing.Closed)
}

// aborted ends a pair of which one side was reset: the other is, too, behind
// what it has not received yet. Whichever side ended first is the reason.
func (l *loop) aborted(gone, rest *conn, end splice.End) {
	how := pairing.Closed
	switch {
	case end.First != end.Gone:
		how = pairing.Followed
	case end.Reset:
		how = pairing.Reset
	}
	rest.owedReset = true
	dropUnsent(gone.fd)
	l.ended(gone, how)
}

// halfClosed is a lent pair of which one side has ended its sending.
type halfClosed struct {
	flow  *flow
	at    time.Duration // when it is looked at next
	moved uint64        // what had been taken and acknowledged at the last look
}

func (l *loop) halfClosedFrom(f *flow) halfClosed {
	return halfClosed{f, l.clock + l.cfg.Pairing.DrainTimeout, f.lent.Moved(0) + f.lent.Moved(1) + acknowledged(f.client.fd) + acknowledged(f.worker.fd)}
}

// endHalfClosed ends the pairs on which, a drain timeout after one side has
// ended, no byte has moved: otherwise a side that neither reads nor closes would
// hold a pair for good.
func (l *loop) endHalfClosed() {
	for len(l.halfClosed) > 0 && l.halfClosed[0].at <= l.clock {
		h := l.halfClosed[0]
		l.halfClosed = l.halfClosed[1:]
		if h.flow.lent == nil {
			continue
		}
		if next := l.halfClosedFrom(h.flow); next.moved != h.moved {
			l.halfClosed = append(l.halfClosed, next)
			continue
		}
		reason := pairing.ClientClosed
		if h.flow.lent.End().First == 1 {
			reason = pairing.WorkerClosed
		}
		l.act(l.table.End(l.clock, h.flow.client.id, reason))
	}
}
