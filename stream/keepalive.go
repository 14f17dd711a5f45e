package stream

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
)

// Bounds of [KeepAlive] and of Config.UserTimeout: the kernel's own (tcp(7), and
// MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL and MAX_TCP_KEEPCNT of linux/tcp.h).
const (
	MaxKeepAlive      = 32767 * time.Second
	MaxKeepAliveCount = 127
	MaxUserTimeout    = math.MaxInt32 * time.Millisecond
)

// KeepAlive is how the kernel finds out that the other end of a silent TCP
// connection has gone without a word: after Idle without anything from it, it is
// probed every Interval, and after Count probes without an answer the connection
// ends as if it had been reset. A connection on which bytes of ours are not
// acknowledged yet is not silent: see Config.UserTimeout.
//
// The kernel counts in whole seconds.
type KeepAlive struct {
	Idle     time.Duration // 0: no probes, and the rest does not matter; else 1 s to MaxKeepAlive
	Interval time.Duration // 1 s to MaxKeepAlive
	Count    int           // 1 to MaxKeepAliveCount
}

// Probes is how many probes have gone without an answer when a connection ends:
// Count, or with a Config.UserTimeout as many as reach beyond that (tcp(7)).
func (k KeepAlive) Probes(userTimeout time.Duration) int {
	if userTimeout == 0 || k.Idle == 0 {
		return k.Count
	}
	return max(1, int((userTimeout-k.Idle+k.Interval-1)/k.Interval))
}

// Found is after how long a silent connection to nobody has ended, 0 for never.
func (k KeepAlive) Found(userTimeout time.Duration) time.Duration {
	if k.Idle == 0 {
		return 0
	}
	return k.Idle + time.Duration(k.Probes(userTimeout))*k.Interval
}

// CheckKeepAliveIdle says what is wrong with a KeepAlive.Idle.
func CheckKeepAliveIdle(d time.Duration) error {
	if d == 0 {
		return nil
	}
	if err := CheckKeepAliveInterval(d); err != nil {
		return fmt.Errorf("%w, or 0 for no probes", err)
	}
	return nil
}

// CheckKeepAliveInterval says what is wrong with a KeepAlive.Interval.
func CheckKeepAliveInterval(d time.Duration) error {
	if d < time.Second || d > MaxKeepAlive || d%time.Second != 0 {
		return fmt.Errorf("%v is not in whole seconds from 1s to %v", d, MaxKeepAlive)
	}
	return nil
}

// CheckUserTimeout says what is wrong with a Config.UserTimeout.
func CheckUserTimeout(d time.Duration) error {
	if d < 0 || d > MaxUserTimeout || d%time.Millisecond != 0 {
		return fmt.Errorf("%v is not in whole milliseconds from 0s to %v", d, MaxUserTimeout)
	}
	return nil
}

func (c *Config) checkKeepAlive() (errs []error) {
	if err := CheckUserTimeout(c.UserTimeout); err != nil {
		errs = append(errs, fmt.Errorf("user-timeout: %w", err))
	}
	k := c.KeepAlive
	if k.Idle == 0 {
		return errs
	}
	if err := CheckKeepAliveIdle(k.Idle); err != nil {
		errs = append(errs, fmt.Errorf("keepalive-idle: %w", err))
	}
	if err := CheckKeepAliveInterval(k.Interval); err != nil {
		errs = append(errs, fmt.Errorf("keepalive-interval: %w", err))
	}
	if k.Count < 1 || k.Count > MaxKeepAliveCount {
		errs = append(errs, fmt.Errorf("keepalive-count: %d is not from 1 to %d", k.Count, MaxKeepAliveCount))
	}
	return errs
}

// keep sets the options on a TCP connection, or on a listener, from which those
// that it accepts have them (tcp(7)).
func keep(fd int, k KeepAlive, userTimeout time.Duration) error {
	var err error
	if userTimeout > 0 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout/time.Millisecond))
	}
	if k.Idle == 0 {
		return err
	}
	return errors.Join(err, sockets.KeepAlive(fd, k.Idle, k.Interval, k.Count))
}
