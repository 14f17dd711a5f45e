package stream

import (
	"container/list"
	"net/netip"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// phase of a connection, see doc.go.
type phase uint8

const (
	live     phase = iota // bytes go both ways
	closing               // what was sent is being delivered, what comes is dropped
	refused               // the table has refused it, and it is left unread until it is closed, see hold.go
	finished              // the kernel has everything and a FIN behind it
	dead                  // the loop has let go of it
)

// conn is one connection as the loop sees it, whatever its bytes go through.
type conn struct {
	id     pairing.PeerID
	link   link
	origin *pairing.Origin // is not changed, and shared, see share
	flow   *flow           // of the pair, nil before there is one
	via    *balancer       // that is to say, or has said, who it is; nil for none
	door   *entrance       // that it has come through, nil for the frontend's own endpoints
	early  *early          // what came before there was a partner, nil for nothing
	out    *backlog        // what the link has not taken yet, nil for nothing

	swallowed int   // bytes that came while it was being closed
	oneWay    int32 // bytes received since the partner last spoke, see gather.go

	phase     phase
	spoke     bool // it has sent something, or need not
	balanced  bool // it came where PROXY headers are taken from somebody
	inherited bool // it came from the process that this one succeeds
	told      bool // whoever is interested in events knows of it
	ready     bool // the table was told that the greeting is there
	ended     bool // its sending, in order, and what is sent to it goes on
	lastWords bool // it has ended its sending, and what it said is not its partner's yet, see lastwords.go
	shut      bool // it has been sent a FIN behind everything, because its partner has ended so
	paused    bool // left unread: the partner has no room, or it has said enough for now
	broken    bool // writing failed; its end will tell why
	owedReset bool // the partner was reset, and so shall this one be
}

// share has a connection's origin be the table's own, lest there are two for its life.
func (l *loop) share(c *conn) {
	if p := l.table.Peer(c.id); p != nil && *p.From() == *c.origin {
		c.origin = p.From()
	}
}

// early is what a connection has said before it had a partner, and what that was found to be.
type early struct {
	said     []byte
	misfit   *misfit  // why it was refused, nil if it was not
	stranger stranger // what it speaks in place of ZMTP
}

// said is what came before there was a partner.
func (c *conn) said() []byte {
	if c.early == nil {
		return nil
	}
	return c.early.said
}

func (c *conn) say(data []byte) {
	if c.early == nil {
		c.early = &early{}
	}
	c.early.said = append(c.early.said, data...)
}

// unsay forgets what was said, but not what it was found to be.
func (c *conn) unsay() {
	if c.early != nil {
		c.early.said = nil
	}
}

func (c *conn) misfit() *misfit {
	if c.early == nil {
		return nil
	}
	return c.early.misfit
}

func (c *conn) stranger() stranger {
	if c.early == nil {
		return unknown
	}
	return c.early.stranger
}

// flow is what the two connections of a pair share.
type flow struct {
	pool           *Pool // that hears of the loan; is not changed, since the relay's threads read it
	client, worker *conn

	shaking *shaking            // the handshake, nil when it is through
	shaken  shaken              // what is kept of it then
	passed  [2]uint64           // bytes from client to worker and back, less those that loan has moved
	counted *[2]splice.Counters // where they are counted for the worker, see workerbytes.go
	active  time.Duration       // when bytes last passed
	loan    *splice.Pair        // nil while the loop moves the bytes, see lend.go
	half    *list.Element       // in loop.halves; nil as long as no side has ended
	end     splice.End          // what its loans had come to, before this one
	open    bool                // the handshake is through, and no longer watched
	young   bool                // and has just been, see young.go
	chunks  uint8               // that have passed since, up to youngChunks
}

// sides are the two connections; index 0 is the client's everywhere.
func (f *flow) sides() [2]*conn { return [2]*conn{f.client, f.worker} }

// side is a connection's place in sides.
func (f *flow) side(c *conn) int8 {
	if c == f.client {
		return 0
	}
	return 1
}

// partner is the other connection of the pair.
func (f *flow) partner(c *conn) *conn {
	if c == f.client {
		return f.worker
	}
	return f.client
}

// direct: both connections are the loop's own, so that the kernel can move the bytes.
func (f *flow) direct() bool { return f.client.own() != nil && f.worker.own() != nil }

// maxEarly is from how many bytes on a connection without a partner is left
// unread. A greeting is 64 bytes, and libzmq sends ten of them until it is greeted
// in turn; ZMTP 1.0 and 2.0 let a peer say more unasked.
const maxEarly = readChunk / 2

func (c *conn) client() bool {
	s := side(c.id >> 32)
	return s == frontendSide || s == spareClientSide
}

// handed is the link's.
func (c *conn) handed() bool {
	all, broken := c.link.handed()
	c.broken = c.broken || broken
	return all
}

// own says whether the loop itself reads and writes the connection's descriptor, nil if not.
func (c *conn) own() *ownLink {
	o, _ := c.link.(*ownLink)
	return o
}

// originOf tells where an accepted connection comes from: the far end, or over
// ipc libzmq's word for it, localhost:uid:gid:pid.
func originOf(address string, peer netip.AddrPort) *pairing.Origin {
	if !peer.IsValid() {
		return &pairing.Origin{Address: address}
	}
	endpoint := endpointOf(peer)
	if peer.Addr().Is4() { // then one is the beginning of the other
		return &pairing.Origin{Address: endpoint[:strings.IndexByte(endpoint, ':')], Endpoint: endpoint}
	}
	return &pairing.Origin{Address: SourceAddress(peer.Addr().String()), Endpoint: endpoint}
}

// endpointOf writes an IP:PORT, of a link-local address without the zone.
func endpointOf(ap netip.AddrPort) string {
	return netip.AddrPortFrom(ap.Addr().WithZone(""), ap.Port()).String()
}

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
