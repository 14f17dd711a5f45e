package stream

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// accepted is a connection as whoever accepted it has it.
func accepted(t *testing.T, network, address string) (fd int, at string) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err) // a machine without IPv6
	}
	t.Cleanup(func() { _ = l.Close() })
	far, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	raw, err := near.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd, l.Addr().String()
}

// libzmq writes an IPv4 address of a listener that speaks IPv6, too, as a mapped
// one, and a link-local address with its zone, which the kernel tells apart.
func TestAccepted(t *testing.T) {
	for name, tc := range map[string]struct{ network, address, from, to string }{
		"IPv4":      {"tcp4", "127.0.0.1:0", "", "tcp://"},
		"mapped":    {"tcp4", "127.0.0.1:0", "127.0.0.1", "tcp://[::ffff:127.0.0.1]"},
		"IPv6":      {"tcp6", "[::1]:0", "", "tcp://"},
		"with zone": {"tcp6", "[::1]:0", "[::1]", "tcp://[::1%lo]"},
		"ipc":       {"unix", filepath.Join(t.TempDir(), "s"), "", "ipc://"},
	} {
		t.Run(name, func(t *testing.T) {
			fd, at := accepted(t, tc.network, tc.address)
			endpoint := strings.Replace(at, tc.from, tc.to, 1)
			id, _, ok := Accepted(fd, endpoint)
			if !ok || id == 0 {
				t.Fatalf("%s is another connection's: %v, cookie %d", endpoint, !ok, id)
			}
			if _, _, ok := Accepted(fd, endpoint+"1"); ok {
				t.Error("it is taken for another endpoint's")
			}
			if Sever(fd, id+1) {
				t.Error("another connection's cookie ends it")
			}
			if !Sever(fd, id) {
				t.Error("its own cookie does not end it")
			}
		})
	}
}
