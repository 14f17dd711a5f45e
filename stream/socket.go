package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
)

// side tells a peer's id which socket (or none) its connection belongs to.
type side uint32

const (
	frontendSide side = 1 + iota // a client, on the frontend
	backendSide                  // a worker that dialled in, on the backend
	dialledSide                  // a worker that listens, on a connection of our own
)

// peerID packs a side and a number that is unique on it.
func peerID(s side, n uint32) pairing.PeerID { return pairing.PeerID(s)<<32 | pairing.PeerID(n) }

const (
	// blindChunk is the most that is sent as one message when nobody can tell how
	// much libzmq holds, so that the high-water mark, which counts messages, bounds
	// bytes. There are as many messages as this allows for every STREAM peer.
	blindChunk = 16 << 10
	// largeChunk is the most that is sent as one message to a TCP peer, see roomFor.
	largeChunk = 64 << 10
	// backlog of the listeners; libzmq's own default of 100 lets bursts of
	// connects wait for their SYNs to be sent again.
	listenBacklog = 4096
)

// birth is what libzmq says of a connection that was not known before.
type birth struct {
	fd      int    // libzmq's own descriptor, -1 when the peer was gone before it was accepted
	address string // IP, or localhost:uid:gid:pid for a unix peer
}

// socket is one ZMQ_STREAM socket. It is not safe for concurrent use.
type socket struct {
	zmq    *zmq4.Socket
	handle unsafe.Pointer // of zmq, for what batch.go does
	side   side
	// fd becomes readable when events() may have changed; edge-triggered, so
	// events() must be asked before waiting on it (zmq_getsockopt(3), ZMQ_FD).
	fd        int
	endpoints []string               // as bound, wildcard ports resolved
	paths     map[string]fs.FileInfo // the files of unix listeners
	// attempts counts the receives; emptyAt is the last one that found nothing:
	// whatever libzmq had queued before it has been read by then.
	attempts, emptyAt uint64
	circle            uint64 // more peers than there can be
	settled           bool   // libzmq has no news unless fd becomes readable
	signalled         bool   // there may be something to receive
}

func newSocket(ctx *Context, s side, cfg *Config) (*socket, error) {
	z, err := ctx.zmq.NewSocket(zmq4.STREAM)
	if err != nil {
		return nil, fmt.Errorf("a STREAM socket: %w", err)
	}
	sock := &socket{zmq: z, side: s, circle: 2 * uint64(ctx.limit), paths: map[string]fs.FileInfo{}}
	// High-water marks count messages and can only be set before binding. With
	// both unlimited, libzmq would buffer without bound for whoever is slow.
	err = errors.Join(
		z.SetRcvhwm(receiveHWM(cfg.PairBuffer)),
		z.SetSndhwm(cfg.PairBuffer/4/blindChunk),
		z.SetBacklog(listenBacklog),
		z.SetIpv6(true),
		z.SetLinger(0),
		keepAccepted(z, cfg.KeepAlive, cfg.UserTimeout),
	)
	if err == nil {
		sock.fd, err = z.GetFd()
	}
	if err == nil {
		sock.handle, err = handleOf(z)
	}
	if err != nil {
		_ = z.Close()
		return nil, fmt.Errorf("setting up a STREAM socket: %w", err)
	}
	return sock, nil
}

// receiveHWM is how many messages of a peer libzmq may hold for us.
func receiveHWM(pairBuffer int) int { return pairBuffer / 4 / readChunk }

func (s *socket) close() { _ = s.zmq.Close() }

// readable has libzmq work off its commands, as must be done before waiting for
// fd, and says whether a message is there.
func (s *socket) readable() (bool, error) {
	state, err := events(s.handle)
	ready := state&zmq4.POLLIN != 0
	if err == nil && !ready {
		s.foundEmpty()
	}
	s.signalled = s.signalled || ready
	return ready, err
}

func (s *socket) foundEmpty() {
	s.attempts++
	s.emptyAt = s.attempts
	s.settled = true
}

// receive takes up to most messages. done: there were no more.
func (s *socket) receive(b *batch, most int) (messages int, done bool, err error) {
	messages, done, err = b.receive(s.handle, most)
	s.attempts += uint64(messages)
	s.signalled = !done
	if done {
		s.foundEmpty()
	}
	return messages, done, err
}

// readSince says whether everything has been read that libzmq had queued when
// the given number of attempts had been made. Either the socket was found empty
// since, or so many messages came that every peer has had its turn: libzmq learns
// of new ones at least once a batch and serves all that have something in a circle.
// How many these are nobody knows who has not read them all, so the second way
// is for a socket that is busy for a long time on end.
func (s *socket) readSince(attempt uint64) bool {
	return s.emptyAt > attempt || s.attempts > attempt+receiveBatch+s.circle
}

// sent is the outcome of a send.
type sent uint8

const (
	taken sent = iota // libzmq has it
	full              // the peer is at its high-water mark, or dying: try again later
	gone              // there is no such peer any more; its notice follows or was lost
)

// send gives data (1 to largeChunk bytes) to a peer. An empty body would close
// the connection; closePeer does that on purpose.
func (s *socket) send(peer uint32, data []byte) sent {
	if len(data) == 0 {
		panic("stream: an empty body closes the peer")
	}
	s.settled = false
	return sendMessage(s.handle, peer, data)
}

// closePeer has libzmq close the connection. No notice follows. It must have
// nothing left to send to a TCP peer: with data pending libzmq can keep the
// connection for good.
func (s *socket) closePeer(peer uint32) sent {
	s.settled = false
	return sendMessage(s.handle, peer, nil)
}
