package stream

import (
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
)

// What only the kernel knows of a connection.

// duplicate returns a second descriptor of the same open socket; -1 and the
// error when fd is none, or when there are too many (EMFILE).
func duplicate(fd int) (int, error) {
	if fd < 0 {
		return -1, unix.EBADF
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return dup, nil
}

// Cookie names a socket for good, whatever its descriptors are numbered
// (socket(7), SO_COOKIE). 0 when fd is not a socket.
func Cookie(fd int) uint64 {
	c, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return 0
	}
	return c
}

// deliveryMark is something else whenever the other side has taken bytes of ours:
// how many it has acknowledged, or of a unix socket, which keeps no such account,
// how much memory those take that it has not read (SIOCOUTQ). There the kernel
// frees what one write has brought, up to some 64 KiB, when all of it is read.
func deliveryMark(fd int) uint64 {
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		return info.Bytes_acked
	}
	queued, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return uint64(queued)
}

// tcpClose is the state of a TCP connection that is no more (the kernel's tcp_states.h).
const tcpClose = 7

// wasReset says whether a TCP connection ended by RST rather than FIN: after a
// FIN from the other side it stays half open as long as we hold it.
func wasReset(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == tcpClose
}

// sever ends both directions; libzmq's notice follows.
func sever(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) }

// Accepted looks at a connection that libzmq says it has accepted at endpoint,
// under that descriptor. The cookie is for [Sever], peer the far end's IP:PORT,
// invalid over ipc. ok is false when the number is another connection's by now.
func Accepted(fd int, endpoint string) (id uint64, peer netip.AddrPort, ok bool) {
	dup, err := duplicate(fd) // which nobody closes meanwhile
	if err != nil {
		return 0, peer, false
	}
	defer sockets.Close(dup)
	if !isOwnEnd(dup, endpoint) {
		return 0, peer, false
	}
	return Cookie(dup), sockets.PeerEnd(dup), true
}

// isOwnEnd says whether our own end of a connection is at an endpoint as libzmq
// writes it: of a link-local address with the zone.
func isOwnEnd(fd int, endpoint string) bool {
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return false
	}
	if file, ok := sa.(*syscall.SockaddrUnix); ok {
		_, path, _ := strings.Cut(endpoint, "://")
		return file.Name == path
	}
	ep, err := ParseEndpoint(endpoint)
	at := ep.Address()
	return err == nil && sockets.AddrPort(sa) == netip.AddrPortFrom(at.Addr().WithZone(""), at.Port())
}

// Sever ends both directions of a connection of libzmq's, if the descriptor is
// still its. libzmq finds that out by itself and closes it.
func Sever(fd int, id uint64) bool {
	dup, err := duplicate(fd)
	if err != nil {
		return false
	}
	defer sockets.Close(dup)
	if id == 0 || Cookie(dup) != id {
		return false
	}
	sever(dup)
	return true
}
