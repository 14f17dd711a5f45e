package splice

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never block: the sockets and pipes are non-blocking. So Go's
// scheduler, which would be told of each that a thread may be gone for a while,
// is left out of it.

func read(fd int32, data []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	return int(n), errno
}

func write(fd int32, data []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	return int(n), errno
}

// splice moves up to n bytes; one of the descriptors is a pipe (splice(2)).
func splice(from, to int32, n int) (int, unix.Errno) {
	m, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	return int(m), errno
}
