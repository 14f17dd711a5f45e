package stream

import (
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// streamLink is a peer of a STREAM socket. The socket says nothing of room and
// cannot leave one peer unread; package seam knows of both.
//
// Bytes on their way to the peer are bounded by limit, as seam has it from
// libzmq's writes. Bytes on their way from it are bounded by window: libzmq may
// read so many chunks ahead of those that the loop has had and passed on.
type streamLink struct {
	sock    *socket
	number  uint32 // the routing id
	fd      int    // libzmq's, and the seam's to close
	poller  *poller
	leaving bool // the poller watches for the end of a peer that is left unread

	sent   uint64 // bytes that libzmq has taken
	queued int    // messages of these, since libzmq was last known to hold none
	limit  uint64 // bytes that libzmq may hold

	received uint64 // chunks that libzmq has handed over
	allowed  uint64 // chunks that it may read
	window   uint64

	end     seam.End // how far it has come to its end, as last heard
	stopped bool     // libzmq reads it no more, and has nothing of it in hand
}

const (
	// largeChunk is the most that is sent as one message: the larger it is the less
	// a byte costs.
	largeChunk = 64 << 10
	// maxQueued bounds what libzmq's own bookkeeping for a peer may take, 64 bytes a message.
	maxQueued = 4096
	// firstReads is how many chunks libzmq may read of a connection that the loop
	// has not heard of yet.
	firstReads = 2
)

// share is what libzmq may hold of one direction of a pair, in bytes.
func share(pairBuffer int) uint64 { return uint64(pairBuffer / 4) }

func newStreamLink(s *socket, p *poller, number uint32, fd int, pairBuffer int) *streamLink {
	return &streamLink{sock: s, poller: p, number: number, fd: fd, limit: share(pairBuffer), allowed: firstReads, window: firstReads}
}

func (s *streamLink) descriptor() int { return s.fd }

func (s *streamLink) push(data []byte) (done int, broken bool) {
	for done < len(data) {
		chunk := data[done:min(len(data), done+largeChunk, done+int(s.limit/2))]
		held, ok := s.held()
		if !ok {
			return len(data), true
		}
		if held > 0 && (held+uint64(len(chunk)) > s.limit || s.queued >= maxQueued) {
			return done, false
		}
		if s.sock.send(s.number, chunk) != taken {
			return len(data), true // its notice is under way
		}
		done += len(chunk)
		s.sent += uint64(len(chunk))
		s.queued++
	}
	return done, false
}

// held is what libzmq has not given to the kernel yet; ok is false when the kernel takes no more.
func (s *streamLink) held() (bytes uint64, ok bool) {
	written, ok := seam.Sent(s.fd)
	if !ok {
		return 0, false
	}
	if written == s.sent {
		s.queued = 0
	}
	return s.sent - written, true
}

func (s *streamLink) listen(wish wish, _ *poller, _ token) error { // which it knows: drop needs them, too
	// While it is read the watch costs nothing, and who is paused once is paused again.
	if err := s.watchLeaving(wish.leave || s.leaving && wish.bytes); err != nil {
		return err
	}
	if wish.room && seam.Await(s.fd, s.roomAt()) {
		s.sock.roomy = append(s.sock.roomy, int32(s.fd))
	}
	if s.stopped || !wish.bytes {
		return nil
	}
	// Not for each chunk: half a window is left when the other half is granted.
	if want := s.received + s.window; want >= s.allowed+s.window/2 {
		s.allowed = want
		return seam.Allow(s.fd, want)
	}
	return nil
}

func (s *streamLink) wanted(mask uint32) uint32 {
	if !s.leaving {
		return 0
	}
	return mask
}

func (s *streamLink) watchLeaving(wanted bool) (err error) {
	switch {
	case wanted == s.leaving:
	case wanted:
		err = s.poller.add(s.fd, pollLeave, token(peerID(s.sock.side, s.number)))
	default:
		s.poller.remove(s.fd)
	}
	s.leaving = wanted && err == nil
	return err
}

// roomAt is how many bytes must have been written for push to go on: enough for half of limit.
func (s *streamLink) roomAt() uint64 {
	if s.queued >= maxQueued {
		return s.sent
	}
	return s.sent - min(s.sent, s.limit/2)
}

// paired: from now on there is somebody to have what libzmq reads.
func (s *streamLink) paired() { s.window = s.limit / readChunk }

func (s *streamLink) handed() (all, broken bool) {
	written, ok := seam.Sent(s.fd)
	if ok && written != s.sent && !seam.Await(s.fd, s.sent) {
		return false, false
	}
	_, ok = seam.Sent(s.fd) // writing may have failed since
	return true, !ok
}

// finish says FIN. Closing by an empty frame, the way STREAM offers, would have
// libzmq close the descriptor with input unread, which the kernel answers with an
// RST that can cost the peer what it has not read yet.
func (s *streamLink) finish() { sockets.SendFIN(s.fd) }

// stop has libzmq not read a peer any more that was never sent anything, until listen has it read again. The
// peer is stopped if nothing of it is in libzmq's hands.
func (s *streamLink) stop() {
	if s.sent > 0 {
		return
	}
	reads, ok := seam.Stop(s.fd)
	s.allowed = 0
	s.stopped = ok && reads == s.received
}

// part is for a connection that was stopped.
func (s *streamLink) part() {
	delete(s.sock.peers, int32(s.fd))
	_ = s.watchLeaving(false)
	seam.Part(s.fd)
	s.sock.dismiss(s.number)
	seam.Release(s.fd)
}

// drop has libzmq find that the connection has ended: told by an empty frame it
// could keep one with bytes pending for good. Its notice follows, see socket.due.
func (s *streamLink) drop(reset bool) {
	delete(s.sock.peers, int32(s.fd))
	_ = s.watchLeaving(false)
	if held, _ := s.held(); reset || held > 0 { // which a FIN would say was all
		seam.Reset(s.fd)
	} else {
		seam.Sever(s.fd)
	}
	seam.Release(s.fd)
}

// allHeard: the loop has had everything that libzmq has read.
func (s *streamLink) allHeard() bool { return s.received >= s.end.Reads }

// heard takes in that so many chunks came.
func (s *streamLink) heard(chunks int) { s.received += uint64(chunks) }
