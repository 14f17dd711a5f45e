package stream

import (
	"errors"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/inuse"
)

// tcp is TCP over IPv4 and IPv6.
type tcp struct{}

func (tcp) listen(ep Endpoint, how listening) (fd int, err error) {
	options := func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			keep(fd, how.keepAlive, how.userTimeout))
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
	domain, at := sockaddrOf(ep.Address())
	return newListener(domain, at, options)
}

func (tcp) bound(ep Endpoint, fd int) Endpoint {
	local := ownEndpoint(fd)
	ep.Host, ep.Port = local.Addr().String(), local.Port()
	return ep
}

func (tcp) handed(Endpoint) string { return "tcp://127.0.0.1:0" }

func (tcp) inUse(ep Endpoint) error { return inuse.TCP(ep.HostPort()) }

func (tcp) remote(ep Endpoint) remote { return remoteAt(ep.Address()) }

// remoteAt is where a dial of an address goes.
func remoteAt(address netip.AddrPort) remote {
	domain, at := sockaddrOf(address)
	return remote{domain: domain, at: at, address: address}
}

// sockaddrOf is an address as the kernel takes it, and its family.
func sockaddrOf(address netip.AddrPort) (domain int, at unix.Sockaddr) {
	ip, port := address.Addr(), int(address.Port())
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: ip.As4(), Port: port}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Addr: ip.As16(), Port: port, ZoneId: zoneID(ip.Zone())}
}

// zoneID is the index, at this time, of a network interface that is given by its
// name or number; 0, which connect(2) refuses where one is needed, when there is none.
func zoneID(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if zone == "" {
		return 0
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}

// failedTCP is an error as Go's net words it; to is nil before there is an address.
func failedTCP(to net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: err}
}
