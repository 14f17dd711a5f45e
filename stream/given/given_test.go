package given

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func socket(t *testing.T, domain, kind int, at unix.Sockaddr, listens bool) *os.File {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil && at != nil {
		err = unix.Bind(fd, at)
	}
	if err == nil && listens {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "listener")
}

func portOf(t *testing.T, f *os.File) uint16 {
	t.Helper()
	at, err := unix.Getsockname(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return addrPort(at).Port()
}

// TestTaken: each is taken once, by who listens at its address and nobody else.
func TestTaken(t *testing.T) {
	dir := t.TempDir()
	path, gone := filepath.Join(dir, "here"), filepath.Join(dir, "gone")
	four := socket(t, unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, true)
	shut := socket(t, unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}}, false)
	any4 := socket(t, unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{}, true)
	any6 := socket(t, unix.AF_INET6, unix.SOCK_STREAM, &unix.SockaddrInet6{}, true)
	ports := [4]uint16{portOf(t, four), portOf(t, shut), portOf(t, any4), portOf(t, any6)}
	l, err := Of([]*os.File{
		four, shut, any4, any6,
		socket(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: path}, true),
		socket(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: gone}, true),
		socket(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: "@given" + dir}, true),
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	tcp := func(host string, port uint16) func() (int, bool) {
		ip, _ := netip.ParseAddr(host)
		return func() (int, bool) { return l.TCP(netip.AddrPortFrom(ip, port)) }
	}
	file := func(path string) func() (int, bool) { return func() (int, bool) { return l.Unix(path) } }
	for _, c := range []struct {
		name  string
		take  func() (int, bool)
		found bool
	}{
		{"another address", tcp("127.0.0.2", ports[0]), false},
		{"a name for all", tcp("", ports[0]), false},
		{"no port", tcp("127.0.0.1", 0), false},
		{"its address", tcp("127.0.0.1", ports[0]), true},
		{"once more", tcp("127.0.0.1", ports[0]), false},
		{"mapped, and shut", tcp("::ffff:127.0.0.2", ports[1]), true},
		{"one of all", tcp("127.0.0.1", ports[2]), false},
		{"all of IPv4", tcp("", ports[2]), true},
		{"all of both", tcp("", ports[3]), true},
		{"a path", file(path), true},
		{"a path that is gone", file(gone), false},
		{"an abstract name", file("@given" + dir), true},
		{"another", file("@other"), false},
	} {
		fd, found := c.take()
		if found != c.found {
			t.Errorf("%s: found is %v", c.name, found)
		}
		if !found {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: it blocks: %v", c.name, err)
		}
		_ = unix.Close(fd)
	}
	if left := l.Close(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

func TestLeft(t *testing.T) {
	f := socket(t, unix.AF_INET6, unix.SOCK_STREAM, &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}, true)
	want := "tcp://" + netip.AddrPortFrom(netip.IPv6Loopback(), portOf(t, f)).String()
	l, err := Of([]*os.File{f}, true)
	if err != nil || !l.Stores() {
		t.Fatal(err)
	}
	if left := l.Close(); !slices.Equal(left, []string{want}) {
		t.Errorf("left is %v, not %s", left, want)
	}
	var none *Listeners
	if _, found := none.TCP(netip.AddrPort{}); found || none.Stores() || none.HasUnix("/") || none.Close() != nil {
		t.Error("none is some")
	}
}

// TestNoListener: what is no listener is refused, and named.
func TestNoListener(t *testing.T) {
	for name, f := range map[string]*os.File{
		"datagrams":           socket(t, unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{}, false),
		"not bound":           socket(t, unix.AF_INET, unix.SOCK_STREAM, nil, false),
		"nobody's":            socket(t, unix.AF_UNIX, unix.SOCK_STREAM, nil, false),
		"not a unix listener": socket(t, unix.AF_UNIX, unix.SOCK_STREAM, &unix.SockaddrUnix{Name: "@" + t.TempDir()}, false),
	} {
		if _, err := Of([]*os.File{f}, false); !errors.Is(err, ErrNoListener) {
			t.Errorf("%s: %v", name, err)
		}
		_ = f.Close()
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Of([]*os.File{f}, false); !errors.Is(err, ErrNoListener) {
		t.Errorf("a file: %v", err)
	}
}
