package stream

import (
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// How a pair has ended. What decides is the side that ended first, and whether by a
// FIN or a reset. The end may be seen by the relay (splice.End), by the loop, or by
// libzmq, and each may see it in either order; TestHowAPairEnds is the table of what
// becomes of it.

// howEnded is how a connection ended that is known to have.
func howEnded(c *conn) pairing.Gone {
	if fd := c.link.descriptor(); wasReset(fd) || c.own() == nil && seam.Ended(fd).Error {
		return pairing.Reset
	}
	return pairing.Closed
}

// lastWord is how a connection of the loop's own ended of which an end in order was
// read. Only a write may have been told of a reset before: nobody is told twice.
func (c *conn) lastWord() pairing.Gone {
	if c.broken {
		return howEnded(c)
	}
	return pairing.Closed
}

// counts is what the table is told of a side that has gone so: the reason of a pair
// is how the side ended that did first, as far as the relay has seen it.
func counts(how pairing.Gone, client bool, end splice.End) pairing.Gone {
	first := client == (end.First == 0)
	switch {
	case !end.Begun, first && !end.InOrder && !end.Reset:
		return how
	case end.Reset:
		how = pairing.Reset
	default:
		how = pairing.Closed
	}
	if !first {
		how |= pairing.Followed
	}
	return how
}

// ended forgets a connection that no longer exists and tells the table.
func (l *loop) ended(c *conn, how pairing.Gone) { l.lose(c, how, false) }

// lose is ended of a connection that may still exist, and is reset then.
func (l *loop) lose(c *conn, how pairing.Gone, reset bool) {
	if f := c.flow; f != nil {
		if how == pairing.Reset {
			f.partner(c).owedReset = true
		}
		how = counts(how, c.client(), f.end)
		if !f.open {
			how = f.endedUnopened(c, how)
		}
	}
	l.forget(c, reset)
	l.act(l.table.Gone(l.clock, c.id, how))
}

// relayed ends a pair of which the relay has moved everything that there was.
func (l *loop) relayed(f *flow) {
	l.takeBack(f)
	sides := f.sides()
	if f.end.Abort {
		gone := sides[f.end.Gone]
		sockets.DropUnsent(gone.link.descriptor())
		l.ended(gone, pairing.Reset)
		return
	}
	l.bothEnded(sides[f.end.First], sides[1-f.end.First])
}

// bothEnded ends a pair in order. The second has been sent a FIN, and has sent its own.
func (l *loop) bothEnded(first, second *conn) {
	second.phase = finished
	l.ended(first, pairing.Closed)
	l.ended(second, pairing.Closed)
}
