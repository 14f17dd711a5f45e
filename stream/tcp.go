package stream

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/given"
	"github.com/streamq/streamq-proxy/stream/inuse"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// tcp is TCP over IPv4 and IPv6.
type tcp struct{}

func (tcp) listen(ep Endpoint, how listening) (fd int, err error) {
	options := func(fd int) error {
		return errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), (tcp{}).options(fd, how))
	}
	if ep.Host == "*" {
		fd, err = newListener(unix.AF_INET6, &unix.SockaddrInet6{Port: int(ep.Port)}, func(fd int) error {
			return errors.Join(options(fd), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0))
		})
		if !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fd, err
		}
		return newListener(unix.AF_INET, &unix.SockaddrInet4{Port: int(ep.Port)}, options) // a machine without IPv6
	}
	domain, at := sockets.Sockaddr(ep.Address())
	return newListener(domain, at, options)
}

func (tcp) options(fd int, how listening) error {
	return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), keep(fd, how.keepAlive, how.userTimeout))
}

func (tcp) given(all *given.Listeners, ep Endpoint) (fd int, found bool) {
	at := ep.Address()
	if ep.Host == "*" {
		at = netip.AddrPortFrom(netip.Addr{}, ep.Port)
	}
	return all.TCP(at)
}

func (tcp) bound(ep Endpoint, fd int) Endpoint {
	local := sockets.OwnEnd(fd)
	ep.Host, ep.Port = local.Addr().String(), local.Port()
	return ep
}

func (tcp) handed(Endpoint) string { return "tcp://127.0.0.1:0" }

func (tcp) inUse(ep Endpoint) error { return inuse.TCP(ep.HostPort()) }

func (tcp) remote(ep Endpoint) sockets.Remote { return sockets.At(ep.Address()) }
