package agent

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/splice"
)

// errOther is of a worker whose signature is another than the proxy was shown.
var errOther = errors.New("its signature is another than the slot has shown")

// serve dials the worker for the client that has come, and brings the two together
// until they have ended. It closes the slot.
func (s *slot) serve(first []byte) {
	a := s.agent
	ctx, cancel := context.WithTimeout(a.life, dialTimeout)
	defer cancel()
	from, err := a.cfg.Addresses.take(s.conn.LocalAddr().String())
	if err != nil {
		_ = s.conn.Close()
		a.refused(err)
		return
	}
	defer a.cfg.Addresses.release(from)
	worker, sign, err := a.reach(ctx, from)
	if err == nil && *sign != *s.shown {
		_ = worker.Close()
		a.figures.otherSignature.Add(1)
		err = errOther
	}
	if err != nil {
		_ = s.conn.Close()
		if a.life.Err() == nil {
			a.figures.workerFailed.Add(1)
			a.lost(s.shown, err)
		}
		return
	}
	client, err := take(s.conn)
	if err != nil {
		_ = worker.Close()
		a.cfg.Log.Error("cannot take a connection", "error", err)
		return
	}
	defer shut(client)
	server, err := take(worker)
	if err != nil {
		a.cfg.Log.Error("cannot take a connection", "error", err)
		return
	}
	defer shut(server)
	a.unaddressed.Store(false)
	a.figures.served.Add(1)
	a.figures.pairs.Add(1)
	defer a.figures.pairs.Add(-1)
	a.relayed(client, server, first)
}

// refused notes a client for whom there was no address. Of failures in a row the first is logged.
func (a *Agent) refused(err error) {
	a.figures.unaddressed.Add(1)
	if !a.unaddressed.Swap(true) {
		a.cfg.Log.Warn("a client is refused", "error", err)
	}
}

// take has a connection out of Go's poller, as a descriptor of our own, which is
// non-blocking as the connection was; (*net.TCPConn).File would change that for both.
func take(conn net.Conn) (fd int, err error) {
	defer func() { _ = conn.Close() }() // not the socket's last descriptor
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	control := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(control, err)
}

// shut closes a descriptor of ours; there is nothing to be done about an error.
func shut(fd int) { _ = unix.Close(fd) }

// relayed moves the bytes of a client and a worker until both have ended, the
// client's first before all else.
func (a *Agent) relayed(client, server int, first []byte) {
	news := make(chan struct{}, 1)
	notify := func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	pair, err := a.relay.Start(client, server, [2][]byte{first}, splice.End{}, &a.passed, notify)
	if err != nil {
		a.cfg.Log.Error("cannot relay a pair", "error", err)
		return
	}
	defer pair.Stop()
	var half <-chan time.Time
	for end := pair.End(); !end.Over; end = pair.End() {
		if end.Begun && half == nil {
			t := time.NewTicker(halfTimeout / 4)
			defer t.Stop()
			half = t.C
		}
		select {
		case <-news:
		case <-half:
			if pair.Idle() > halfTimeout {
				return
			}
		case <-a.life.Done():
			a.figures.pairsAbandoned.Add(1)
			return
		}
	}
	if end := pair.End(); end.Abort {
		rest := pair.Stop()
		a.reset([2]int{client, server}[1-end.Gone], rest[end.Gone])
	}
}

// reset passes a reset on, behind what the side has not received yet.
func (a *Agent) reset(fd int, rest []byte) {
	deadline := time.Now().Add(flushTimeout)
	for time.Now().Before(deadline) && a.life.Err() == nil {
		if len(rest) > 0 {
			n, err := unix.SendmsgN(fd, rest, nil, nil, unix.MSG_NOSIGNAL)
			if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
				break
			}
			rest = rest[max(0, n):]
		}
		if queued, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ); len(rest) == 0 && (err != nil || queued == 0) {
			break
		}
		time.Sleep(10 * time.Millisecond) // the kernel tells nobody when it is acknowledged
	}
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}
