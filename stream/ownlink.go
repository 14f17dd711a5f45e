package stream

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// ownLink is a connection whose descriptor the loop reads and writes itself: a
// worker that was dialled, or a peer that was taken from libzmq when it was born.
type ownLink struct {
	local     uint64      // of a dialled connection, its place in the loop's locals
	shown     *shownPlace // of a client at the worker, nil for none
	fd        int32
	interest  uint32 // what the poller watches for, 0 = not registered
	accepted  bool   // libzmq may have it yet, see package seam
	keepLater bool   // a dialled TCP connection that has not been given its options yet
}

func (o *ownLink) descriptor() int { return int(o.fd) }

func (o *ownLink) push(data []byte) (done int, broken bool) {
	for done < len(data) {
		n, err := sockets.Write(o.descriptor(), data[done:])
		switch {
		case err == nil:
			done += n
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return done, false
		default: // reading will tell how it ended, after what came before the end
			return len(data), true
		}
	}
	return done, false
}

func (o *ownLink) listen(wish wish, poller *poller, token token) error {
	var mask uint32
	if wish.bytes {
		mask |= pollIn
	}
	if wish.room {
		mask |= pollOut
	}
	if wish.leave {
		mask |= pollLeave
	}
	if wish.fail {
		mask |= pollFail
	}
	before := o.interest
	o.interest = mask
	var err error
	switch {
	case mask == before:
	case mask == 0: // altogether: an error on the connection would be told again and again
		poller.remove(o.descriptor())
	case before == 0:
		err = poller.add(o.descriptor(), mask, token)
	default:
		err = poller.modify(o.descriptor(), mask, token)
	}
	if err != nil {
		o.interest = 0
	}
	return err
}

func (o *ownLink) wanted(mask uint32) uint32 {
	if o.interest == 0 {
		return 0
	}
	return mask & (o.interest | unix.EPOLLERR | unix.EPOLLHUP)
}

// handed: write(2) has given everything to the kernel.
func (o *ownLink) handed() (all, broken bool) { return true, false }

func (o *ownLink) finish() { sockets.SendFIN(o.descriptor()) }

func (o *ownLink) part() { o.release() }

// release closes the descriptor.
func (o *ownLink) release() {
	// The poller forgets a descriptor that is closed; until libzmq has closed it as
	// well its events are nobody's.
	if o.accepted {
		seam.Release(o.descriptor())
	} else {
		sockets.Close(o.descriptor())
	}
}

func (o *ownLink) drop(reset bool) {
	if reset {
		sockets.DropUnsent(o.descriptor())
	}
	o.release()
}

// reads is how often a connection is read in one turn, for a fair share.
const reads = 4

// readOwn reads what a connection of the loop's own has sent.
func (l *loop) readOwn(c *conn) {
	fd := c.link.descriptor()
	for range reads {
		room := l.readBuf
		if c.flow == nil && c.phase == live && (c.via == nil || c.via.read) {
			room = room[:max(1, maxEarly-len(c.said()))] // the rest of what it says waits, as it does
		}
		n, err := sockets.Read(fd, room)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			l.failed(c, pairing.Reset)
			return
		case n == 0:
			l.finRead(c)
			return
		}
		l.data(c, room[:n])
		l.settle()
		if c.phase == dead || c.paused || c.lent() || n < len(room) {
			return
		}
	}
}
