package sockets

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never block: the sockets are non-blocking, and none lingers. So Go's
// scheduler, which would be told of each that a thread may be gone for a while, is
// left out of it.

// Read is read(2).
func Read(fd int, data []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	return result(n, errno)
}

// Write is write(2).
func Write(fd int, data []byte) (int, error) {
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

// SendFIN ends our side after what the kernel already has; reading goes on.
func SendFIN(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

// NoDelay has small pieces sent at once (tcp(7), TCP_NODELAY).
func NoDelay(fd int) error {
	one := int32(1)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&one)), 4, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// DropUnsent has the last close of the connection send an RST and free what the
// kernel still holds for a peer that does not take it (socket(7), SO_LINGER).
func DropUnsent(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// Close is close(2), of no descriptor where fd is negative.
func Close(fd int) {
	if fd >= 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	}
}
