package stream

import (
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// Who speaks unasked may have said everything, and have closed, before there is a
// partner, or before the pair is open. A closed connection is kept then as if it waited
// still, because what it said is somebody's:
//
//	its end is found --it has said more than a handshake--> lastWords --its partner has them--> its end is passed on
//
// It costs no more memory than any other that waits, which is left unread when it has said
// enough, and goes when its time in the queue is up.

// hasLastWords says whether a connection whose end is known, and whose pair is not open,
// has said something that a partner should have.
func (l *loop) hasLastWords(c *conn) bool {
	switch f := c.flow; {
	case c.phase != live || !c.ready:
		return false
	case f != nil:
		return len(c.said()) > 0 || !f.open && c.client() && len(f.shaking.withheld) > 0
	case l.cfg.ExpectAny:
		return len(c.said()) > 0
	}
	return c.paused || zmtp.Unasked(c.said())
}

// passEndOn goes on with the end of a connection that had last words, as far as its pair has come.
func (l *loop) passEndOn(c *conn) {
	if !c.lastWords || c.phase != live {
		return
	}
	was := c.ended
	c.lastWords, c.ended = false, false
	if was && !c.lent() { // else whoever reads it finds the end
		l.finRead(c)
	}
}

// failed ends a connection that cannot be read any more. Of one that is in a pair it may be what it was
// answered that found nobody, and made a reset of an end in order.
func (l *loop) failed(c *conn, how pairing.Gone) {
	if c.flow != nil && l.hasLastWords(c) {
		c.broken = true
		l.finRead(c)
		return
	}
	l.ended(c, how)
}

// toRead is how many bytes the kernel has of a connection.
func toRead(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return 0
	}
	return n
}
