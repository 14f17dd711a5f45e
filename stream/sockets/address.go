package sockets

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockaddr is an address as the kernel takes it, and its family.
func Sockaddr(address netip.AddrPort) (domain int, at unix.Sockaddr) {
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

// FailedTCP is an error as Go's net words it; to is nil before there is an address.
func FailedTCP(to net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: err}
}

// PeerEnd is the remote IP:PORT; invalid for other than TCP.
func PeerEnd(fd int) netip.AddrPort {
	sa, err := syscall.Getpeername(fd) // unix's asks for the protocol, too
	if err != nil {
		return netip.AddrPort{}
	}
	return AddrPort(sa)
}

// OwnEnd is our own IP:PORT; invalid for other than TCP.
func OwnEnd(fd int) netip.AddrPort {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return AddrPort(sa)
}

// AddrPort is an IP:PORT of the kernel's; invalid for other than TCP.
func AddrPort(sa syscall.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
