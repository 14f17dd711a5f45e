package stream

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// born takes in a connection that a socket has announced.
func (l *loop) born(s *socket, number uint32, b birth) {
	l.guardWrap(s, number)
	c := &conn{
		id: peerID(s.side, number), sock: s, number: number,
		fd: -1, zmqFD: b.fd, heard: s.attempts, out: backlog{spare: &l.spare},
	}
	refused := l.refusal(c)
	l.count(c, +1)
	l.arrived()
	c.origin = originOf(b.address, c.fd)
	c.ipc = isIPC(b.address)
	if s.side == frontendSide {
		l.tellOf(TopicClientConnected, c)
		l.act(l.table.ClientConnected(l.clock, c.id, c.origin, c))
	} else {
		l.act(l.table.WorkerConnected(l.clock, c.id, workerName(b.address, c.origin), c.origin, c))
	}
	switch {
	case refused != 0:
		l.act(l.table.End(l.clock, c.id, refused))
	case c.fd < 0: // gone before it was accepted, or before its notice was read
		l.abort(c)
		l.act(l.table.Gone(l.clock, c.id, pairing.Closed))
	case c.phase == fresh: // the table wants it
		l.attendAfter(c, 0)
	}
}

// refusal takes the connection's descriptor, and says why it is not served if
// it cannot be, zero if it can. STREAM listeners cannot be closed without what
// they have accepted, so when descriptors become scarce, or the pool is
// draining, connections are closed as they come.
func (l *loop) refusal(c *conn) pairing.Reason {
	switch {
	case l.draining:
		return pairing.Shutdown
	case l.ctx.scarce():
		return pairing.QueueFull
	}
	// The number may already belong to another connection; the duplicate counts
	// for nothing until admit has seen that no end was announced.
	var err error
	if c.fd, err = duplicate(c.zmqFD); err != nil && !errors.Is(err, unix.EBADF) {
		return pairing.QueueFull // our want
	}
	return 0
}

// workerName is what a worker that dials in is called as long as nobody has
// said its name: by its address, so that all slots of a machine (over ipc: of a
// process) are one worker.
func workerName(address string, origin pairing.Origin) string {
	if origin.Endpoint == "" {
		return address
	}
	return HostOf(origin.Endpoint)
}

// admit makes a fresh connection live once its descriptor is known to be right:
// everything that libzmq had to say when it was duplicated has been read, and
// an end was not in it.
func (l *loop) admit(c *conn) {
	if !c.certain(0) {
		return
	}
	if l.doubtful(c) {
		l.act(l.table.End(l.clock, c.id, pairing.Overflow))
		return
	}
	if c.cookie = Cookie(c.fd); c.cookie == 0 {
		// Not a socket any more, and yet no end was announced.
		l.abort(c)
		l.act(l.table.Gone(l.clock, c.id, pairing.Closed))
		return
	}
	c.phase = live
	l.inspect(c)
	if c.phase != live || c.sock == nil {
		return // paired at once, or ended
	}
	// The kernel's word for an end, in case libzmq's is lost: it is when the
	// peer's inbound pipe happens to be full at that moment.
	if err := l.poller.add(c.fd, pollHangUp, token(c.id)); err == nil {
		c.watched = true
	}
}

// doubtful: as many messages as the inbound pipe holds came before the
// descriptor was proven, so that the notice of an end may have been lost, and
// the descriptor be another connection's. No honest peer says so much unasked.
func (l *loop) doubtful(c *conn) bool { return c.chunks+1 >= receiveHWM(l.fixed.PairBuffer) }

// greetingOf gathers what a connection sends before its pair has begun.
func (l *loop) greetingOf(c *conn, data []byte) {
	room := maxEarly - len(c.early)
	c.early = append(c.early, data[:min(len(data), room)]...)
	// Decided before it can be paired: its partner would miss what there was no room for.
	if len(data) > room && zmtp.Inspect(c.early) != zmtp.NotZMTP {
		l.act(l.table.End(l.clock, c.id, pairing.Overflow))
		return
	}
	l.inspect(c)
}

// inspect decides whether a connection's first bytes look like ZMTP. Only then
// may it cost anyone anything.
func (l *loop) inspect(c *conn) {
	if c.ready {
		return
	}
	switch zmtp.Inspect(c.early) {
	case zmtp.NotZMTP:
		l.act(l.table.End(l.clock, c.id, pairing.NotZMTP))
	case zmtp.ZMTP:
		if c.ready = c.phase == live; !c.ready {
			return // admit will come back to it
		}
		if c.client() {
			l.act(l.table.ClientReady(l.clock, c.id))
		} else {
			l.act(l.table.WorkerReady(l.clock, c.id))
		}
	case zmtp.NeedMore:
	}
}

// guardWrap keeps routing ids from meeting themselves. libzmq numbers
// connections with 32 bits and aborts the process when a number comes round to
// a connection that is still alive, so such a survivor of four thousand million
// connections is ended in good time.
func (l *loop) guardWrap(s *socket, number uint32) {
	const every, ahead = 1 << 20, 1 << 21
	if number%every != 0 {
		return
	}
	var old []pairing.PeerID
	l.table.EachPeer(func(p *pairing.Peer) bool {
		// Adopted ones, too: libzmq has forgotten the number, the table has not.
		if side(p.ID>>32) == s.side && soon(number, uint32(p.ID), ahead) {
			old = append(old, p.ID)
		}
		return true
	})
	for _, id := range old {
		l.act(l.table.End(l.clock, id, pairing.Drained))
	}
}

// soon says whether numbering that has come to next reaches number within ahead steps.
func soon(next, number, ahead uint32) bool {
	distance := number - next // wraps as the numbering does
	return distance > 0 && distance <= ahead
}
