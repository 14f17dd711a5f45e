package seam_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/seam"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// isOpen says whether a descriptor has that number.
func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// door is a STREAM socket of libzmq's with one listener that an owner follows.
type door struct {
	owner     *seam.Owner
	socket    *zmq4.Socket
	listener  int
	to        unix.Sockaddr
	closed    bool // the owner and the socket are
	ownerless bool // the owner is
}

// newDoor makes one on tcp or unix.
func newDoor(t *testing.T, network string, take bool, reads uint64) *door {
	t.Helper()
	ctx, err := zmq4.NewContext()
	must(t, err)
	d := &door{}
	d.owner, err = seam.NewOwner()
	must(t, err)
	var at unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	family, endpoint := unix.AF_INET, "tcp://127.0.0.1:0"
	if network == "unix" {
		path := filepath.Join(t.TempDir(), "s")
		at, family, endpoint = &unix.SockaddrUnix{Name: path}, unix.AF_UNIX, "ipc://"+path
	}
	d.listener, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	must(t, unix.SetsockoptInt(d.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	must(t, errors.Join(unix.Bind(d.listener, at), unix.Listen(d.listener, 1024)))
	d.to, err = unix.Getsockname(d.listener)
	must(t, err)
	must(t, d.owner.Listen(d.listener, take, reads))
	d.socket, err = ctx.NewSocket(zmq4.STREAM)
	must(t, err)
	must(t, errors.Join(
		d.socket.SetLinger(0), d.socket.SetRcvhwm(0), d.socket.SetSndhwm(0),
		d.socket.SetUseFd(d.listener), d.socket.Bind(endpoint)))
	t.Cleanup(func() {
		if !d.closed {
			must(t, d.socket.Close())
		}
		if !d.closed && !d.ownerless {
			d.owner.Close()
		}
		must(t, ctx.Term())
		for end := time.Now().Add(patience); seam.Followed() != 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if n := seam.Followed(); n != 0 {
			t.Errorf("%d connections are followed after the end", n)
		}
	})
	return d
}

// connect makes a connection whose reading waits for no longer than patience.
func (d *door) connect(t *testing.T) int {
	t.Helper()
	fd, err := d.tryConnect(t)
	must(t, err)
	return fd
}

func (d *door) tryConnect(t *testing.T) (int, error) {
	t.Helper()
	family := unix.AF_INET
	if _, ok := d.to.(*unix.SockaddrUnix); ok {
		family = unix.AF_UNIX
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit))
	if err := unix.Connect(fd, again(d.to)); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// again is a copy: every call that an address is given to writes into it.
func again(a unix.Sockaddr) unix.Sockaddr {
	if in, ok := a.(*unix.SockaddrInet4); ok {
		return &unix.SockaddrInet4{Port: in.Port, Addr: in.Addr}
	}
	return &unix.SockaddrUnix{Name: a.(*unix.SockaddrUnix).Name}
}

// heard is a message of the socket: of which peer, on which descriptor, what; an
// empty text is a notice.
type heard struct {
	peer, text string
	fd         int
	ok         bool
}

// hear receives the next message, for at most a time.
func (d *door) hear(t *testing.T, limit time.Duration) (h heard) {
	t.Helper()
	must(t, d.socket.SetRcvtimeo(limit))
	parts, meta, err := d.socket.RecvMessageWithMetadata(0, "__fd")
	if err != nil {
		if zmq4.AsErrno(err) == zmq4.Errno(unix.EAGAIN) {
			return heard{}
		}
		t.Fatal(err)
	}
	fd, err := strconv.Atoi(meta["__fd"])
	if err != nil {
		t.Fatalf("no descriptor in %q: %v", parts, err)
	}
	return heard{parts[0], parts[1], fd, true}
}

// born is the notice of a connection, which must come now.
func (d *door) born(t *testing.T) (h heard, b seam.Birth) {
	t.Helper()
	h = d.hear(t, patience)
	if !h.ok || h.text != "" {
		t.Fatalf("%+v, want the notice of a connection", h)
	}
	b, err := d.owner.Claim(h.fd)
	must(t, err)
	return h, b
}

// news waits until there is some.
func (d *door) news(t *testing.T) []int32 {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(d.owner.Descriptor()), Events: unix.POLLIN}}, 100)
		if ready > 0 {
			return d.owner.News(make([]int32, 8))
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
	t.Fatalf("no news within %v", patience)
	return nil
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// nameOf is a connecting socket's own address; the zero value on unix.
func nameOf(t *testing.T, fd int) netip.AddrPort {
	t.Helper()
	name, err := unix.Getsockname(fd)
	must(t, err)
	if in, ok := name.(*unix.SockaddrInet4); ok {
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
	}
	return netip.AddrPort{}
}
