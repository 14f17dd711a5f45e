package stream

import (
	"errors"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// data is what a connection has sent.
func (l *loop) data(c *conn, data []byte) {
	switch {
	case c.phase > live:
		l.swallow(c, len(data))
	case c.flow == nil:
		l.greetingOf(c, data)
	default:
		l.forward(c, data)
	}
}

// maxSwallowed is how many times PairBuffer a connection that is being closed
// may send, in bytes, before it is aborted. It is more than kernels buffer, so
// that who answers all that it is still owed, and reads our FIN behind it, is
// let finish; who does not care about a FIN is not read for ever.
const maxSwallowed = 16

// swallow drops what a connection sends that nobody is there to have any more.
func (l *loop) swallow(c *conn, n int) {
	if c.swallowed += n; c.swallowed > maxSwallowed*l.fixed.PairBuffer {
		l.act(l.table.End(l.clock, c.id, pairing.Overflow)) // the pair has its reason already, and keeps it
	}
}

// forward passes data on to the partner, watching as long as the pair is not
// open; false when the pair has been ended in place of that.
func (l *loop) forward(from *conn, data []byte) bool {
	f := from.flow
	to := f.partner(from)
	if !f.open {
		f.shaking.last = from
		if reason := l.watch(from, to, data); reason != 0 {
			l.act(l.table.End(l.clock, from.id, reason))
			return false
		}
		if f.shaking.guarded && from.client() {
			data = l.withhold(f, data)
			if len(f.shaking.withheld) >= maxEarly {
				l.pause(from)
			}
		}
	}
	if len(data) > 0 {
		l.pass(from, to, data)
	}
	if s := f.shaking; s != nil && len(s.withheld) > 0 && !from.client() {
		l.setFree(f)
	}
	if f.open && to.phase == live { // and everything that is here has been passed on
		l.through(f)
	}
	l.passEndOn(f.client)
	return true
}

// through takes in that a chunk of an open pair has been passed on, or is about to.
func (l *loop) through(f *flow) {
	if s := f.shaking; s != nil && len(s.withheld) == 0 {
		f.shaken, f.shaking = s.sofar(), nil
	}
	l.grow(f)
}

// pass gives data to the partner.
func (l *loop) pass(from, to *conn, data []byte) {
	f := from.flow
	l.gathering.heard(from, to, len(data))
	way := 1
	if from.client() {
		way = 0
	}
	f.passed[way] += uint64(len(data))
	f.active = l.clock
	l.counters(f)[way].Add(len(data))
	l.table.Touch(l.clock, from.id)
	if to.phase == live {
		l.write(to, data)
	}
	if !to.out.empty() {
		l.pause(from)
	}
	l.noteFailed(to)
}

// watch follows the clear part of the handshake. The reason that it returns,
// if not zero, ends the pair before data is forwarded.
func (l *loop) watch(from, to *conn, data []byte) pairing.Reason {
	f := from.flow
	s := f.shaking
	side, parse := zmtp.Worker, s.Worker
	if from.client() {
		side, parse = zmtp.Client, s.Client
	}
	before := s.Stage(side)
	state, err := parse(data)
	if stage := s.Stage(side); stage != before {
		l.stepped(f, side, stage)
	}
	var reason pairing.Reason
	reason, s.fault = l.judge(&s.Handshake, side, err)
	var violation *zmtp.Violation
	switch {
	case errors.As(err, &violation) && violation.Side == zmtp.Client && to.client() && to.phase == live:
		l.write(to, data) // the worker's own word, by which the client knows not to try again
	case reason == 0 && state == zmtp.Open:
		l.spoken(f)
		l.opened(f)
	}
	return reason
}

// opened: the handshake of a pair is through, or none is expected.
func (l *loop) opened(f *flow) {
	l.begin(f)
	l.handshakes.opened(f, l.clock)
	l.act(l.table.Opened(l.clock, f.client.id))
	l.tellOf(TopicPairOpened, f.client)
	for _, c := range f.sides() {
		if c.paused { // see mayLeave
			l.updateInterest(c)
		}
	}
}

// allows says whether a mechanism, if it is known yet, may be used.
func (l *loop) allows(mechanism string) bool {
	return mechanism == "" || l.allowed == nil || l.allowed[mechanism]
}

// write sends data, and keeps what cannot be sent now. What is kept is bounded,
// because whoever it came from is left unread from then on (pause).
func (l *loop) write(c *conn, data []byte) {
	if c.broken {
		return
	}
	if c.out.empty() {
		data = data[l.push(c, data):]
		if len(data) == 0 {
			return
		}
	}
	l.keep(c, data)
	l.updateInterest(c)
}

// keep has data wait behind what a connection has not taken yet.
func (l *loop) keep(c *conn, data []byte) {
	if len(data) == 0 {
		return
	}
	if c.out == nil {
		c.out = &backlog{spare: &l.spare}
	}
	c.out.append(data)
	l.figures.backlogged += int64(len(data))
}

// dropBacklog is the end of what waits for a connection.
func (l *loop) dropBacklog(c *conn) {
	l.figures.backlogged -= int64(c.out.size())
	c.out.reset()
	c.out = nil
}

// push is the link's, and says how much was taken.
func (l *loop) push(c *conn, data []byte) int {
	n, broken := c.link.push(data)
	c.broken = c.broken || broken
	return n
}

// listenTo says what the loop waits for on a connection.
func (l *loop) listenTo(c *conn, wish wish) error {
	return c.link.listen(wish, l.poller, token(c.id))
}

// updateInterest has the link tell of what the connection is waiting for.
func (l *loop) updateInterest(c *conn) {
	if c.phase == dead || c.phase == refused || c.lent() {
		return
	}
	left := c.left()
	// What is owed a reset is not read any more: its own FIN would end it in order.
	err := l.listenTo(c, wish{
		bytes: !c.paused && !l.halt.on && !left && !c.owedReset,
		room:  !c.out.empty() && !c.broken,
		leave: c.mayLeave() && !l.halt.on,
		fail:  left && !l.halt.on,
	})
	if err != nil {
		l.cfg.Log.Error("cannot watch a connection", "pool", l.fixed.Name, "error", err)
		l.act(l.table.End(l.clock, c.id, pairing.QueueFull))
	}
}

// pause stops reading a connection whose partner has no room, or that has said
// enough as long as it has none: its own sending blocks, as it would without a proxy.
func (l *loop) pause(c *conn) {
	if c.phase == live && !c.paused {
		c.paused = true
		l.updateInterest(c)
	}
}

// room is news of a connection: it may take more, or has taken everything.
func (l *loop) room(c *conn) {
	if !c.out.empty() {
		l.flush(c)
		return
	}
	l.handedOn(c)
}

// handedOn ends the sending to a connection that is to have nothing more, if all of
// it is with the kernel.
func (l *loop) handedOn(c *conn) {
	switch c.phase {
	case closing:
		l.finishWhenHanded(c)
	case live:
		l.shutWhenHanded(c)
	}
}

// flush sends of the backlog what can be sent.
func (l *loop) flush(c *conn) {
	before := c.out.size()
	for !c.out.empty() {
		chunk := c.out.front()
		n := l.push(c, chunk)
		c.out.take(n)
		if n < len(chunk) {
			break
		}
	}
	if c.broken {
		c.out.reset()
	}
	moved := before - c.out.size()
	l.figures.backlogged -= int64(moved)
	l.updateInterest(c)
	if c.phase == closing && moved > 0 {
		// Whoever still swallows what is left is given the time for it.
		l.table.Delivering(l.clock, c.id)
	}
	if c.out.empty() {
		l.caughtUp(c)
	}
}

// caughtUp: c has taken everything, so whoever was held back for it may go on.
func (l *loop) caughtUp(c *conn) {
	if c.flow != nil {
		from := c.flow.partner(c)
		if from.paused && from.phase == live {
			from.paused = false
			l.updateInterest(from)
		}
		l.lend(c.flow)
	}
	l.handedOn(c)
	l.noteFailed(c)
}
