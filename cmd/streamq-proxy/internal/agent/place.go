package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
)

// place is where the proxy or the worker listens.
type place struct {
	at    string         // HOST:PORT
	last  netip.AddrPort // where it was found, at once if at has no name
	named bool
	until time.Time // a name that was looked up is good for so long
}

// nameFor is for how long the address of a name is used again, so that many clients at once
// cost one look-up, and no dial of one that fails is tried there again.
const nameFor = time.Second

func newPlace(hostPort string) place {
	at, err := netip.ParseAddrPort(hostPort)
	return place{at: hostPort, last: netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), named: err != nil}
}

// known is where a dial goes at once, if that is known.
func (p *place) known(now time.Time) (sockets.Remote, bool) {
	if p.named && !now.Before(p.until) {
		return sockets.Remote{}, false
	}
	return sockets.At(p.last), true
}

// found is where a look-up has led to. Of a link-local address the kernel does not tell the zone.
func (p *place) found(at netip.AddrPort) {
	if p.named && at.IsValid() && !at.Addr().IsLinkLocalUnicast() {
		p.last, p.until = at, time.Now().Add(nameFor)
	}
}

// lost has a name looked up again.
func (p *place) lost() { p.until = time.Time{} }

// lookUp dials a place whose name has to be looked up, from an address if that is valid, beside the loop.
func (a *Agent) lookUp(p *place, from netip.Addr, done func(sockets.Connection, error)) {
	at := p.at
	a.help(func() {
		ctx, cancel := context.WithTimeout(a.life, dialTimeout)
		defer cancel()
		c := sockets.Connection{FD: -1}
		conn, err := a.dialFrom(ctx, at, from)
		if err == nil {
			c, err = take(conn)
		}
		if err == nil && c.Own == c.Peer { // it has met itself
			sockets.Close(c.FD)
			c.FD, err = -1, errNobody
		}
		a.post(func() {
			if err == nil {
				p.found(c.Peer)
			}
			done(c, err)
		})
	})
}

var errNobody = errors.New("nobody listens there")

// take has a connection out of Go's poller, as a descriptor of our own, which is
// non-blocking as the connection was; (*net.TCPConn).File would change that for both.
func take(conn net.Conn) (c sockets.Connection, err error) {
	defer func() { _ = conn.Close() }() // not the socket's last descriptor
	c.FD = -1
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return c, err
	}
	control := raw.Control(func(old uintptr) { c.FD, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(control, err); err != nil {
		return c, err
	}
	c.Own, c.Peer = sockets.OwnEnd(c.FD), sockets.PeerEnd(c.FD)
	return c, nil
}
