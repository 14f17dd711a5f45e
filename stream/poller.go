package stream

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// token comes back with an event: a peer's id, or one of the loop's own below.
type token uint64

const (
	wakeToken token = iota
	frontendToken
	backendToken
	newsToken // of package seam
)

// What a poller watches for.
const (
	pollIn  = unix.EPOLLIN | unix.EPOLLRDHUP
	pollOut = unix.EPOLLOUT
	// pollLeave tells that the other side has ended, whatever is unread, and once.
	pollLeave = unix.EPOLLRDHUP | unix.EPOLLET&math.MaxUint32
	// pollError is told of without being asked for.
	pollError = unix.EPOLLERR
	// pollFail tells of what is told unasked, and once.
	pollFail = unix.EPOLLET & math.MaxUint32
)

// poller is an epoll instance (epoll(7)). libzmq's own poller takes no plain
// descriptors through the binding, which takes less than a millisecond for none.
type poller struct {
	fd     int
	events []unix.EpollEvent
	coarse bool // the kernel counts in milliseconds only
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &poller{fd: fd, events: make([]unix.EpollEvent, 256)}, nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

func epollEvent(mask uint32, t token) *unix.EpollEvent {
	return &unix.EpollEvent{Events: mask, Fd: int32(uint32(t)), Pad: int32(uint32(t >> 32))}
}

func tokenOf(e *unix.EpollEvent) token { return token(uint32(e.Pad))<<32 | token(uint32(e.Fd)) }

func (p *poller) add(fd int, mask uint32, t token) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, epollEvent(mask, t))
}

func (p *poller) modify(fd int, mask uint32, t token) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, epollEvent(mask, t))
}

// remove must come before the descriptor is closed: a duplicate elsewhere
// would keep the registration alive.
func (p *poller) remove(fd int) { _ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// wait returns what is ready, at the latest after the given time; for ever if it
// is negative. Longer than a millisecond, or on a coarse kernel longer than nothing,
// is rounded up to whole ones. The slice is valid until the next call.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	var n int
	var err error
	if timeout > 0 && timeout < time.Millisecond && !p.coarse {
		n, err = p.waitMoment(timeout)
	} else {
		n, err = unix.EpollWait(p.fd, p.events, milliseconds(timeout))
	}
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll_wait: %w", err)
	}
	return p.events[:n], nil
}

// milliseconds is a timeout as epoll_wait(2) wants it.
func milliseconds(timeout time.Duration) int {
	if timeout < 0 {
		return -1
	}
	return int(min((timeout+time.Millisecond-1)/time.Millisecond, time.Hour/time.Millisecond))
}

// waitMoment waits for less than a millisecond (epoll_pwait2(2)), if the kernel can.
func (p *poller) waitMoment(timeout time.Duration) (int, error) {
	ts := unix.NsecToTimespec(timeout.Nanoseconds())
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p.events))), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.ENOSYS, unix.EPERM: // before Linux 5.11; of a container's filter that does not know it
		p.coarse = true
		return unix.EpollWait(p.fd, p.events, milliseconds(timeout))
	}
	return 0, errno
}

// waker interrupts a poller from any goroutine (eventfd(2)). It goes through an
// os.File, which makes waking safe against a close at the same time.
type waker struct {
	file *os.File
	fd   int
}

func newWaker() (*waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &waker{file: os.NewFile(uintptr(fd), "eventfd"), fd: fd}, nil
}

func (w *waker) wake() {
	one := [8]byte{1}
	_, _ = w.file.Write(one[:]) // closed: the loop has ended
}

func (w *waker) reset() {
	var count [8]byte
	_, _ = unix.Read(w.fd, count[:])
}

func (w *waker) close() { _ = w.file.Close() }
