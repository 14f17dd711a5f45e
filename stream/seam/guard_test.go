package seam

import (
	"errors"
	"math"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// routers are listeners of libzmq's, one on tcp and one on ipc.
type routers struct {
	addresses []address
}

// address makes a socket's address anew for each call, which writes into it.
type address func() syscall.Sockaddr

func newRouters(t *testing.T) *routers {
	t.Helper()
	ctx, err := zmq4.NewContext()
	must(t, err)
	t.Cleanup(func() { must(t, ctx.Term()) })
	path := filepath.Join(t.TempDir(), "s")
	r := &routers{}
	for _, endpoint := range []string{"tcp://127.0.0.1:*", "ipc://" + path} {
		socket, err := ctx.NewSocket(zmq4.ROUTER)
		must(t, err)
		t.Cleanup(func() { must(t, socket.Close()) })
		must(t, errors.Join(socket.SetLinger(0), socket.SetBacklog(4096), socket.Bind(endpoint)))
		last, err := socket.GetLastEndpoint()
		must(t, err)
		r.addresses = append(r.addresses, addressOf(t, last))
	}
	return r
}

func addressOf(t *testing.T, endpoint string) address {
	t.Helper()
	if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
		return func() syscall.Sockaddr { return &syscall.SockaddrUnix{Name: path} }
	}
	a, err := netip.ParseAddrPort(strings.TrimPrefix(endpoint, "tcp://"))
	must(t, err)
	return func() syscall.Sockaddr { return &syscall.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()} }
}

// crowd are sockets that are not connected yet, so that connecting takes no descriptor.
type crowd []int

func newCrowd(t *testing.T, to address, n int) crowd {
	t.Helper()
	family := syscall.AF_UNIX
	if _, ok := to().(*syscall.SockaddrInet4); ok {
		family = syscall.AF_INET
	}
	var c crowd
	for range n {
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: int64(patience / time.Second)}))
		c = append(c, fd)
	}
	t.Cleanup(c.close)
	return c
}

func (c crowd) close() {
	for i, fd := range c {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
		c[i] = -1
	}
}

// storm connects them, from several threads at once.
func (c crowd) storm(t *testing.T, to address) {
	t.Helper()
	const threads = 8
	var all sync.WaitGroup
	for from := range threads {
		all.Go(func() {
			for i := from; i < len(c); i += threads {
				if err := syscall.Connect(c[i], to()); err != nil {
					t.Errorf("connect: %v", err)
				}
			}
		})
	}
	all.Wait()
}

// greeted counts those that libzmq has greeted; the others must have been closed.
func (c crowd) greeted(t *testing.T) (n int) {
	t.Helper()
	for _, fd := range c {
		var b [64]byte
		got, err := syscall.Read(fd, b[:])
		switch {
		case got > 0:
			n++
		case errors.Is(err, syscall.EAGAIN):
			t.Fatalf("neither greeted nor closed within %v", patience)
		}
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// guard is Guard for the time of a test.
func guard(t *testing.T, most, last uint64) {
	t.Helper()
	must(t, Guard(most, last))
	t.Cleanup(func() { must(t, Guard(math.MaxUint64, math.MaxUint64)) })
}

// TestInForce fails where libzmq does not use the accept4 of this package: linked
// to another one, or built to prefer its own.
func TestInForce(t *testing.T) {
	r := newRouters(t)
	guard(t, 0, 0)
	for _, to := range r.addresses {
		before := Refused()
		c := newCrowd(t, to, 1)
		c.storm(t, to)
		if n := c.greeted(t); n != 0 || Refused() != before+1 {
			t.Fatalf("%T: libzmq does not accept by this package's accept4: %d greeted, %d refused. "+
				"Without it the proxy aborts when descriptors run out; link libzmq dynamically", to(), n, Refused()-before)
		}
	}
}

// isOpen says whether a descriptor has that number.
func isOpen(fd uint64) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// bound is a number below which so many are free.
func bound(room int) (n uint64) {
	for ; room > 0; n++ {
		if !isOpen(n) {
			room--
		}
	}
	return n
}

// above is a number that no descriptor has or exceeds.
func above() (n uint64) {
	for fd := range uint64(1 << 14) {
		if isOpen(fd) {
			n = fd + 1
		}
	}
	return n
}

// TestStorm has two thousand connect as fast as they can: exactly those for whom
// there is a number below the bound are let in.
func TestStorm(t *testing.T) {
	const storm, room = 2000, 100
	r := newRouters(t)
	for _, to := range r.addresses {
		c := newCrowd(t, to, storm)
		before := Refused()
		guard(t, bound(room), math.MaxUint64)
		c.storm(t, to)
		if n := c.greeted(t); n != room || Refused()-before != storm-room {
			t.Errorf("%T: %d greeted and %d refused of %d, there was room for %d", to(), n, Refused()-before, storm, room)
		}
	}
}

// TestFavoured has a favoured listener accept where the others do not, until it is
// closed: its number, which is the next listener's, has no favour then.
func TestFavoured(t *testing.T) {
	guard(t, 0, math.MaxUint64)
	for _, favoured := range []bool{true, false} {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		must(t, err)
		if favoured {
			must(t, Favour(fd))
		}
		endpoint := "ipc://" + filepath.Join(t.TempDir(), "s")
		to := addressOf(t, endpoint)
		must(t, errors.Join(syscall.Bind(fd, to()), syscall.Listen(fd, 10)))
		ctx, err := zmq4.NewContext()
		must(t, err)
		socket, err := ctx.NewSocket(zmq4.ROUTER)
		must(t, err)
		must(t, errors.Join(socket.SetUseFd(fd), socket.Bind(endpoint)))
		c := newCrowd(t, to, 1)
		c.storm(t, to)
		if n := c.greeted(t); (n == 1) != favoured {
			t.Errorf("%d greeted by descriptor %d, favoured: %v", n, fd, favoured)
		}
		c.close()
		must(t, errors.Join(socket.Close(), ctx.Term()))
	}
}

// exhaust takes every descriptor that is left, below a limit that is near and
// behind a bound that is a little nearer.
func exhaust(t *testing.T) (taken crowd, restore func()) {
	t.Helper()
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	limit := above() + 20
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: before.Max}))
	restore = sync.OnceFunc(func() {
		taken.close()
		must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
	})
	t.Cleanup(restore)
	guard(t, limit-10, limit-10)
	for {
		fd, err := syscall.Dup(0)
		if errors.Is(err, syscall.EMFILE) {
			return taken, restore
		}
		must(t, err)
		taken = append(taken, fd)
	}
}

// TestNoneLeft has crowds come when no descriptor is free at all: all are closed,
// and the spare one is there again for the second.
func TestNoneLeft(t *testing.T) {
	const storm = 300
	r := newRouters(t)
	for _, to := range r.addresses {
		crowds := []crowd{newCrowd(t, to, storm), newCrowd(t, to, storm)}
		later := newCrowd(t, to, 1)
		_, restore := exhaust(t)
		for _, c := range crowds {
			before := Refused()
			c.storm(t, to)
			if n := c.greeted(t); n != 0 || Refused()-before != storm {
				t.Errorf("%T: %d greeted and %d refused of %d, where no descriptor was left", to(), n, Refused()-before, storm)
			}
		}
		restore()
		later.storm(t, to)
		if n := later.greeted(t); n != 1 {
			t.Errorf("%T: %d greeted of one when there was room again", to(), n)
		}
	}
}

// TestRival has another thread take the place of the spare descriptor whenever it
// is fast enough: still all are closed, and the spare one comes back.
func TestRival(t *testing.T) {
	const storm = 100
	r := newRouters(t)
	for _, to := range r.addresses {
		crowds := []crowd{newCrowd(t, to, storm), newCrowd(t, to, storm)}
		_, restore := exhaust(t)
		stopRival := startRival()
		t.Cleanup(stopRival)
		for i, c := range crowds {
			c.storm(t, to)
			if n := c.greeted(t); n != 0 {
				t.Errorf("%T: %d greeted where no descriptor was left", to(), n)
			}
			if i == 0 {
				stopRival()
			}
		}
		restore()
	}
}

// startRival fights for the one descriptor that may become free.
func startRival() (stop func()) {
	stopping := make(chan struct{})
	var rival sync.WaitGroup
	rival.Go(func() {
		for {
			select {
			case <-stopping:
				return
			default:
			}
			if fd, err := syscall.Dup(0); err == nil {
				_ = syscall.Close(fd)
			}
		}
	})
	return sync.OnceFunc(func() { close(stopping); rival.Wait() })
}
