package stream

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// connection is one that was dialled. The ends are of TCP only.
type connection struct {
	fd          int // -1 for none
	peer, local netip.AddrPort
}

// remote is where a dial goes: an address, or a unix path if there is one.
type remote struct {
	address netip.AddrPort
	path    string
}

func (r remote) domain() int {
	switch {
	case r.path != "":
		return unix.AF_UNIX
	case r.address.Addr().Is4():
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (r remote) sockaddr() unix.Sockaddr {
	ip, port := r.address.Addr(), int(r.address.Port())
	switch r.domain() {
	case unix.AF_UNIX:
		return &unix.SockaddrUnix{Name: r.path} // @ is the abstract namespace here, too
	case unix.AF_INET:
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: port}
	}
	return &unix.SockaddrInet6{Addr: ip.As16(), Port: port, ZoneId: zoneID(ip.Zone())}
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

// failed is the error of a dial, as Go's net words it.
func (r remote) failed(err error) error {
	if r.path != "" {
		return &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: r.path, Net: "unix"}, Err: err}
	}
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(r.address), Err: err}
}

// full: r is a unix socket whose listener has no room for another connection yet.
func (r remote) full(err error) bool { return r.path != "" && errors.Is(err, unix.EAGAIN) }

// connect begins a connection to r and never blocks: connected says that it is
// there already. It comes from the first of the sources that has a port; from where
// the kernel likes if there are none.
func (r remote) connect(sources ...netip.Addr) (c connection, connected bool, err error) {
	to := r.sockaddr()
	// connect(2) can find all ports in use for an instant in which they are not;
	// Go's net tries three times, too.
	for i := range max(3, len(sources)) {
		var from unix.Sockaddr
		if len(sources) > 0 {
			from = remote{address: netip.AddrPortFrom(sources[i%len(sources)], 0)}.sockaddr()
		}
		if c.fd, err = connectOnce(r.domain(), from, to); !errors.Is(err, unix.EADDRNOTAVAIL) {
			break
		}
	}
	if err != nil || r.path != "" {
		return c, err == nil, err
	}
	// To this machine it is there, or has failed, as soon as connect(2), which
	// denies it, has returned.
	if connected, err = r.connected(&c); err != nil {
		closeDescriptor(c.fd)
		return connection{fd: -1}, false, err
	}
	return c, connected, nil
}

// connectOnce returns a TCP connection that may be under way yet, or a unix one.
func connectOnce(domain int, from, to unix.Sockaddr) (fd int, err error) {
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if from != nil {
		// The port is chosen by connect, which knows the other end: bind would have it for none other.
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1), unix.Bind(fd, from))
		if err != nil {
			closeDescriptor(fd)
			return -1, os.NewSyscallError("bind", err)
		}
	}
	err = unix.Connect(fd, to)
	if err != nil && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EINTR) {
		closeDescriptor(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// connected says whether a TCP connection that was begun is there by now, and
// notes its ends.
func (r remote) connected(c *connection) (bool, error) {
	c.peer = peerEndpoint(c.fd)
	if !c.peer.IsValid() {
		errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = syscall.Errno(errno)
		}
		return false, os.NewSyscallError("connect", err)
	}
	// A dial to an ephemeral port of this machine can meet itself (TCP's
	// simultaneous open) when nobody listens there.
	if c.local = ownEndpoint(c.fd); c.peer == c.local {
		return false, os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return true, nil
}
