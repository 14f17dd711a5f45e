package stream

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/proxyproto"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// ProxySenders are the peers that begin each of their connections to a frontend with a PROXY
// header (package proxyproto). They must: who may leave it out could let a client say it.
type ProxySenders struct {
	Networks []netip.Prefix
	IPC      bool // whoever connects to a unix socket
}

// Add takes in a network (10.0.0.0/8), an address, or "ipc".
func (s *ProxySenders) Add(network string) error {
	if network == "ipc" {
		s.IPC = true
		return nil
	}
	prefix, err := netip.ParsePrefix(network)
	if ip, single := netip.ParseAddr(network); single == nil && ip.Zone() == "" {
		prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if err != nil {
		return fmt.Errorf("%q is no network (such as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32), nor ipc", network)
	}
	s.Networks = append(s.Networks, prefix.Masked())
	return nil
}

// include says whether a peer, not valid over ipc, is one of them.
func (s *ProxySenders) include(peer netip.AddrPort) bool {
	if !peer.IsValid() {
		return s.IPC
	}
	ip := peer.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.Networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// SendersAt are those of the frontend's i-th endpoint.
func (c *Config) SendersAt(i int) *ProxySenders {
	if i < len(c.FrontendSenders) && c.FrontendSenders[i] != nil {
		return c.FrontendSenders[i]
	}
	return &c.ProxySenders
}

// endpointMark marks connections that came to an endpoint of the frontend, with its index; a
// door's have its own mark.
const endpointMark = 1 << 63

// sendersAt are those of the endpoint that a connection came to; a door has the pool's.
func (l *loop) sendersAt(mark uint64) *ProxySenders {
	if mark&endpointMark != 0 {
		return l.cfg.SendersAt(int(mark &^ endpointMark))
	}
	return &l.cfg.ProxySenders
}

// String lists them, "nobody" where there are none.
func (s *ProxySenders) String() string {
	var all []string
	for _, n := range s.Networks {
		all = append(all, n.String())
	}
	if s.IPC {
		all = append(all, "ipc")
	}
	if len(all) == 0 {
		return "nobody"
	}
	return strings.Join(all, ", ")
}

// some: there are any.
func (s *ProxySenders) some() bool { return s.IPC || len(s.Networks) > 0 }

// Balancer is who has connected for a client, and what it says of it.
type Balancer struct {
	Endpoint string // of its connection, IP:PORT, or its address over ipc
	UniqueID string
	TLS      *proxyproto.TLS // nil when the client does not use it, or nobody says
}

// balancer is that of a connection.
type balancer struct {
	Balancer
	origin *pairing.Origin // its own
	read   bool            // its header has been
}

// heed has a client that has come say a PROXY header, if it has to where it came.
func (l *loop) heed(c *conn, claim seam.Birth) {
	senders := l.sendersAt(claim.Mark)
	c.balanced = senders.some()
	if senders.include(claim.Peer) {
		c.expectHeader()
	}
}

// expectHeader: where c comes from is not known before its header is there.
func (c *conn) expectHeader() {
	c.via = &balancer{Balancer: Balancer{Endpoint: c.origin.Whence()}, origin: c.origin}
	c.origin = new(pairing.Origin)
}

// headerRead takes the PROXY header from what c has sent, and says whether there is none to
// wait for any more.
func (l *loop) headerRead(c *conn) bool {
	v := c.via
	if v == nil || v.read {
		return true
	}
	h, verdict, err := proxyproto.Parse(c.said())
	switch verdict {
	case proxyproto.NeedMore:
		return false
	case proxyproto.Complete:
	default:
		c.origin = v.origin
		l.act(l.table.ClientFrom(l.clock, c.id, *c.origin))
		l.act(l.table.End(l.clock, c.id, pairing.ProxyHeader))
		l.tellHeader("a balancer's connection without a sound PROXY header", c, err)
		return false
	}
	v.read = true
	c.origin, c.early.said = v.origin, c.early.said[h.Length:]
	if !h.Local && h.Source.IsValid() {
		c.origin = originOf("", h.Source)
	}
	v.UniqueID, v.TLS = h.UniqueID, h.TLS
	l.act(l.table.ClientFrom(l.clock, c.id, *c.origin))
	l.share(c)
	return true
}

// notZMTP is the reason for which a client ends whose first bytes are no ZMTP.
func (l *loop) notZMTP(c *conn) pairing.Reason {
	if !c.client() || c.via != nil || c.stranger() != speaksPROXY {
		return pairing.NotZMTP
	}
	if c.balanced {
		l.tellHeader("a PROXY header from whom none is taken (accept-proxy)", c, nil)
		return pairing.ProxyHeader
	}
	l.tellHeader("a PROXY header came: accept-proxy says from whom it is taken", c, nil)
	return pairing.NotZMTP
}

func (l *loop) tellHeader(what string, c *conn, err error) {
	if !l.headersTold.due(l.clock) {
		return
	}
	attributes := []any{"pool", l.fixed.Name, "from", strings.TrimSpace(c.origin.Whence())}
	if err != nil {
		attributes = append(attributes, "error", err)
	}
	l.cfg.Log.Warn(what, attributes...)
}
