package agent

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockdiag"
)

// TestListener: the socket of a worker is found by both ways to ask for it, whatever of this machine's addresses it listens at, and is
// gone when it is closed, also when another listens there.
func TestListener(t *testing.T) {
	for _, c := range []struct{ listens, dialled string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"0.0.0.0:0", "127.0.0.1"}, {"[::]:0", "127.0.0.1"}, {"[::]:0", "::1"}, {"[::1]:0", "::1"},
	} {
		t.Run(c.listens+" "+c.dialled, func(t *testing.T) {
			l, err := net.Listen("tcp", c.listens)
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
				t.Skip("no IPv6 here: ", err)
			}
			must(t, err)
			port := netip.MustParseAddrPort(l.Addr().String()).Port()
			at := netip.AddrPortFrom(netip.MustParseAddr(c.dialled), port)
			want := inodeOf(t, l.(*net.TCPListener))
			for name, look := range map[string]func(netip.AddrPort) (uint64, error){"sock_diag": sockdiag.Listener, "proc": listensAt} {
				if inode, err := look(at); err != nil || inode != want {
					t.Errorf("%s: inode %d, %v, want %d", name, inode, err, want)
				}
			}
			conn, err := net.Dial("tcp", at.String())
			must(t, err)
			seen := listenerOf(conn)
			if seen.inode != want || seen.gone() {
				t.Errorf("it is %+v, gone %t", seen, seen.gone())
			}
			must(t, l.Close())
			if !seen.gone() { // although its connection is still there
				t.Error("it is not gone when it is closed")
			}
			if inode, err := listensAt(at); err != nil || inode != 0 {
				t.Errorf("proc: inode %d, %v", inode, err)
			}
			must(t, conn.Close())
			listen(t, at.String(), nil)
			if !seen.gone() {
				t.Error("another socket is taken for it")
			}
		})
	}
}

func inodeOf(t *testing.T, l *net.TCPListener) uint64 {
	t.Helper()
	raw, err := l.SyscallConn()
	must(t, err)
	var stat unix.Stat_t
	must(t, raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &stat) }))
	must(t, err)
	return stat.Ino
}
