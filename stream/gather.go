package stream

import (
	"time"

	"golang.org/x/sys/unix"
)

// gatherDelay is how long a socket that is in the middle of much is left alone,
// so that it has more at once. The kernel's timer slack (prctl(2),
// PR_SET_TIMERSLACK) may double it.
const gatherDelay = 50 * time.Microsecond

// gatherAfter is how many bytes one side of a pair must have sent, with none from
// the other between, to count as sending much. Who asks and answers is not kept
// waiting.
const gatherAfter = 256 << 10

// heardBulk keeps the count for gather and says whether c is in the middle of much.
func (l *loop) heardBulk(c *conn, r *run) bool {
	if c.flow == nil {
		return false
	}
	partner := c.flow.partner(c)
	c.streak, partner.streak = c.streak+len(r.data), 0
	// A worker that listens is written to at once, without a thread between.
	return r.more && partner.sock != nil && c.streak > gatherAfter
}

// gather waits a moment when a peer is sending much to another STREAM peer.
// libzmq reads 8 KiB at a time, and the loop is awake before the next read: each
// would cost a wake-up of the loop, a message to the other peer, a wake-up of
// libzmq's thread and a write of its own.
func (l *loop) gather() {
	if l.bulk {
		pause := unix.NsecToTimespec(gatherDelay.Nanoseconds())
		_ = unix.Nanosleep(&pause, nil)
	}
	l.bulk = false
}
