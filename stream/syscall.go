package stream

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never block: the sockets are non-blocking, and none lingers. So Go's
// scheduler, which would be told of each that a thread may be gone for a while, is
// left out of it.

// readSocket is read(2).
func readSocket(fd int, data []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	return result(n, errno)
}

// writeSocket is write(2).
func writeSocket(fd int, data []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	return result(n, errno)
}

func result(n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN: // without an allocation
		return 0, unix.EAGAIN
	}
	return 0, errno
}

// sendFIN ends our side after what the kernel already has; reading goes on.
func sendFIN(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

// noDelay has small pieces sent at once (tcp(7), TCP_NODELAY).
func noDelay(fd int) error {
	one := int32(1)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&one)), 4, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func closeDescriptor(fd int) {
	if fd >= 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	}
}
