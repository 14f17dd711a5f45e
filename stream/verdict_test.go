package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Of several failures the one that tells most of the worker decides, whichever came first.
func TestVerdict(t *testing.T) {
	refused, mute, full := error(unix.ECONNREFUSED), os.ErrDeadlineExceeded, error(unix.EAGAIN)
	for _, c := range []struct {
		failures []error
		want     error
		ours     bool
	}{
		{[]error{refused}, refused, false},
		{[]error{refused, mute}, refused, false},
		{[]error{mute, refused}, mute, false},
		{[]error{full}, full, false},
		{[]error{full, full, refused}, refused, false}, // a listener that has gone since
		{[]error{refused, full}, refused, false},
		{[]error{unix.EMFILE}, unix.EMFILE, true},
		{[]error{unix.ENOMEM, unix.EMFILE}, unix.ENOMEM, true},
		{[]error{unix.ENOBUFS, refused}, refused, false},
		{[]error{refused, unix.ENFILE}, refused, false},
		{[]error{unix.ENOSPC, unix.ENOSPC, mute}, mute, false},
		{[]error{mute, unix.ENOSPC, refused}, mute, false},
		{[]error{unix.ENOMEM, full}, full, false},
		{[]error{errNoPort, unix.EHOSTUNREACH}, unix.EHOSTUNREACH, false},
		{[]error{errNoPort, errNoPort}, errNoPort, true},
	} {
		x := &dial{}
		for i, err := range c.failures {
			to := remote{address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}), 1)}
			x.failed(to, os.NewSyscallError("connect", err))
		}
		if !errors.Is(x.err, c.want) || isWant(x.err) != c.ours {
			t.Errorf("%v: failed by %v, want %v", c.failures, x.err, c.want)
		}
	}
}

// That no port is free is our want; that this machine has no address of the
// worker's family is not.
func TestDialWithoutPort(t *testing.T) {
	inNetwork(t, func() error {
		if err := setKernel("net/ipv4/ip_local_port_range", "40000 40000"); err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 5000}
		if err := errors.Join(unix.Bind(fd, at), unix.Listen(fd, 8)); err != nil {
			return err
		}
		worker := remote{address: ownEndpoint(fd)}
		first, connected, err := worker.connect()
		if !connected {
			return fmt.Errorf("not connected: %w", err)
		}
		defer closeDescriptor(first)
		if _, _, err := worker.connect(); !errors.Is(err, errNoPort) || !isWant(err) {
			t.Errorf("without a port: %v", err)
		}
		if err := setKernel("net/ipv6/conf/lo/disable_ipv6", "1"); err != nil {
			return err
		}
		if _, _, err := (remote{address: netip.MustParseAddrPort("[::1]:5000")}).connect(); !errors.Is(err, unix.EADDRNOTAVAIL) || isWant(err) {
			t.Errorf("without IPv6: %v", err)
		}
		return nil
	})
}

// inNetwork runs f in a network namespace of its own, in which there is loopback.
func inNetwork(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends here
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- unsupported(err)
			return
		}
		done <- errors.Join(loopbackUp(), f())
	}()
	if err := <-done; errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("a network namespace is needed: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func unsupported(err error) error { return fmt.Errorf("%w: %w", errors.ErrUnsupported, err) }

// setKernel sets what sysctl(8) would, in the network namespace of this thread.
func setKernel(name, value string) error {
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
		return unsupported(err)
	}
	return nil
}

// loopbackUp turns lo on (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
