package stream

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// A direct connection is one that the loop reads and writes itself: a worker
// that was dialled, or a peer that was adopted. Unlike a STREAM peer it can be
// left unread.

// pushDirect writes what the kernel takes.
func (l *loop) pushDirect(c *conn, data []byte) int {
	done := 0
	for done < len(data) {
		n, err := unix.Write(c.fd, data[done:])
		switch {
		case err == nil:
			done += n
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return done
		default: // reading will tell how it ended, after what came before the end
			c.broken = true
			return len(data)
		}
	}
	return done
}

// updateInterest has the poller watch for what a direct connection is waiting for.
func (l *loop) updateInterest(c *conn) {
	var mask uint32
	// Who is owed a reset is not read any more: its own FIN would end it in order.
	if !c.paused && !l.halted && !c.lent() && !c.owedReset {
		mask |= pollIn
	}
	if !c.out.empty() && !c.broken {
		mask |= pollOut
	}
	before := c.interest
	c.interest = mask
	var err error
	switch {
	case mask == before:
	case mask == 0: // altogether: an error on the connection would be told again and again
		l.poller.remove(c.fd)
	case before == 0:
		err = l.poller.add(c.fd, mask, token(c.id))
	default:
		err = l.poller.modify(c.fd, mask, token(c.id))
	}
	if err != nil { // for want of memory; without events the connection is of no use
		c.interest = 0
		l.cfg.Log.Error("cannot watch a connection", "pool", l.cfg.Name, "error", err)
		l.act(l.table.End(l.clock, c.id, pairing.QueueFull))
	}
}

// pause stops reading a connection whose partner has no room: its own sending
// blocks, as it would without a proxy.
func (l *loop) pause(c *conn) {
	if c.phase == live && !c.paused {
		c.paused = true
		l.updateInterest(c)
	}
}

// readDirect reads what a connection has sent, up to a fair share.
func (l *loop) readDirect(c *conn) {
	for range 4 {
		n, err := unix.Read(c.fd, l.readBuf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			l.ended(c, pairing.Reset)
			return
		case n == 0: // or a write was told of the reset: nobody is told twice
			l.ended(c, howEnded(c))
			return
		}
		l.data(c, l.readBuf[:n])
		if c.phase == dead || c.paused || c.lent() || n < len(l.readBuf) {
			return
		}
	}
}
