package source

import (
	"errors"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Address is where a dial is to come from; the zero value leaves it to the kernel.
type Address struct {
	netip.Addr
	Reach Reach
}

// Reach is what an address is to this machine.
type Reach uint8

// What an address may be.
const (
	Assigned Reach = iota // an interface has it; loopback has all of 127.0.0.0/8
	Routed                // a route says that it is this machine's (AnyIP)
	Foreign               // it is another machine's, which takes CAP_NET_RAW (or CAP_NET_ADMIN)
)

// Of is what the addresses of a prefix are that was chosen for clients.
func Of(prefix netip.Prefix) Reach {
	if prefix.Addr().Is4() && prefix.Addr().IsLoopback() {
		return Assigned
	}
	return Routed
}

// Allow has fd, a TCP socket of the address' family, bind it by bind(2), and leaves the port to
// connect(2), which knows the other end: bind(2) would have it for none other (ip(7),
// IP_BIND_ADDRESS_NO_PORT, IP_FREEBIND and IP_TRANSPARENT). EPERM when the right is missing.
func (a Address) Allow(fd int) error {
	err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	switch is4 := a.Is4(); {
	case err != nil || a.Reach == Assigned:
	case a.Reach == Routed && is4:
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1)
	case a.Reach == Routed:
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	case is4:
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
	default:
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	return os.NewSyscallError("setsockopt", err)
}

// Bind has what connect(2) makes of fd come from the address, which the kernel takes as at. An
// error of bind(2) itself is an [os.SyscallError] of that name.
func (a Address) Bind(fd int, at unix.Sockaddr) error {
	return errors.Join(a.Allow(fd), os.NewSyscallError("bind", unix.Bind(fd, at)))
}
