package stream

import "time"

// A pair that has just opened is young: the loop moves its bytes itself, as it did
// in the handshake. To lend a pair, and to give its worker's connection TCP's options
// for a long life, takes a dozen system calls, which a pair that is over after a few
// messages never earns back. An end in order of a young pair is the loop's, too (halfclose.go);
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
	if !f.direct() {
		return false
	}
	for _, c := range f.sides() {
		if c.broken && !f.end.Abort {
			side := f.side(c)
			f.begins(side)
			f.end.Reset = f.end.First == side && !f.end.InOrder || f.end.Reset
			f.end.Abort, f.end.Gone = true, side
		}
	}
	return f.end.Abort
}

// begins notes that a side has ended its sending, if it is the first.
func (f *flow) begins(side int8) {
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
