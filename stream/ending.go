package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// noticed takes libzmq's word that a connection has ended.
func (l *loop) noticed(c *conn) { l.ended(c, howEnded(c)) }

func howEnded(c *conn) pairing.Gone {
	// A connection of libzmq's must be known to be the one behind the descriptor.
	if (c.cookie != 0 || c.sock == nil) && c.fd >= 0 && !c.ipc && wasReset(c.fd) {
		return pairing.Reset
	}
	return pairing.Closed
}

// ended forgets a connection that no longer exists and tells the table.
func (l *loop) ended(c *conn, how pairing.Gone) {
	if f := c.flow; f != nil {
		if how == pairing.Reset {
			f.partner(c).owedReset = true
		}
		how = counts(how, c.client(), f.end)
	}
	l.remove(c)
	l.act(l.table.Gone(l.clock, c.id, how))
}

// finishGently closes a connection once everything that was sent to it has been
// delivered. What it sends meanwhile is dropped.
func (l *loop) finishGently(c *conn) {
	if c.phase != live && c.phase != adopting {
		return
	}
	c.phase = closing
	c.paused = false
	if c.sock == nil {
		l.updateInterest(c)
	}
	l.attendAfter(c, 0)
}

// finishWhenHanded ends our side of the connection when nothing of ours is left
// outside the kernel; true when something has moved since the last look. The
// other side then closes, and its end is announced like any other.
//
// Closing by an empty frame, the way STREAM offers, would have libzmq close the
// descriptor with input unread, which the kernel answers with an RST that can
// cost the peer what it has not read yet. A FIN says the same and loses nothing.
func (l *loop) finishWhenHanded(c *conn) (progress bool) {
	if !c.out.empty() && !c.broken {
		return false
	}
	if c.sock == nil && c.owedReset {
		return l.resetWhenAcknowledged(c)
	}
	if c.sock == nil {
		sendFIN(c.fd)
		c.phase = finished
		return true
	}
	if c.told { // its adoption was under way; nothing was sent
		return false
	}
	total, ok := handed(c.fd)
	if !ok {
		l.tellToClose(c)
		return false
	}
	progress = total != c.handed
	c.handed = total
	if total >= c.sent || c.broken {
		sendFIN(c.fd)
		c.phase = finished
	}
	return progress
}

// resetWhenAcknowledged passes a reset on, once it can cost the other side
// nothing that was sent to it before; true when some of that has arrived since
// the last look.
func (l *loop) resetWhenAcknowledged(c *conn) (progress bool) {
	queued, err := unix.IoctlGetInt(c.fd, unix.SIOCOUTQ)
	if err != nil || queued == 0 || c.broken || wasReset(c.fd) {
		dropUnsent(c.fd)
		l.ended(c, pairing.Closed)
		return true
	}
	progress = c.handed != uint64(queued)
	c.handed = uint64(queued)
	return progress
}

// tellToClose is for unix connections: there the kernel keeps no account of
// what it has taken, so libzmq must close behind what it has queued. That is
// watched until libzmq has let go, and the table's drain time-out severs it.
func (l *loop) tellToClose(c *conn) {
	switch c.sock.closePeer(c.number) {
	case taken:
		c.phase, c.told = finished, true
	case gone:
		c.phase, c.hungUp = finished, true
	case full:
	}
}

// abort ends a connection at once. The table has forgotten it already; a STREAM
// peer stays known here until libzmq has forgotten it, too.
func (l *loop) abort(c *conn) {
	if c.phase == dead || c.phase == severed {
		return
	}
	l.recall(c.flow)
	if !c.out.empty() || c.owedReset {
		dropUnsent(c.fd)
	}
	if c.sock == nil {
		l.remove(c)
		return
	}
	l.backlogged -= int64(c.out.size())
	c.out, c.early = backlog{}, nil
	l.orphans[c.id] = c
	c.phase = severed
	if c.sent > 0 {
		sever(c.fd)
		l.attendAfter(c, noticeGrace)
		return
	}
	l.dismiss(c)
}

// dismiss has libzmq close a connection that was sent nothing, so that nothing
// can keep libzmq from it, and drop unread what it has sent: a flood ends here.
// The descriptor is not needed for that, which may not have been proven yet.
func (l *loop) dismiss(c *conn) {
	if !c.told {
		switch c.sock.closePeer(c.number) {
		case taken:
			c.told = true
		case gone: // its notice has been read, is under way, or was lost
			c.told = c.certain(0)
		case full: // it is dying, and announces its end
		}
	}
	if c.told {
		l.remove(c)
		return
	}
	l.attendAfter(c, noticeGrace)
}

// remove releases what a connection holds and forgets it.
func (l *loop) remove(c *conn) {
	if c.phase == dead {
		return
	}
	delete(l.orphans, c.id)
	if c.told && c.sock != nil {
		l.bury(c)
	}
	l.backlogged -= int64(c.out.size())
	l.forget(c)
	c.out, c.early = backlog{}, nil
}

// forget closes a connection's descriptor. A duplicate would otherwise hold
// back the FIN when libzmq closes its own.
func (l *loop) forget(c *conn) {
	if c.phase == dead {
		return
	}
	l.recall(c.flow)
	if c.watched || c.interest != 0 {
		l.poller.remove(c.fd)
	}
	l.unknow(c)
	l.count(c, -1)
	closeDescriptor(c.fd)
	c.phase, c.fd, c.paused, c.watched, c.interest = dead, -1, false, false, 0
}

// count keeps the number of connections and of the descriptors that they use.
func (l *loop) count(c *conn, n int) {
	descriptors := n
	if c.sock != nil && c.fd >= 0 {
		descriptors = 2 * n // libzmq's and the duplicate
	}
	l.connections += n
	l.ctx.descriptors.Add(int64(descriptors))
}

// maxDeadline keeps sums of times from wrapping.
const maxDeadline = 365 * 24 * time.Hour

// drain refuses who comes and lets pairs end by themselves until the deadline.
func (l *loop) drain(deadline time.Duration) {
	if err := l.resume(); err != nil {
		l.cfg.Log.Error("drain", "pool", l.cfg.Name, "error", err)
	}
	at := l.now() + max(0, min(deadline, maxDeadline))
	if l.draining {
		l.drainAt = min(l.drainAt, at)
		return
	}
	l.draining, l.drainAt = true, at
	l.act(l.table.StopWaiting(l.now(), pairing.Shutdown))
}

// drainOver: nobody is left, or the time is up.
func (l *loop) drainOver() bool {
	if !l.draining {
		return false
	}
	if l.connections == 0 && l.dialler.idle() {
		return true
	}
	if l.now() < l.drainAt {
		return false
	}
	l.act(l.table.EndAll(l.now(), pairing.Drained))
	return true
}
