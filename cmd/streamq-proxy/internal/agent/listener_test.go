package agent

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
			for name, look := range map[string]func(netip.AddrPort) (uint64, error){"sock_diag": askKernel, "proc": listensAt} {
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

// TestStrangeAnswers: no answer to the question for a listener is taken for more than it says.
func TestStrangeAnswers(t *testing.T) {
	for _, answer := range [][]byte{nil, make([]byte, 15), make([]byte, 16), {36, 0, 0, 0, 20, 0, 15: 0, 40: 1}, {20, 0, 0, 0, 2, 0, 15: 0, 17: 0}} {
		if inode, err := diagInodeOf(answer); err == nil || inode != 0 {
			t.Errorf("of %v: %d, %v", answer, inode, err)
		}
	}
}
