package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// A pair that has just opened is young: the loop moves its bytes itself, as it did
// in the handshake. To lend a pair, and to give its worker's connection TCP's options
// for a long life, takes a dozen system calls, which a pair that is over after a few
// messages never earns back. An end in order of a young pair is the loop's, too;
// whatever takes longer is the relay's.
const (
	youngFor    = time.Second // since it opened
	youngChunks = 16          // both ways together
)

// begin has a pair that has opened be young.
func (l *loop) begin(f *flow) {
	f.open, f.young = true, true
	l.youth.add(f, l.clock+youngFor)
}

// grow takes in that a chunk of an open pair has been passed on. A backlog is the
// relay's, so that a slow reader costs the loop nothing.
func (l *loop) grow(f *flow) {
	f.chunks++
	broken := f.noteBroken()
	if f.chunks >= youngChunks || f.client.paused || f.worker.paused || broken {
		l.growUp(f)
	}
}

// noteBroken notes a side that takes nothing more, which has been reset: what it has
// sent before is still to be passed on, and only then the reset. Of a peer of a STREAM
// socket it says only that libzmq has let go of it, in whatever way it ended.
func (f *flow) noteBroken() bool {
	if f.client.own() == nil || f.worker.own() == nil {
		return false
	}
	for side, c := range f.sides() {
		if c.broken && !f.end.Abort {
			f.begins(side)
			f.end.Reset = f.end.First == side && !f.end.InOrder || f.end.Reset
			f.end.Abort, f.end.Gone = true, side
		}
	}
	return f.end.Abort
}

// begins notes that a side has ended its sending, if it is the first.
func (f *flow) begins(side int) {
	if !f.end.Begun {
		f.end.Begun, f.end.First = true, side
	}
}

func (l *loop) growUp(f *flow) {
	if f.young {
		f.young = false
		l.keepAlive(f.worker)
	}
	l.lend(f)
}

// growUpInTime is for those who have not said much.
func (l *loop) growUpInTime() {
	l.seeTo(&l.youth, func(f *flow) {
		if f.young {
			l.growUp(f)
		}
	})
}

// leftYoung: the connection has ended its sending in order, and its pair, a young
// one, goes on the other way. What is waited for is that it fails.
func (c *conn) leftYoung() bool {
	f := c.flow
	return f != nil && f.young && f.end.Begun && f.sides()[f.end.First] == c && c.phase == live
}

// passEnd takes in that a connection has ended its sending, and passes that on if
// its pair is young and nothing else has happened to it; false if not.
func (l *loop) passEnd(c *conn) bool {
	f := c.flow
	if f == nil || !f.young || !f.lendable() {
		return false
	}
	to := f.partner(c)
	if f.end.Begun {
		l.bothEnded(to, c)
		return true
	}
	f.begins(f.side(c))
	f.end.InOrder = true
	to.link.finish()
	l.updateInterest(c)
	return true
}

// failedYoung ends a pair by the failure of the side that had ended its sending.
func (l *loop) failedYoung(c *conn, mask uint32) {
	if mask&unix.EPOLLERR != 0 { // over ipc it has only closed if there is none
		l.ended(c, pairing.Reset)
	}
}
