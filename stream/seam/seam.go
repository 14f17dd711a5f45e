package seam

// #include "seam.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Descriptors is how many descriptors can be followed: those of lower numbers.
// [Guard] must refuse the others.
const Descriptors = C.SEAM_DESCRIPTORS

// ErrNotFollowed says that the descriptor is no connection of the owner's.
var ErrNotFollowed = errors.New("no connection that is followed")

// Owner has the connections that libzmq accepts from some listeners. Its methods
// are for one goroutine, or one at a time.
type Owner struct {
	c    *C.seam_owner
	wake *os.File
	fd   int
}

// Birth is what was known of a connection when it was accepted.
type Birth struct {
	// Peer is the remote end; the zero value for a unix socket.
	Peer netip.AddrPort
	// Mark is the one that its listener had, see [Mark].
	Mark uint64
	// Taken: libzmq has been told that the connection has ended, never read a byte of
	// it and writes none. It is the owner's alone.
	Taken bool
}

// NewOwner makes an owner without listeners. It must be closed.
func NewOwner() (*Owner, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	c := C.seam_new(C.int(fd))
	if c == nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("following connections: %w", syscall.ENOMEM)
	}
	return &Owner{c: c, wake: os.NewFile(uintptr(fd), "eventfd"), fd: fd}, nil
}

// Close lets go of every listener and connection. What libzmq has ended already is
// closed, the rest when libzmq ends it. From then on connections that come to the
// listeners are libzmq's alone.
func (o *Owner) Close() {
	C.seam_end(o.c)
	_ = o.wake.Close()
	o.c = nil
}

// Descriptor becomes readable when there is news, see [Owner.News].
func (o *Owner) Descriptor() int { return o.fd }

// Listen follows the connections of a listening socket that libzmq has not been
// given yet (ZMQ_USE_FD, zmq_setsockopt(3)). Those that are not taken may be read
// so many times before [Allow] says more. libzmq closes the listener; where it is
// not given it after all, [Unlisten] does.
func (o *Owner) Listen(listener int, take bool, reads uint64) error {
	if errno := C.seam_listen(o.c, C.int(listener), flag(take), C.uint64_t(reads)); errno != 0 {
		return fmt.Errorf("following a listener: %w", syscall.Errno(errno))
	}
	return nil
}

// Unlisten closes a listener that was followed, or favoured, and that libzmq was not
// given. Its number is then another's, which closing it by any other way leaves unsaid.
func Unlisten(listener int) { C.seam_unlisten(C.int(listener)) }

// Take says whether connections that a listener accepts from now on are taken from
// libzmq at their birth.
func Take(listener int, take bool) { C.seam_take(C.int(listener), flag(take)) }

// Shut ends a listener's listening, and nothing else: who connects is refused by the
// kernel, who waits in the backlog is reset, and connections that were accepted go on.
// A unix socket that was shut cannot be opened again.
func Shut(listener int) error { return number(C.seam_shut(C.int(listener))) }

// Open has a TCP listener that was shut listen again on its port; EOPNOTSUPP for a
// unix socket, EADDRINUSE when a port that the kernel had chosen is another's by now.
func Open(listener, backlog int) error {
	return number(C.seam_open(C.int(listener), C.int(backlog)))
}

// Abandon lets go of a listener that another process has: who connects is that one's alone, and the port is closed
// when that one closes it. Connections that were accepted go on, and libzmq is never told of anybody again.
func Abandon(listener int) error { return number(C.seam_abandon(C.int(listener))) }

// Mark gives a listener a mark. Connections that it accepts from now on have it, and none that
// it has accepted, whatever libzmq has announced of them.
func Mark(listener int, mark uint64) { C.seam_mark(C.int(listener), C.uint64_t(mark)) }

// Pause leaves those who connect in a listener's backlog, or goes on.
func Pause(listener int, paused bool) { C.seam_pause(C.int(listener), flag(paused)) }

// Claim tells of a connection by the descriptor that libzmq's notice names. The
// number is no other connection's as long as the owner has not released it.
// ErrNotFollowed when the owner has no such connection.
func (o *Owner) Claim(fd int) (Birth, error) {
	var b C.seam_birth
	if C.seam_claim(o.c, C.int(fd), &b) != 0 {
		return Birth{}, ErrNotFollowed
	}
	return Birth{Peer: peerOf(&b), Mark: uint64(b.mark), Taken: b.taken != 0}, nil
}

func peerOf(b *C.seam_birth) netip.AddrPort {
	switch name := (*unix.RawSockaddr)(unsafe.Pointer(&b.peer)); name.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(&b.peer))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(&b.peer))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), port(in.Port))
	}
	return netip.AddrPort{}
}

// port is a port in network order.
func port(raw uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&raw))
	return uint16(b[0])<<8 | uint16(b[1])
}

// Allow lets libzmq have read so many times (of at most 8 KiB, see FACT 28) from a
// connection over its life. When it has, the connection is left unread: its sender
// is held by the kernel, and nobody else is. Errors are epoll_ctl(2)'s, for want of memory.
func Allow(fd int, reads uint64) error { return number(C.seam_allow(C.int(fd), C.uint64_t(reads))) }

// Stop has libzmq begin no read any more, until [Allow] says so, and tells how often it has read.
// ok is false while a read is under way: then it is to be asked again.
func Stop(fd int) (reads uint64, ok bool) {
	var n C.uint64_t
	ok = C.seam_stop(C.int(fd), &n) != 0
	return uint64(n), ok
}

// Part takes a connection from libzmq that was stopped: to libzmq it has ended, and nothing is done
// to it. libzmq closes when its socket is told to, by an empty frame to the peer; what it has not written yet is lost.
func Part(fd int) { C.seam_part(C.int(fd)) }

// Sent is how many bytes libzmq has given to the kernel. ok is false when the kernel
// takes no more of them for good.
func Sent(fd int) (bytes uint64, ok bool) {
	n := uint64(C.seam_sent(C.int(fd)))
	return n, n != math.MaxUint64
}

// Await arranges for news when libzmq has given so many bytes to the kernel, or
// cannot any more. already: that is so now. A connection has one such count at a time.
func Await(fd int, bytes uint64) (already bool) {
	return C.seam_await(C.int(fd), C.uint64_t(bytes)) != 0
}

// End is how far a connection has come to its end.
type End struct {
	// Reads is how often libzmq has read from it, each time up to 8 KiB that became one message.
	Reads uint64
	// FIN: its far end has ended its sending, and libzmq, which has had all that came
	// before by those reads, is not told. Writing to it goes on.
	FIN bool
	// Gone: both ways have ended although libzmq was not to read it, so that nothing can be written
	// to it any more. Before FIN there may be something that is unread.
	Gone bool
	// Error: the end was none in order, a reset or what counts as one (ETIMEDOUT and its like);
	// over a unix socket its far end has closed with something unread.
	Error bool
}

// Ended tells how far a connection has come to its end. That it has come further is news,
// but for an Error that libzmq itself was told by reading: its notice of the end follows.
func Ended(fd int) End {
	s := C.seam_ended(C.int(fd))
	return End{Reads: uint64(s.reads), FIN: s.fin != 0, Gone: s.gone != 0, Error: s.error != 0}
}

// Sever ends both directions of a connection at once. libzmq finds that it has ended,
// announces it and closes, whatever is unread or unwritten. What is in the kernel still
// goes to the far end, and a FIN behind it.
func Sever(fd int) { C.seam_sever(C.int(fd), 0) }

// Reset is Sever by a reset: the far end is told of no FIN, and what it has not acknowledged
// is lost. A unix socket, which knows of no resets, is severed.
func Reset(fd int) { C.seam_sever(C.int(fd), 1) }

// Release says that the owner is done with a connection. It is closed when libzmq
// has closed it as well, and only then its number can become another's.
func Release(fd int) { C.seam_release(C.int(fd)) }

// News are connections for which an [Await] has come true, or that have come further to
// their end ([Ended]), in the front of fds. None of them has been released. While there are more, [Owner.Descriptor] is readable.
func (o *Owner) News(fds []int32) []int32 {
	n := C.seam_news(o.c, (*C.int)(unsafe.Pointer(unsafe.SliceData(fds))), C.int(len(fds)))
	return fds[:n]
}

// Followed is how many connections of all owners are followed at present.
func Followed() int64 { return int64(C.seam_followed()) }

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func number(errno C.int) error {
	if errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}
