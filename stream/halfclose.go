package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// One side of an open pair may end its sending and go on receiving. While the relay of
// package splice has the pair that is the relay's; otherwise the loop carries it:
//
//	a side's FIN is read --what it sent is with the kernel--> its partner is shut
//	                                         both sides are shut: the pair ends
//
// A FIN before the pair has opened is taken for what it nearly always is, a connection
// that was closed (no ZeroMQ library half-closes): else whoever has given up would cost
// a worker. Only who has said more than a handshake is heard first (lastwords.go).

// finRead takes in that a connection has ended its sending, and that all that came
// before it is here.
func (l *loop) finRead(c *conn) {
	switch {
	case c.ended, l.passEnd(c):
	case c.phase == closing && !c.broken && (!c.out.empty() || !c.handed()):
		c.ended = true // it still has something to read
		l.updateInterest(c)
	case c.phase > live && c.owedReset: // and will be given it
	case l.hasLastWords(c):
		c.lastWords, c.ended = true, true
		l.updateInterest(c)
	default:
		l.ended(c, c.lastWord())
	}
}

// passEnd has the partner of a connection that has ended its sending be shut, if
// their pair is open and nothing else has happened to it; false if not.
func (l *loop) passEnd(c *conn) bool {
	f := c.flow
	if f == nil || !f.carriesEnds() || c.broken {
		return false
	}
	c.ended = true
	to := f.partner(c)
	f.beginsUnlessFailed(c)
	f.end.InOrder = f.end.InOrder || f.end.Begun && f.end.First == f.side(c)
	if !f.direct() {
		l.halfClose(f)
	}
	l.shutWhenHanded(to)
	l.updateInterest(c)
	return true
}

// mayLeave: a connection is left unread that the loop reads, so that nobody would find its end.
func (c *conn) mayLeave() bool {
	f := c.flow
	return c.paused && c.phase == live && !c.ended && (f == nil || f.open && !f.direct())
}

// leaves takes in that a connection has ended its sending, or is no more, that is left
// unread: without a partner that is its end. In a pair what it has sent before is its
// partner's yet, who may be one that takes nothing: so that is told now.
func (l *loop) leaves(c *conn, reset bool) {
	f := c.flow
	switch {
	case c.phase != live || c.ended || c.lastWords:
	case f == nil && !c.paused:
	case f == nil && !reset && l.hasLastWords(c):
		c.lastWords = true
	case f == nil:
		l.ended(c, howEnded(c))
	case !f.open:
	case reset && c.own() != nil && toRead(c.link.descriptor()) == 0: // of a peer of a STREAM socket the seam tells
		l.ended(c, pairing.Reset)
	default:
		f.beginsUnlessFailed(c)
		first := f.end.Begun && f.end.First == f.side(c)
		f.end.Reset = f.end.Reset || first && reset && !f.end.InOrder
		l.halfClose(f)
	}
}

// beginsUnlessFailed notes that a side has ended its sending, if it is the first.
func (f *flow) beginsUnlessFailed(c *conn) {
	if !f.end.Begun && !f.hasFailed(f.partner(c)) { // which costs a system call
		f.begins(f.side(c))
	}
}

// carriesEnds: the pair is open, both sides are there, and the loop moves its bytes.
func (f *flow) carriesEnds() bool {
	if f.direct() {
		return f.young && f.lendable()
	}
	return f.open && f.client.phase == live && f.worker.phase == live
}

// hasFailed says whether a side was reset before its partner ended, although the loop
// hears of that later: libzmq's notices come behind the seam's news.
func (f *flow) hasFailed(c *conn) bool {
	return c.broken || !f.direct() && howEnded(c) == pairing.Reset
}

// shutWhenHanded passes the end of its partner on to a connection, behind everything
// that it is owed; of the second of two that is the end of the pair.
func (l *loop) shutWhenHanded(c *conn) {
	f := c.flow
	if f == nil || c.shut || c.broken || !c.out.empty() {
		return
	}
	if p := f.partner(c); !p.ended || p.lastWords || !c.handed() {
		return
	}
	if c.broken { // as has just been found: its own end is no answer to that of its partner
		l.noteFailed(c)
		return
	}
	c.shut = true
	if sides := f.sides(); sides[0].shut && sides[1].shut {
		l.bothEnded(sides[f.end.First], sides[1-f.end.First])
		return
	}
	c.link.finish()
}

// left: the connection has ended its sending, and the loop waits for nothing but
// room, or that it fails.
func (c *conn) left() bool {
	f := c.flow
	return c.ended && (c.phase == closing || c.phase == live && (c.lastWords || f.young || !f.direct()))
}

// failedLeft ends a connection that had ended its sending and then failed.
func (l *loop) failedLeft(c *conn, mask uint32) {
	switch {
	case mask&pollError == 0: // over ipc it has only closed
	case c.lastWords: // to be told of that comes behind them
		c.broken = true
	default:
		l.ended(c, pairing.Reset)
	}
}

// noteFailed ends a connection that has ended its sending and takes nothing any more:
// nothing else will tell of that. The relay knows by itself.
func (l *loop) noteFailed(c *conn) {
	if c.phase == live && c.broken && c.ended && !c.lastWords && !c.flow.direct() {
		l.ended(c, pairing.Reset)
	}
}

// hearEnd takes in how far a peer of a STREAM socket has come to its end. The loop acts
// on that when it has heard all that libzmq has read.
func (l *loop) hearEnd(c *conn) {
	link, ok := c.link.(*streamLink)
	if !ok || c.phase == dead {
		return
	}
	link.end = seam.Ended(link.fd)
	l.endHeard(c, link)
}

func (l *loop) endHeard(c *conn, link *streamLink) {
	if link.end.Gone { // and it may have been read since
		link.end = seam.Ended(link.fd)
	}
	end := link.end
	if some := end.FIN || end.Gone; !some || c.phase == dead || c.phase == refused || !link.allHeard() {
		return
	}
	if _, ok := seam.Sent(link.fd); !ok && !c.shut {
		c.broken = true // writing has failed
	}
	if end.FIN {
		l.finRead(c)
	}
	if !end.Gone || c.phase == dead || c.lastWords {
		return
	}
	reset := end.Error || !c.shut && wasReset(link.fd)
	switch {
	case c.flow != nil && c.phase == live && !end.FIN && toRead(link.fd) > 0:
		l.leaves(c, reset) // and has said something before
	case reset:
		l.ended(c, pairing.Reset)
	case c.phase > live:
		l.ended(c, pairing.Closed)
	default:
		l.noteFailed(c)
	}
}

// halfClosed is an open pair of which one side has ended its sending.
type halfClosed struct {
	flow     *flow
	looked   time.Duration // when it was looked at last
	progress progress      // at that time
}

// progress is something else whenever a byte has moved.
type progress struct {
	taken     [2]uint64 // from each side
	written   [2]uint64 // to each side, by libzmq
	delivered [2]uint64 // to each side, see deliveryMark
	kept      [2]int    // for each side, by the loop
}

func (f *flow) progress() (p progress) {
	p.taken = f.passed
	for side, c := range f.sides() {
		if f.loan != nil {
			p.taken[side] += f.loan.Moved(side)
		}
		if c.own() == nil {
			p.written[side], _ = seam.Sent(c.link.descriptor())
		}
		p.delivered[side] = deliveryMark(c.link.descriptor())
		p.kept[side] = c.out.size()
	}
	return p
}

// ending is how far the end of a pair has come.
func (f *flow) ending() splice.End {
	if f.loan != nil {
		return f.loan.End()
	}
	return f.end
}

// halfClose notes a pair of which one side has ended its sending. It is on the
// list until it ends, or is taken back.
func (l *loop) halfClose(f *flow) {
	if f.half != nil {
		return
	}
	f.half = l.halves.PushBack(&halfClosed{f, l.clock, f.progress()})
}

// notHalf takes a pair off the list.
func (l *loop) notHalf(f *flow) {
	if f != nil && f.half != nil {
		l.halves.Remove(f.half)
		f.half = nil
	}
}

// nextHalfClosed is who is looked at next, and when; nil if there is none. The
// finish timeout is the present one: a reload can change it.
func (l *loop) nextHalfClosed() (h *halfClosed, at time.Duration) {
	if e := l.halves.Front(); e != nil {
		h = e.Value.(*halfClosed)
		return h, h.looked + l.cfg.Pairing.FinishTimeout
	}
	return nil, never
}

// endHalfClosed ends the pairs on which, a finish timeout after one side has
// ended, no byte has moved: otherwise a side that neither reads nor closes would
// hold a pair for good.
func (l *loop) endHalfClosed() {
	for h, at := l.nextHalfClosed(); h != nil && at <= l.clock; h, at = l.nextHalfClosed() {
		l.notHalf(h.flow)
		if h.flow.progress() != h.progress {
			l.halfClose(h.flow)
			continue
		}
		reason := counts(pairing.Closed, true, h.flow.ending()).Reason(true)
		l.act(l.table.End(l.clock, h.flow.client.id, reason))
	}
}
