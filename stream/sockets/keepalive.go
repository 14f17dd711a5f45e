package sockets

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// KeepAlive has the kernel ask whether the other end of a TCP connection, or of those that a listener
// accepts, is still there (tcp(7)): after idle without a byte from it, then every interval, count times before the
// connection ends. Of the times whole seconds count, 1 to 32767; of count 1 to 127.
func KeepAlive(fd int, idle, interval time.Duration, count int) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(idle/time.Second)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(interval/time.Second)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, count),
	)
}
