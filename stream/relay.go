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
	case c.flow == nil || !c.flow.begun:
		l.greetingOf(c, data)
	default:
		l.forward(c, c.flow.partner(c), data)
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

// forward passes data on to the partner, watching as long as the pair is not open.
func (l *loop) forward(from, to *conn, data []byte) {
	f := from.flow
	if !f.open {
		if reason := l.watch(from, to, data); reason != 0 {
			l.act(l.table.End(l.clock, from.id, reason))
			return
		}
	}
	l.gathering.heard(from, to, len(data))
	way := 1
	if from.client() {
		way = 0
	}
	f.passed[way] += uint64(len(data))
	f.active = l.clock
	l.passed[way].Bytes.Add(uint64(len(data)))
	l.passed[way].Chunks.Add(1)
	l.table.Touch(l.clock, from.id)
	if to.phase == live && !l.write(to, data) {
		l.act(l.table.End(l.clock, from.id, pairing.Overflow))
		return
	}
	if from.sock == nil && !to.out.empty() {
		l.pause(from)
	}
	l.lend(f)
}

// watch follows the clear part of the handshake. The reason that it returns,
// if not zero, ends the pair before data is forwarded.
func (l *loop) watch(from, to *conn, data []byte) pairing.Reason {
	f := from.flow
	parse := f.handshake.Worker
	if from.client() {
		parse = f.handshake.Client
	}
	state, err := parse(data)
	var violation *zmtp.Violation
	switch {
	case errors.As(err, &violation):
		if violation.Side == zmtp.Client && to.client() && to.phase == live {
			l.write(to, data) // the worker's own word, by which the client knows not to try again
		}
		return pairing.NotZMTP
	case err != nil:
		return pairing.NotZMTP
	case !l.allows(f.handshake.Mechanism()), !l.allows(f.handshake.WorkerMechanism()):
		return pairing.MechanismRefused
	case state == zmtp.Open:
		f.open = true
		l.act(l.table.Opened(l.clock, from.id))
		l.tellOf(TopicPairOpened, f.client)
	}
	return 0
}

// allows says whether a mechanism, if it is known yet, may be used.
func (l *loop) allows(mechanism string) bool {
	return mechanism == "" || l.allowed == nil || l.allowed[mechanism]
}

// write sends data, or keeps what cannot be sent now. false: the peer takes
// too little for too long, and its share of memory is used up.
func (l *loop) write(c *conn, data []byte) bool {
	if c.broken {
		return true
	}
	if !c.out.empty() && c.sock != nil {
		l.flush(c) // there may be room by now, and no event would say so
	}
	if c.out.empty() {
		data = data[l.push(c, data):]
		if len(data) == 0 {
			return true
		}
	}
	if c.out.size()+len(data) > l.fixed.PairBuffer/2 {
		return false
	}
	c.out.append(data)
	l.backlogged += int64(len(data))
	l.expectRoom(c)
	return true
}

// push hands data to libzmq or the kernel and says how much was taken.
func (l *loop) push(c *conn, data []byte) int {
	if c.sock == nil {
		return l.pushDirect(c, data)
	}
	done := 0
	for done < len(data) {
		chunk := data[done:min(len(data), done+c.writeChunk())]
		if !l.roomFor(c, len(chunk)) {
			return done
		}
		switch c.sock.send(c.number, chunk) {
		case full:
			return done
		case gone: // its notice is under way, or was lost
			c.broken, c.hungUp = true, true
			l.attendAfter(c, noticeGrace)
			return len(data)
		case taken:
			done += len(chunk)
			c.sent += uint64(len(chunk))
		}
	}
	return done
}

// writeChunk is the most that is sent to a STREAM peer as one message. The larger
// it is the less a byte costs; libzmq's high-water mark counts messages, so what
// libzmq holds of them in bytes must be known in another way, see roomFor.
func (c *conn) writeChunk() int {
	if c.ipc {
		return blindChunk
	}
	return largeChunk
}

// roomFor says whether libzmq may be given n bytes more for a STREAM peer. What
// it has not given to the kernel yet is bounded by a quarter of PairBuffer: for
// TCP by the kernel's account, for others by blindChunk and the high-water mark.
func (l *loop) roomFor(c *conn, n int) bool {
	limit := uint64(l.fixed.PairBuffer / 4)
	if c.ipc || c.sent+uint64(n) <= c.drained+limit {
		return true
	}
	total, ok := handed(c.fd)
	if !ok {
		return true // the connection is no more, as sending will tell
	}
	c.drained = total
	return c.sent+uint64(n) <= c.drained+limit
}

// expectRoom arranges for flush to be called when c may take more. For a STREAM
// peer there is no such event, so it is tried again after a moment.
func (l *loop) expectRoom(c *conn) {
	if c.sock == nil {
		l.updateInterest(c)
		return
	}
	l.attendAfter(c, retryMin)
}

// flush sends of the backlog what can be sent; true when something was.
func (l *loop) flush(c *conn) bool {
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
	l.backlogged -= int64(moved)
	if c.sock == nil {
		l.updateInterest(c)
		if c.phase == closing && moved > 0 {
			l.table.Delivering(l.clock, c.id)
		}
	}
	if c.out.empty() {
		l.caughtUp(c)
	}
	return moved > 0
}

// caughtUp: c has taken everything, so whoever was held back for it may go on.
func (l *loop) caughtUp(c *conn) {
	if c.flow != nil {
		if from := c.flow.partner(c); from.paused && from.phase == live {
			from.paused = false
			l.updateInterest(from)
		}
		l.lend(c.flow)
	}
	if c.phase == closing {
		l.attendAfter(c, 0)
	}
}
