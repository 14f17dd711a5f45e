package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// side tells a peer's id which socket (or none) its connection belongs to.
type side uint32

const (
	frontendSide side = 1 + iota // a client, on the frontend
	backendSide                  // a worker that dialled in, on the backend
	dialledSide                  // a worker that listens, on a connection of our own

	// Of those whose numbers are others' by now, see takeLate.
	spareClientSide
	spareWorkerSide
)

// peerID packs a side and a number that is unique on it.
func peerID(s side, n uint32) pairing.PeerID { return pairing.PeerID(s)<<32 | pairing.PeerID(n) }

// listenBacklog is the listeners'; libzmq's own default of 100 lets bursts of
// connects wait for their SYNs to be sent again.
const listenBacklog = 4096

// birth is what libzmq says of a connection that was not known before.
type birth struct {
	fd      int    // libzmq's own descriptor
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
	owner     *seam.Owner
	listeners []int                  // descriptors
	fixed     []Listener             // those of them that are no doors'
	paths     map[string]fs.FileInfo // the files of unix listeners

	// due are the peers of which libzmq has announced the beginning and not the end.
	// A peer that the loop has forgotten is not taken for a new one by its last notice.
	due   map[uint32]struct{}
	peers map[int32]*conn // of streamLinks, by their descriptors
	roomy []int32         // descriptors whose peers had room before they could be waited for

	settled   bool // libzmq has no news unless fd becomes readable
	signalled bool // there may be something to receive
}

func newSocket(ctx *Context, s side, owner *seam.Owner) (*socket, error) {
	z, err := ctx.zmq.NewSocket(zmq4.STREAM)
	if err != nil {
		return nil, fmt.Errorf("a STREAM socket: %w", err)
	}
	sock := &socket{
		zmq: z, side: s, owner: owner, paths: map[string]fs.FileInfo{},
		due: map[uint32]struct{}{}, peers: map[int32]*conn{},
	}
	// What libzmq may hold of a peer is bounded by streamLink. At a high-water mark of
	// its own it would lose notices, and cut what a peer sent before a reset.
	err = errors.Join(z.SetRcvhwm(0), z.SetSndhwm(0), z.SetLinger(0))
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

func (s *socket) close() { _ = s.zmq.Close() }

// token is the poller's for fd.
func (s *socket) token() token {
	if s.side == frontendSide {
		return frontendToken
	}
	return backendToken
}

// pause is pauseAll of the socket's own.
func (s *socket) pause(paused bool) { pauseAll(s.listeners, paused) }

// pauseAll leaves who connects in the listeners' backlogs, or goes on.
func pauseAll(listeners []int, paused bool) {
	for _, fd := range listeners {
		seam.Pause(fd, paused)
	}
}

// shutAll ends the listening, so that who connects is refused by the kernel, and backs off
// as libzmq does only then. Connections that were accepted go on.
func shutAll(listeners []int) error {
	var errs []error
	for _, fd := range listeners {
		errs = append(errs, seam.Shut(fd))
	}
	return errors.Join(errs...)
}

// openAll has listeners over TCP that were shut listen again on their ports. Those that do
// already stay as they are.
func openAll(listeners []int) error {
	var errs []error
	for _, fd := range listeners {
		if err := seam.Open(fd, listenBacklog); !errors.Is(err, unix.EALREADY) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// readable has libzmq work off its commands, as must be done before waiting for
// fd, and says whether a message is there.
func (s *socket) readable() (bool, error) {
	state, err := events(s.handle)
	ready := state&zmq4.POLLIN != 0
	s.settled = s.settled || err == nil && !ready
	s.signalled = s.signalled || ready
	return ready, err
}

// receive takes up to most messages. done: there were no more.
func (s *socket) receive(b *batch, most int) (messages int, done bool, err error) {
	messages, done, err = b.receive(s.handle, most)
	s.signalled = !done
	s.settled = done // and not any more if it was: the messages may have come since
	return messages, done, err
}

// sent is the outcome of a send.
type sent uint8

const (
	taken sent = iota // libzmq has it
	full              // the peer is dying: a later notice says how
	gone              // there is no such peer any more; its notice follows
)

// dismiss has libzmq close a peer's connection, which somebody else has. Its notice may follow, or none.
func (s *socket) dismiss(peer uint32) {
	s.settled = false
	sendMessage(s.handle, peer, nil)
}

// send gives data (1 to largeChunk bytes) to a peer. An empty body would close
// the connection.
func (s *socket) send(peer uint32, data []byte) sent {
	if len(data) == 0 {
		panic("stream: an empty body closes the peer")
	}
	s.settled = false
	return sendMessage(s.handle, peer, data)
}
