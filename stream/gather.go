package stream

import (
	"time"

	"golang.org/x/sys/unix"
)

// A socket that is in the middle of much is left alone for a moment, so that it
// has more at once. The kernel's timer slack (prctl(2), PR_SET_TIMERSLACK) adds
// up to 50 microseconds.
const (
	gatherDelay = 50 * time.Microsecond
	// gatherLonger is for when no other pair is there to be kept waiting.
	gatherLonger = 200 * time.Microsecond
)

// gatherAfter is how many bytes one side of a pair must have sent, with none from
// the other between, to count as sending much. Who asks and answers is not kept
// waiting.
const gatherAfter = 256 << 10

// undisturbedAfter is how many bytes a pair must have sent, with none from any
// other between, to count as the only one: some milliseconds' worth at the least.
const undisturbedAfter = 4 << 20

// heard keeps the counts for gather.
func (l *loop) heard(from, to *conn, n int) {
	from.streak, to.streak = from.streak+n, 0
	if pair := from.flow.client.id; l.talking != pair {
		l.talking, l.undivided = pair, 0
	}
	l.undivided += n
}

// undisturbed: one pair is all that has been heard of for a while.
func (l *loop) undisturbed() bool { return l.undivided > undisturbedAfter }

// inBulk says whether c, of which r was just heard, is in the middle of much. A
// partner that is direct is written to at once, without a thread between, which
// with others about is worth more than what gathering saves.
func (l *loop) inBulk(c *conn, r *run) bool {
	return r.more && c.streak > gatherAfter && (l.undisturbed() || c.flow.partner(c).sock != nil)
}

// gather waits a moment when a STREAM peer is sending much. libzmq reads 8 KiB at
// a time, and the loop is awake before the next read: each would cost a wake-up
// of the loop and a write of its own, and with a STREAM peer on the other side a
// message and a wake-up of libzmq's thread as well.
func (l *loop) gather() {
	if !l.bulk {
		return
	}
	l.bulk = false
	delay := gatherDelay
	if l.undisturbed() {
		delay = gatherLonger
	}
	pause := unix.NsecToTimespec(delay.Nanoseconds())
	_ = unix.Nanosleep(&pause, nil)
}
