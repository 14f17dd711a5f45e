package stream

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/source"
)

// connection is one that was dialled. The ends are of TCP only.
type connection struct {
	fd          int // -1 for none
	peer, local netip.AddrPort
	shown       netip.Addr // what the worker sees of the client, see clientaddress.go; invalid for nothing
}

// remote is where a dial goes.
type remote struct {
	domain  int
	at      unix.Sockaddr
	address netip.AddrPort // of TCP; others have no ports, are not dialled from anywhere, and need no options
	name    net.Addr       // of what has no address, in errors
}

// failed is the error of a dial, as Go's net words it.
func (r remote) failed(err error) error {
	if r.address.IsValid() {
		return failedTCP(net.TCPAddrFromAddrPort(r.address), err)
	}
	return &net.OpError{Op: "dial", Net: r.name.Network(), Addr: r.name, Err: err}
}

// full: the listener, on this machine, has no room for another connection yet (connect(2),
// EAGAIN). One of TCP does not say so: the SYN is sent again.
func (r remote) full(err error) bool { return !r.address.IsValid() && errors.Is(err, unix.EAGAIN) }

// setUp sets the options of a connection that is there: those that it needs at once.
// The others cost as much as all else of a dial, and follow when it lives on, see keepAlive.
func (r remote) setUp(fd int) error {
	if !r.address.IsValid() {
		return nil
	}
	return noDelay(fd)
}

// connect begins a connection to r and never blocks: connected says that it is
// there already. It comes from the first of the sources that has a port; from where
// the kernel likes if there are none.
func (r remote) connect(sources ...source.Address) (c connection, connected bool, err error) {
	// connect(2) can find all ports in use for an instant in which they are not;
	// Go's net tries three times, too.
	for i := range max(3, len(sources)) {
		var from source.Address
		if len(sources) > 0 {
			from = sources[i%len(sources)]
		}
		if c.fd, err = connectOnce(r.domain, from, r.at); !errors.Is(err, unix.EADDRNOTAVAIL) {
			break
		}
	}
	if err != nil {
		return c, false, err
	}
	// To this machine it is there, or has failed, as soon as connect(2), which
	// denies it, has returned.
	if connected, err = r.connected(&c); err != nil {
		closeDescriptor(c.fd)
		return connection{fd: -1}, false, err
	}
	return c, connected, nil
}

// connectOnce returns a connection that may be under way yet.
func connectOnce(domain int, from source.Address, to unix.Sockaddr) (fd int, err error) {
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if from.IsValid() {
		_, at := sockaddrOf(netip.AddrPortFrom(from.Addr, 0))
		if err = from.Bind(fd, at); err != nil {
			closeDescriptor(fd)
			return -1, err
		}
	}
	err = unix.Connect(fd, to)
	if err != nil && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EINTR) {
		closeDescriptor(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// connected says whether a connection that was begun is there by now, and
// notes its ends.
func (r remote) connected(c *connection) (bool, error) {
	peer, err := syscall.Getpeername(c.fd) // unix's asks for the protocol, too
	if err != nil {
		errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = syscall.Errno(errno)
		}
		return false, os.NewSyscallError("connect", err)
	}
	if c.peer = addrPort(peer); !c.peer.IsValid() {
		return true, nil
	}
	// A dial to an ephemeral port of this machine can meet itself (TCP's
	// simultaneous open) when nobody listens there.
	if c.local = ownEndpoint(c.fd); c.peer == c.local {
		return false, os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return true, nil
}
