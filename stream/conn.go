package stream

import (
	"net/netip"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// phase of a connection, see doc.go.
type phase uint8

const (
	fresh    phase = iota // STREAM: the descriptor has not been shown to be the right one
	adopting              // libzmq was told to let go of it, see adopt.go
	live                  // bytes go both ways
	closing               // what was sent is being delivered, what comes is dropped
	finished              // the kernel has everything and a FIN behind it (unix: libzmq was told to close)
	severed               // aborted; the end is a matter of time
	dead                  // no longer exists
)

// conn is one connection as the loop sees it: a peer of a STREAM socket, or a
// worker that the proxy dialled.
type conn struct {
	id   pairing.PeerID
	sock *socket // nil when the loop itself reads and writes: dialled, or adopted
	// number is the routing id on sock.
	number uint32
	// fd is our duplicate of libzmq's descriptor zmqFD, or a dialled
	// connection's own; -1 when there is none.
	fd, zmqFD int
	cookie    uint64 // of the socket behind fd; tells whether zmqFD is still the same one
	ipc       bool
	origin    pairing.Origin
	local     string // our own end of a dialled connection, IP:PORT
	phase     phase
	ready     bool   // the table was told that the greeting is there
	early     []byte // what came before there was a partner
	out       backlog
	received  uint64 // bytes that libzmq has handed over ...
	chunks    int    // ... in so many messages
	sent      uint64 // bytes that libzmq has taken
	drained   uint64 // of these, bytes that the kernel had when roomFor last looked
	oneWay    int    // bytes received since the partner last spoke, see gather.go
	swallowed int    // bytes that came while it was being closed
	handed    uint64 // while closing: of sent, what the kernel had at the last look; direct: what was unacknowledged
	flow      *flow  // of the pair, nil before there is one

	adoptingSince time.Duration

	heard     uint64 // sock.attempts when it was last heard of
	hungUp    bool   // the kernel says that the other side has ended; the notice is due
	told      bool   // libzmq was asked to close it, and will not announce the end
	released  bool   // libzmq has let go of the connection ...
	releaseAt uint64 // ... as was seen at this attempt

	interest  uint32 // direct: what the poller watches for, 0 = not registered
	paused    bool   // direct: not read, because the partner has no room
	broken    bool   // writing failed, or libzmq no longer has it; its end will tell why
	owedReset bool   // the partner was reset, and so shall this one be
	watched   bool   // STREAM: fd is registered with the poller
	retry     time.Duration
	retryAt   time.Duration
	attending bool // on the loop's list of connections to look after
}

// flow is what the two connections of a pair share.
type flow struct {
	client, worker *conn

	handshake zmtp.Handshake
	begun     bool          // both connections are settled, bytes go
	open      bool          // the handshake is through, and no longer watched
	passed    [2]uint64     // bytes from client to worker and back, less those that loan has moved
	active    time.Duration // when bytes last passed
	loan      *loan         // nil while the loop moves the bytes, see lend.go
	end       splice.End    // what its loans had come to, before this one
}

func (f *flow) sides() [2]*conn { return [2]*conn{f.client, f.worker} }

// partner is the other connection of the pair.
func (f *flow) partner(c *conn) *conn {
	if c == f.client {
		return f.worker
	}
	return f.client
}

// maxEarly bounds what a connection may send before it has a partner. A greeting
// is 64 bytes, and libzmq sends ten of them until it is greeted in turn.
const maxEarly = readChunk / 2

func (c *conn) client() bool { return side(c.id>>32) == frontendSide }

// certain says whether everything is read that libzmq ever had for c up to the attempt.
func (c *conn) certain(attempt uint64) bool {
	return c.sock.readSince(max(attempt, c.heard))
}

// originOf tells where a connection comes from: libzmq's word for its address,
// and the far end of the descriptor.
func originOf(address string, fd int) pairing.Origin {
	if isIPC(address) {
		return pairing.Origin{Address: address}
	}
	ep := peerEndpoint(fd)
	if ip, err := netip.ParseAddr(address); err == nil && ep.Addr() != ip.Unmap().WithZone("") {
		ep = netip.AddrPort{} // the descriptor is somebody else's by now
	}
	if !ep.IsValid() {
		return pairing.Origin{Address: SourceAddress(address)}
	}
	return pairing.Origin{Address: SourceAddress(ep.Addr().String()), Endpoint: ep.String()}
}

// isIPC tells libzmq's way of writing the peer of a unix socket, localhost:uid:gid:pid.
func isIPC(address string) bool { return strings.HasPrefix(address, "localhost:") }

// SourceAddress is the address by which a pool counts and knows whoever
// connects from address: an IPv4 address, or the /64 of an IPv6 one, since
// whoever has one address there has them all.
func SourceAddress(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64)
	return prefix.String()
}
