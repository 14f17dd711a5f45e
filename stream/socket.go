package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

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
	// readChunk is the most that libzmq hands over at once from a STREAM peer.
	readChunk = 8192
	// writeChunk is the most that is sent to a STREAM peer as one message, so
	// that the high-water mark, which counts messages, bounds bytes.
	writeChunk = 16 << 10
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
	zmq  *zmq4.Socket
	side side
	// fd becomes readable when events() may have changed; edge-triggered, so
	// events() must be asked before waiting on it (zmq_getsockopt(3), ZMQ_FD).
	fd        int
	endpoints []string               // as bound, wildcard ports resolved
	paths     map[string]fs.FileInfo // the files of unix listeners
	// attempts counts the receives; emptyAt is the last one that found nothing:
	// whatever libzmq had queued before it has been read by then.
	attempts, emptyAt uint64
	circle            uint64  // more peers than there can be
	rid               [5]byte // the frame that send is about to send
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
		z.SetSndhwm(cfg.PairBuffer/4/writeChunk),
		z.SetBacklog(listenBacklog),
		z.SetIpv6(true),
		z.SetLinger(0),
		keepAccepted(z, cfg.KeepAlive, cfg.UserTimeout),
	)
	if err == nil {
		sock.fd, err = z.GetFd()
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

// readable asks libzmq to work off its commands and says whether a message is there.
func (s *socket) readable() (bool, error) {
	state, err := s.zmq.GetEvents()
	return state&zmq4.POLLIN != 0, err
}

// errEmpty: nothing to receive now.
var errEmpty = errors.New("empty")

// receiveID takes the first frame of a message, the routing id of the peer that
// sent it; receiveBody or receiveBirth must follow. errEmpty when there is none.
func (s *socket) receiveID() (uint32, error) {
	s.attempts++
	id, err := s.zmq.RecvBytes(zmq4.DONTWAIT)
	if err != nil {
		if again(err) {
			s.emptyAt = s.attempts
			return 0, errEmpty
		}
		return 0, fmt.Errorf("receiving a routing id: %w", err)
	}
	if len(id) != 5 {
		panic(fmt.Sprintf("stream: a routing id of %d bytes: the socket has lost step", len(id)))
	}
	return binary.BigEndian.Uint32(id[1:]), nil
}

// receiveBody takes the second frame: bytes from the peer, or a notice when
// empty. It is there without waiting, because STREAM queues both frames at once.
func (s *socket) receiveBody() ([]byte, error) {
	data, err := s.zmq.RecvBytes(0)
	if err != nil {
		return nil, fmt.Errorf("receiving a body: %w", err)
	}
	return data, nil
}

// receiveBirth is receiveBody for an id that is new, with what libzmq knows of it.
func (s *socket) receiveBirth() ([]byte, birth, error) {
	data, meta, err := s.zmq.RecvBytesWithMetadata(0, "__fd", "Peer-Address")
	if err != nil {
		return nil, birth{}, fmt.Errorf("receiving a body: %w", err)
	}
	b := birth{fd: -1, address: meta["Peer-Address"]}
	if fd, err := strconv.Atoi(meta["__fd"]); err == nil {
		b.fd = fd
	}
	return data, b, nil
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

// send gives data (1 to writeChunk bytes) to a peer. An empty body would close
// the connection; closePeer does that on purpose.
func (s *socket) send(peer uint32, data []byte) sent {
	if len(data) == 0 {
		panic("stream: an empty body closes the peer")
	}
	return s.sendFrames(peer, data)
}

// closePeer has libzmq close the connection. No notice follows. It must have
// nothing left to send to a TCP peer: with data pending libzmq can keep the
// connection for good.
func (s *socket) closePeer(peer uint32) sent { return s.sendFrames(peer, nil) }

func (s *socket) sendFrames(peer uint32, data []byte) sent {
	binary.BigEndian.PutUint32(s.rid[1:], peer)
	// Only when the id was taken may the body follow: after a refused id a body
	// would cost the socket its step, and every later message to anyone is lost.
	if _, err := s.zmq.SendBytes(s.rid[:], zmq4.SNDMORE|zmq4.DONTWAIT); err != nil {
		if again(err) {
			return full
		}
		return gone // EHOSTUNREACH
	}
	// Taken or silently dropped (the peer went this instant); never refused.
	if _, err := s.zmq.SendBytes(data, 0); err != nil {
		panic(fmt.Sprintf("stream: a body was refused after its routing id was taken: %v", err))
	}
	return taken
}

func again(err error) bool { return zmq4.AsErrno(err) == zmq4.Errno(syscall.EAGAIN) }
