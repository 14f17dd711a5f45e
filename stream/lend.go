package stream

import (
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// Once a pair is open nothing of it needs to be looked at any more. If both of
// its connections are direct, they are lent to the relay of package splice,
// whose threads move the bytes, half-closes among them, until both ways have
// ended. The loop takes a pair back (takeBack) for everything else: to halt it, and
// lend it again afterwards, or to end it before its time.
//
//	direct, open --lend--> lent --takeBack--> direct
//	                        | both ways have ended, or a side was reset
//	                        +-------------> relayed: the pair ends

// lent says whether the relay has the connection.
func (c *conn) lent() bool { return c.flow != nil && c.flow.loan != nil }

// lend gives an open pair to the relay, with what is held back on either side.
func (l *loop) lend(f *flow) {
	if !f.open || f.young || f.loan != nil || l.halt.on || !f.lendable() {
		return
	}
	for _, c := range f.sides() {
		_ = l.listenTo(c, wish{})
		c.paused = false
	}
	rest := [2][]byte{f.worker.out.all(), f.client.out.all()}
	loan, err := l.ctx.relay.Start(f.client.link.descriptor(), f.worker.link.descriptor(), rest, f.end, l.counters(f), f)
	if err != nil { // for want of memory
		l.cfg.Log.Error("cannot relay a pair", "pool", l.cfg.Name, "error", err)
		l.act(l.table.End(l.clock, f.client.id, pairing.QueueFull))
		return
	}
	f.loan = loan
	if f.end.Begun { // which is no news
		l.halfClose(f)
	}
	for _, c := range f.sides() {
		l.dropBacklog(c)
	}
}

// lendable: both connections are the loop's own, and none is broken of which the relay would not know.
func (f *flow) lendable() bool {
	for _, c := range f.sides() {
		known := f.end.Abort && f.end.Gone == f.side(c)
		if c.phase != live || c.own() == nil || c.broken && !known {
			return false
		}
	}
	return true
}

// takeBack takes a pair back from the relay, if it was lent, with what the relay
// still held. Its connections are not watched then.
func (l *loop) takeBack(f *flow) {
	if f == nil || f.loan == nil {
		return
	}
	loan := f.loan
	rest := loan.Stop()
	f.active = l.lastActive(f.client)
	f.loan, f.end = nil, loan.End()
	l.notHalf(f)
	for way, to := range [...]*conn{f.worker, f.client} {
		f.passed[way] += loan.Moved(way)
		if to.phase != dead && len(rest[way]) > 0 {
			l.keep(to, rest[way])
		}
	}
}

// lastActive is when bytes last passed on the pair of a connection.
func (l *loop) lastActive(c *conn) time.Duration {
	if c.lent() {
		return l.clockAgo(c.flow.loan.Idle())
	}
	if c.flow == nil {
		return 0
	}
	return c.flow.active
}

// news are loans of which the relay has something to tell.
type news struct {
	mu    sync.Mutex
	loans []lent
}

// lent is a pair's loan. Lent again after a halt the pair has another one.
type lent struct {
	flow *flow
	loan *splice.Pair
}

// Told has the pool hear of a loan; it is called by the relay's threads.
func (f *flow) Told(loan *splice.Pair) {
	p := f.pool
	p.news.mu.Lock()
	p.news.loans = append(p.news.loans, lent{f, loan})
	p.news.mu.Unlock()
	p.wake.wake()
}

func (n *news) take() []lent {
	n.mu.Lock()
	defer n.mu.Unlock()
	loans := n.loans
	n.loans = nil
	return loans
}

// hearOfLent ends the pairs that the relay has brought to their end, and notes
// those that have begun to.
func (l *loop) hearOfLent() {
	for _, n := range l.pool.news.take() {
		switch {
		case n.flow.loan != n.loan: // taken back since, and perhaps lent again
		case n.loan.End().Over:
			l.relayed(n.flow)
		default:
			l.halfClose(n.flow)
		}
	}
}
