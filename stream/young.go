package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/stream/splice"
)

// A pair that has just opened stays with the loop for a while: many of them say a
// few words and end, and to lend one and have it back costs more than all of its words.
// Until then the loop passes on what the relay would, an end of one way among it.
const (
	youngFor    = time.Second
	youngChunks = 16
)

// young are pairs that have opened, the longest ago first.
type young struct{ flows []*flow }

// grow has a pair that has opened looked at when it is no longer young.
func (l *loop) grow(f *flow) {
	f.opened = l.clock
	l.young.flows = append(l.young.flows, f)
}

// next is when somebody is grown up.
func (y *young) next() (at time.Duration, ok bool) {
	if len(y.flows) == 0 {
		return 0, false
	}
	return y.flows[0].opened + youngFor, true
}

// mature: a pair has said so much that it will go on, or has been open for so long.
func (f *flow) mature() bool { return f.grown || f.chunks > youngChunks }

// growUp settles the pairs that are no longer young.
func (l *loop) growUp() {
	n := 0
	for ; n < len(l.young.flows) && l.young.flows[n].opened+youngFor <= l.clock; n++ {
		f := l.young.flows[n]
		l.young.flows[n] = nil
		if f.client.phase == dead || f.worker.phase == dead {
			continue
		}
		f.grown = true
		l.keepAlive(f.worker)
		l.lend(f)
	}
	if l.young.flows = l.young.flows[n:]; len(l.young.flows) == 0 {
		l.young.flows = nil
	}
}

// keepAlive gives a connection that was dialled TCP's options for a long life. An
// accepted one has those of its listener.
func (l *loop) keepAlive(c *conn) {
	o := c.own()
	if o == nil || !o.keepLater {
		return
	}
	o.keepLater = false
	if err := keep(o.fd, l.fixed.KeepAlive, l.fixed.UserTimeout); err != nil {
		l.cfg.Log.Warn("a connection to a worker without keepalive", "pool", l.fixed.Name, "error", err)
	}
}

// passFIN passes on that a side of an open pair has ended its sending, and says
// whether it has: then the other way goes on, until that has ended, too.
func (l *loop) passFIN(c *conn) bool {
	f := c.flow
	if f == nil || !f.open || c.broken || !lendable(f.client) || !lendable(f.worker) {
		return false
	}
	p := f.partner(c)
	if p.eof {
		l.bothEnded(p, c)
		return true
	}
	c.eof = true
	if !f.end.Begun {
		first := 1
		if c.client() {
			first = 0
		}
		f.end = splice.End{Begun: true, First: first, InOrder: true}
	}
	l.updateInterest(c)
	if p.out.empty() {
		p.link.finish()
	}
	return true
}
