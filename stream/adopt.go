package stream

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/streamq/streamq-proxy/pairing"
)

// Relay says what moves a pair's bytes.
type Relay uint8

const (
	// RelayAuto takes each connection out of libzmq when it is paired, if that
	// can be done, and leaves it to the STREAM socket if not.
	RelayAuto Relay = iota
	// RelayStream leaves every connection to its STREAM socket. libzmq cannot
	// stop reading one peer, so a partner that reads more slowly than the other
	// side sends ends with overflow.
	RelayStream
	// RelaySplice takes every connection out of libzmq, and ends a pair for
	// which that fails (adopt-failed).
	RelaySplice
)

var relayNames = [...]string{RelayAuto: "auto", RelayStream: "stream", RelaySplice: "splice"}

func (r Relay) String() string { return relayNames[r] }

// ParseRelay reads what String writes.
func ParseRelay(s string) (Relay, error) {
	for r, name := range relayNames {
		if s == name {
			return Relay(r), nil
		}
	}
	return 0, fmt.Errorf("relay %q: want auto, stream or splice", s)
}

// Spliceable says which endpoint [RelaySplice] cannot serve, nil if it can serve
// all: a unix socket keeps no account of its bytes, so that nobody could tell
// whether libzmq had kept some.
func Spliceable(endpoints ...[]string) error {
	for _, endpoint := range slices.Concat(endpoints...) {
		if strings.HasPrefix(endpoint, "ipc://") {
			return fmt.Errorf("splice cannot carry %s: use auto or stream", endpoint)
		}
	}
	return nil
}

// Adoption. When two peers are paired both are silent: neither says more before
// it has heard the other. So nothing is on its way through libzmq, and when
// libzmq is told to close the connection it closes its descriptor and nothing
// else: the connection lives on in our duplicate and is ours. From then on the
// loop reads and writes it directly. It can stop reading one, which on a STREAM
// socket nobody can, so a slow reader slows its own partner only, and nothing
// needs to be buffered.
//
//	live --closePeer--> adopting --libzmq lets go, all bytes accounted for--> live, direct
//	                       |---------a byte is missing----------> adopt-failed

// How long an address is left to the STREAM sockets after an adoption failed
// for it, and how many such addresses are remembered.
const (
	adoptionPause   = time.Minute
	adoptionPauses  = 1024
	adoptionHurried = 2 * time.Millisecond // libzmq usually lets go after some tens of microseconds
)

// pauses remembers addresses and until when they are left to the STREAM sockets.
type pauses = simplelru.LRU[string, time.Duration]

func newPauses() *pauses {
	p, err := simplelru.NewLRU[string, time.Duration](adoptionPauses, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return p
}

func (l *loop) pauseFor(address string) { l.pauses.Add(address, l.clock+adoptionPause) }

func (l *loop) pausedFor(address string) bool {
	until, ok := l.pauses.Peek(address)
	return ok && l.clock < until
}

// adopt begins to take c over, if it can be and is wanted.
func (l *loop) adopt(c *conn) {
	switch {
	case c.sock == nil, c.phase != live, l.cfg.Relay == RelayStream:
		return
	case l.cfg.Relay == RelayAuto && (c.ipc || l.pausedFor(c.origin.Address)):
		return
	}
	if c.sock.closePeer(c.number) != taken {
		return // it is dying; its notice follows
	}
	c.phase, c.told, c.adoptingSince = adopting, true, l.clock
	l.attendAfter(c, 0)
}

// adopted finishes an adoption once libzmq has let go; false as long as it has not.
func (l *loop) adopted(c *conn) bool {
	if cookie(c.zmqFD) == c.cookie {
		return false
	}
	if delivered, ok := received(c.fd); !ok || delivered != c.received {
		l.cfg.Log.Debug("adoption failed", "pool", l.cfg.Name, "from", c.origin.Endpoint, "received", delivered, "delivered", c.received)
		l.pauseFor(c.origin.Address)
		l.act(l.table.End(l.clock, c.id, pairing.AdoptFailed))
		return true
	}
	if c.watched {
		l.poller.remove(c.fd)
		c.watched = false
	}
	l.bury(c)
	c.sock = nil
	l.ctx.descriptors.Add(-1) // libzmq's own
	c.phase = live
	l.updateInterest(c)
	l.begin(c.flow)
	return true
}

// received is how many bytes were taken out of a TCP connection over its life.
// The kernel counts a FIN as one.
func received(fd int) (uint64, bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, false
	}
	unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return 0, false
	}
	total := info.Bytes_received - uint64(unread)
	if info.State == tcpCloseWait {
		total--
	}
	return total, true
}

// Connections that libzmq was told to close may have left notices behind in its
// queues. Until these are certain to have been read, their ids must not be
// taken for new ones: the descriptor that a notice names may be anybody's.

// bury remembers the id of a connection that libzmq was told to close.
func (l *loop) bury(c *conn) { l.buried[c.id] = grave{c.sock, c.sock.attempts} }

// grave is when a connection's id was last in use, and where.
type grave struct {
	sock    *socket
	attempt uint64
}

// decay forgets the buried ids that cannot come up again.
func (l *loop) decay() {
	for id, g := range l.buried {
		if g.sock.readSince(g.attempt) {
			delete(l.buried, id)
		}
	}
}
