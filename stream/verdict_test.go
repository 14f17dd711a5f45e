package stream

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
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
		{[]error{unix.EADDRNOTAVAIL}, unix.EADDRNOTAVAIL, false},
	} {
		x := &dial{}
		for i, err := range c.failures {
			to := sockets.At(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}), 1))
			x.failed(to, os.NewSyscallError("connect", err))
		}
		if !errors.Is(x.err, c.want) || isWant(x.err) != c.ours {
			t.Errorf("%v: failed by %v, want %v", c.failures, x.err, c.want)
		}
	}
}
