package stream

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/streamq/streamq-proxy/pairing"
)

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
	adoptionPause  = time.Minute
	adoptionPauses = 1024
	// libzmq usually lets go after some tens of microseconds, and no event tells.
	adoptionHurried = 2 * time.Millisecond
	adoptionLook    = 30 * time.Microsecond
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
	l.attendAfter(c, adoptionLook)
}

// adopted finishes an adoption once libzmq has let go; false as long as it has not.
func (l *loop) adopted(c *conn) bool {
	if Cookie(c.zmqFD) == c.cookie {
		return false
	}
	if taken := takenOut(c.fd); taken != c.received {
		l.cfg.Log.Debug("adoption failed", "pool", l.cfg.Name, "from", c.origin.Endpoint, "taken", taken, "handed over", c.received)
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

// takenOut is how many bytes have been read from a TCP connection over its life,
// by whomever. Once libzmq has let go nobody reads, so it is a fixed number; but
// the kernel tells its two parts one after the other, and something may arrive
// in between. Then they do not agree twice in a row.
func takenOut(fd int) uint64 {
	before, after := takenOutNow(fd, nil), takenOutNow(fd, nil)
	for before != after {
		before, after = after, takenOutNow(fd, nil)
	}
	return after
}

// takenOutNow is what has arrived less what is unread. What arrives between the
// two readings must never be missing from it, or a byte that libzmq has swallowed
// would go unseen; so the unread bytes are read first, and the result may be too
// large but never too small. The kernel counts a FIN as a byte. All ones when fd
// is not a TCP connection. Tests have something happen between the readings.
func takenOutNow(fd int, between func()) uint64 {
	unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return math.MaxUint64
	}
	if between != nil {
		between()
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return math.MaxUint64
	}
	total := info.Bytes_received - uint64(unread)
	if info.State == tcpCloseWait {
		total--
	}
	return total
}

// Connections that libzmq was told to close may have left notices behind in its
// queues. Until these are certain to have been read, their ids must not be
// taken for new ones: the descriptor that a notice names may be anybody's.

// bury remembers the id of a connection that libzmq was told to close.
func (l *loop) bury(c *conn) {
	l.buried[c.id] = true
	l.graves = append(l.graves, grave{c.id, c.sock, c.sock.attempts})
}

// fewGraves may stay until the socket is found empty for another reason.
const fewGraves = 64

// grave is which id was last in use when, and where.
type grave struct {
	id      pairing.PeerID
	sock    *socket
	attempt uint64
}

// decay forgets the buried ids that cannot come up again.
func (l *loop) decay() {
	n := 0
	for n < len(l.graves) && l.graves[n].sock.readSince(l.graves[n].attempt) {
		delete(l.buried, l.graves[n].id)
		n++
	}
	if n > 0 {
		l.graves = append(l.graves[:0], l.graves[n:]...)
	}
}
