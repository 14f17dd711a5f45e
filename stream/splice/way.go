package splice

import (
	"bytes"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// way is one direction of a pair.
type way struct {
	source, sink int32 // descriptors
	moved        atomic.Uint64

	readable bool // the source may have something
	writable bool // the sink may have room
	failed   bool // the source has an error: it is no more, whatever is still to be read
	thorough bool // a short read does not say that the source is empty: see judgeRead
	marked   bool // the source has sent TCP's urgent byte
	eof      bool // the source's FIN has been read
	done     bool // nothing more goes this way
	bulk     bool // large chunks come: the kernel moves them
	streak   uint8
	oneWay   int32 // bytes since the other side last spoke, see gather.go
	rest     *rest // nil when there is none
	pipe     *pipe // nil when it holds nothing
}

// rest is what was read and is not yet written. Few pairs ever have one.
type rest struct{ bytes []byte }

// keep has bytes, if there are any, be the way's rest.
func (w *way) keep(bytes []byte) {
	if len(bytes) > 0 {
		w.rest = &rest{bytes}
	}
}

// The sizes by which a way changes between reading and writing and splicing.
// A splice moves pages without copying, but costs two calls and the handling of
// pages, which pays from some 32 KiB on.
const (
	bufferSize   = 64 << 10 // of a read
	spliceSize   = 1 << 20  // of a splice
	smallSplice  = 16 << 10
	manyInARow   = 3
	fairShare    = 1 << 20 // of one way, before others have their turn
	fairCalls    = 16
	pipeCapacity = 256 << 10
)

func (w *way) holding() bool { return w.pipe != nil || w.rest != nil }

// ready: there is something to do at once.
func (w *way) ready() bool {
	switch {
	case w.done:
		return false
	case w.holding():
		return w.writable
	default:
		return w.readable || w.eof
	}
}

// leftover is what the way holds, and no longer.
func (w *way) leftover(pipes *pipes) (left []byte) {
	if w.rest != nil {
		left = w.rest.bytes
	}
	if w.pipe != nil {
		left = w.pipe.drain()
		pipes.put(w.pipe)
	}
	w.rest, w.pipe = nil, nil
	return left
}

// move moves what can be moved one way, up to a fair share.
func (t *thread) move(p *Pair, side int) {
	w := &p.ways[side]
	share := fairShare
	for calls := 0; calls < fairCalls && share > 0 && w.ready() && !p.over(); calls++ {
		switch {
		case w.holding():
			t.deliver(p, side)
		case w.eof:
			if !p.End().Abort { // else it is owed a reset, before which a FIN would say that all is well
				_ = unix.Shutdown(int(w.sink), unix.SHUT_WR)
			}
			w.done = true
		default:
			share -= t.take(p, side)
		}
	}
}

// take moves one chunk from the source and says how much it was.
func (t *thread) take(p *Pair, side int) int {
	w := &p.ways[side]
	var n int
	var errno unix.Errno
	if w.bulk {
		n, errno = t.spliceIn(w)
	} else {
		n, errno = read(w.source, t.buffer)
	}
	switch {
	case errno == unix.EAGAIN && w.bulk && w.marked:
		w.bulk, w.streak = false, 0 // perhaps TCP's urgent mark, at which splice(2) stops for good: reading will tell
		return 0
	case errno == unix.EAGAIN:
		w.readable, w.failed = false, false
		return 0
	case errno == unix.EINTR:
		return 0
	case errno != 0:
		p.fail(side)
		return 0
	case n == 0:
		w.eof = true
		p.begin(side, true, false)
		return 0
	}
	t.count(p, side, n)
	t.gathering.heard(p, side, n, t.clock)
	if w.pipe != nil {
		w.judgeSplice(n)
		return n
	}
	w.judgeRead(n)
	t.write(p, side, t.buffer[:n])
	return n
}

// mostLast bounds what is kept of a side that was reset, in bytes: more than a unix socket's queue holds by default.
const mostLast = 512 << 10

// takeLast reads what the kernel still has of a side that was reset, for a sink that has no room at this moment: with the
// descriptor it would be gone, and on a direct connection the partner's own kernel would have it.
func (t *thread) takeLast(p *Pair, side int) {
	w := &p.ways[side]
	if w.done || w.eof || p.over() {
		return
	}
	kept := w.leftover(&t.relay.pipes)
	for len(kept) < mostLast {
		n, errno := read(w.source, t.buffer)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n <= 0 {
			break
		}
		t.count(p, side, n)
		kept = append(kept, t.buffer[:n]...)
	}
	w.keep(kept)
}

// judgeRead: after some reads that filled the buffer the kernel shall move the bytes.
func (w *way) judgeRead(n int) {
	if n < bufferSize {
		w.streak = 0
		// Everything that there was; what comes later makes a new edge. Not so
		// when an end has been announced, which has made its edge already, behind
		// TCP's urgent mark, and behind descriptors that came along on a unix socket.
		w.readable = w.thorough
		return
	}
	if w.streak++; w.streak >= manyInARow {
		w.bulk, w.streak = true, 0
	}
}

// judgeSplice: after some small ones reading and writing is better.
func (w *way) judgeSplice(n int) {
	if n >= smallSplice {
		w.streak = 0
	} else if w.streak++; w.streak >= manyInARow {
		w.bulk, w.streak = false, 0
	}
}

// spliceIn has the kernel take what the source has into a pipe.
func (t *thread) spliceIn(w *way) (int, unix.Errno) {
	pipe := t.pipe()
	if pipe == nil { // there are too many: what follows is read
		w.bulk, w.streak = false, 0
		return 0, unix.EINTR
	}
	n, errno := splice(w.source, pipe.in, spliceSize)
	if errno == 0 && n == 0 { // its end, or TCP's urgent mark: reading will tell
		w.bulk, w.streak, errno = false, 0, unix.EINTR
	}
	if errno != 0 {
		t.give(pipe)
		return 0, errno
	}
	pipe.held, w.pipe = n, pipe
	return n, 0
}

// write gives the sink what it takes and keeps the rest.
func (t *thread) write(p *Pair, side int, data []byte) {
	w := &p.ways[side]
	for len(data) > 0 {
		n, errno := write(w.sink, data)
		switch errno {
		case 0:
			data = data[n:] // and on to EAGAIN: it arms the next edge for certain
		case unix.EINTR:
		case unix.EAGAIN:
			w.writable = false
			w.keep(bytes.Clone(data))
			return
		default:
			p.broken(side)
			return
		}
	}
}

// count adds a chunk to what has passed.
func (t *thread) count(p *Pair, side, n int) {
	p.ways[side].moved.Add(uint64(n))
	p.chunks = min(p.chunks+1, youngChunks)
	p.active.Store(int64(t.clock))
	p.passed[side].Add(n)
}

// deliver gives the sink of what the way holds what it takes.
func (t *thread) deliver(p *Pair, side int) {
	w := &p.ways[side]
	var n int
	var errno unix.Errno
	if w.pipe != nil {
		n, errno = splice(w.pipe.out, w.sink, w.pipe.held)
	} else {
		n, errno = write(w.sink, w.rest.bytes)
	}
	switch errno {
	case 0:
		t.delivered(w, n)
	case unix.EINTR:
	case unix.EAGAIN:
		w.writable = false
	default:
		p.broken(side)
	}
}

func (t *thread) delivered(w *way, n int) {
	if w.pipe == nil {
		if w.rest.bytes = w.rest.bytes[n:]; len(w.rest.bytes) == 0 {
			w.rest = nil
		}
		return
	}
	if w.pipe.held -= n; w.pipe.held == 0 {
		t.give(w.pipe)
		w.pipe = nil
	}
}
