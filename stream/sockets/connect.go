package sockets

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/source"
)

// Connection is one that was dialled. The ends are of TCP only.
type Connection struct {
	FD        int // -1 for none
	Peer, Own netip.AddrPort
}

// Remote is where a dial goes.
type Remote struct {
	domain  int
	at      unix.Sockaddr
	address netip.AddrPort // of TCP; others have no ports, are not dialled from anywhere, and need no options
	name    net.Addr       // of what has no address, in errors
}

// At is where a dial of an address goes.
func At(address netip.AddrPort) Remote {
	domain, at := Sockaddr(address)
	return Remote{domain: domain, at: at, address: address}
}

// AtPath is where a dial of a unix socket goes: a file, or with @ a name of the abstract namespace.
func AtPath(path string) Remote {
	return Remote{
		domain: unix.AF_UNIX, at: &unix.SockaddrUnix{Name: path},
		name: &net.UnixAddr{Name: path, Net: "unix"},
	}
}

// Address is where a dial over TCP goes; invalid for others.
func (r Remote) Address() netip.AddrPort { return r.address }

// Failed is the error of a dial, as Go's net words it.
func (r Remote) Failed(err error) error {
	if r.address.IsValid() {
		return FailedTCP(net.TCPAddrFromAddrPort(r.address), err)
	}
	return &net.OpError{Op: "dial", Net: r.name.Network(), Addr: r.name, Err: err}
}

// Full says of an error that the listener, on this machine, has no room for another connection yet (connect(2),
// EAGAIN). One of TCP does not say so: the SYN is sent again.
func (r Remote) Full(err error) bool { return !r.address.IsValid() && errors.Is(err, unix.EAGAIN) }

// SetUp sets the options of a connection that is there: those that it needs at once.
// The others ([KeepAlive]) cost as much as all else of a dial, and can follow when it lives on.
func (r Remote) SetUp(fd int) error {
	if !r.address.IsValid() {
		return nil
	}
	return NoDelay(fd)
}

// Connect begins a connection to r and never blocks: connected says that it is
// there already. It comes from the first of the sources that has a port; from where
// the kernel likes if there are none.
func (r Remote) Connect(sources ...source.Address) (c Connection, connected bool, err error) {
	return r.connect(func(int) {}, sources)
}

// Probe is Connect for a connection that is closed as soon as it is there: over TCP accept(2) never returns it to who
// listens, since the handshake ends with an RST in the place of its last ACK. A unix socket has no handshake.
func (r Remote) Probe(sources ...source.Address) (c Connection, connected bool, err error) {
	return r.connect(func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) // the last ACK waits for what is sent (tcp(7)); else the probe is accepted
		DropUnsent(fd)
	}, sources)
}

func (r Remote) connect(prepare func(fd int), sources []source.Address) (c Connection, connected bool, err error) {
	// connect(2) can find all ports in use for an instant in which they are not;
	// Go's net tries three times, too.
	for i := range max(3, len(sources)) {
		var from source.Address
		if len(sources) > 0 {
			from = sources[i%len(sources)]
		}
		if c.FD, err = connectOnce(r.domain, prepare, from, r.at); !errors.Is(err, unix.EADDRNOTAVAIL) {
			break
		}
	}
	if err != nil {
		return c, false, err
	}
	// To this machine it is there, or has failed, as soon as connect(2), which
	// denies it, has returned.
	if connected, err = r.Connected(&c); err != nil {
		Close(c.FD)
		return Connection{FD: -1}, false, err
	}
	return c, connected, nil
}

// connectOnce returns a connection that may be under way yet.
func connectOnce(domain int, prepare func(fd int), from source.Address, to unix.Sockaddr) (fd int, err error) {
	fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	prepare(fd)
	if from.IsValid() {
		_, at := Sockaddr(netip.AddrPortFrom(from.Addr, 0))
		if err = from.Bind(fd, at); err != nil {
			Close(fd)
			return -1, err
		}
	}
	err = unix.Connect(fd, to)
	if err != nil && !errors.Is(err, unix.EINPROGRESS) && !errors.Is(err, unix.EINTR) {
		Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// Connected says whether a connection that was begun is there by now, and
// notes its ends.
func (r Remote) Connected(c *Connection) (bool, error) {
	peer, err := syscall.Getpeername(c.FD) // unix's asks for the protocol, too
	if err != nil {
		errno, err := unix.GetsockoptInt(c.FD, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = syscall.Errno(errno)
		}
		return false, os.NewSyscallError("connect", err)
	}
	if c.Peer = AddrPort(peer); !c.Peer.IsValid() {
		return true, nil
	}
	// A dial to an ephemeral port of this machine can meet itself (TCP's
	// simultaneous open) when nobody listens there.
	if c.Own = OwnEnd(c.FD); c.Peer == c.Own {
		return false, os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return true, nil
}
