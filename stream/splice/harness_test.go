package splice

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// networks are those that a pair's sockets come from in the tests.
var networks = []string{"tcp4", "tcp6", "unix"}

// outerConn is the end of a connection that a peer has.
type outerConn interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// source hands out connections of one network.
type source struct {
	listener net.Listener
	serial   chan struct{} // dialling and accepting belong together
}

func newSource(t testing.TB, network string) *source {
	t.Helper()
	address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil && network == "tcp6" {
		t.Skip("no IPv6 here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &source{l, make(chan struct{}, 1)}
}

// connect makes a connection: one end, and the descriptor of the other.
func (s *source) connect() (outerConn, int, error) {
	s.serial <- struct{}{}
	defer func() { <-s.serial }()
	address := s.listener.Addr()
	c, err := net.Dial(address.Network(), address.String())
	if err != nil {
		return nil, -1, err
	}
	accepted, err := s.listener.Accept()
	if err != nil {
		_ = c.Close()
		return nil, -1, err
	}
	defer accepted.Close()
	fd, err := duplicate(accepted.(syscall.Conn))
	if err != nil {
		_ = c.Close()
		return nil, -1, err
	}
	return c.(outerConn), fd, nil
}

// duplicate is a descriptor of a connection that Go's poller knows nothing of.
func duplicate(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if e := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, e
	}
	return fd, err
}

// ends is a pair before it is started, and the ends that its two peers have.
type ends struct {
	outer  [2]outerConn
	inner  [2]int
	passed [2]Counters
	told   atomic.Int32
	pair   *Pair
}

func (s *source) ends(t testing.TB) *ends {
	t.Helper()
	e := &ends{}
	for i := range e.outer {
		var err error
		if e.outer[i], e.inner[i], err = s.connect(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(e.close)
	return e
}

func (e *ends) start(t testing.TB, r *Relay) {
	t.Helper()
	var err error
	if e.pair, err = r.Start(e.inner[0], e.inner[1], [2][]byte{}, End{}, &e.passed, toldOf(func() { e.told.Add(1) })); err != nil {
		t.Fatal(err)
	}
}

// close ends what is left: the pair, and all four descriptors.
func (e *ends) close() {
	if e.pair != nil {
		e.pair.Stop()
	}
	for i := range e.inner {
		_ = e.outer[i].Close()
		if e.inner[i] >= 0 {
			_ = unix.Close(e.inner[i])
			e.inner[i] = -1
		}
	}
}

// reset has a side's peer go away by a reset, by whichever means its network has.
func (e *ends) reset(side int) { resetConn(e.outer[side]) }

// resetConn closes so that the other end learns it by ECONNRESET. A unix socket
// does that when it is closed with something unread.
func resetConn(c outerConn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// narrow makes a side take little before it blocks. Below some segments of the
// loopback's 64 KiB, TCP waits for its timers in between.
func (e *ends) narrow(side, size int) {
	_ = e.outer[side].SetReadBuffer(size)
	_ = unix.SetsockoptInt(e.inner[side], unix.SOL_SOCKET, unix.SO_SNDBUF, size)
}

// steps is a relay without threads of its own: the test has each of them take
// its turns, so that their order is the test's.
type steps struct{ *Relay }

func newSteps(t testing.TB, threads int) *steps {
	t.Helper()
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{wake: wake, start: time.Now(), pipes: pipes{most: MaxPipes}}
	places := make([]atomic.Pointer[Pair], 64)
	r.pairs.Store(&places)
	for range threads {
		th, err := newThread(r)
		if err != nil {
			t.Fatal(err)
		}
		r.threads = append(r.threads, th)
	}
	t.Cleanup(r.close)
	return &steps{r}
}

// turn has a thread take a turn, if there is anything for it to do.
func (s *steps) turn(thread int) {
	t := s.threads[thread]
	poll := []unix.PollFd{{Fd: int32(t.epoll), Events: unix.POLLIN}}
	if n, _ := unix.Poll(poll, 0); n > 0 || len(t.again) > 0 {
		t.turn()
	}
}

// turnUntil has thread 0 take turns until something is so.
func (s *steps) turnUntil(t testing.TB, what string, ok func() bool) {
	t.Helper()
	waitFor(t, what, func() bool { s.turn(0); return ok() })
}

// waitFor is until for benchmarks, too.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
	}
}

// writeAll writes to a non-blocking descriptor whose peer reads.
func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		switch {
		case errors.Is(err, unix.EAGAIN):
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 20000); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("%d bytes left: %w", len(data), err)
		default:
			data = data[n:]
		}
	}
	return nil
}

// stir moves pairs from thread to thread until still is called.
func stir(t testing.TB, r *Relay) (still func()) {
	if len(r.threads) == 1 {
		return func() {}
	}
	hand, err := newThread(r)
	if err != nil {
		t.Fatal(err)
	}
	var enough atomic.Bool
	var stirring sync.WaitGroup
	stirring.Go(func() {
		for !enough.Load() {
			places := *r.pairs.Load()
			for i := range places {
				if p := places[i].Load(); p != nil {
					hand.handOver(p, r.threads[rand.IntN(len(r.threads))])
				}
			}
			_, _ = unix.Poll(nil, 1)
		}
	})
	return func() {
		enough.Store(true)
		stirring.Wait()
		hand.close()
	}
}

// deadline is when a test that still waits has failed.
func deadline() time.Time { return time.Now().Add(20 * time.Second) }

// fill writes to an outer end until nothing fits any more, and says how much did.
func fill(t testing.TB, fd int) int {
	t.Helper()
	total, chunk := 0, make([]byte, 64<<10)
	for {
		n, err := unix.SendmsgN(fd, chunk, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EAGAIN) {
			return total
		}
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
}

// descriptors are how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// toldOf is an owner that is called.
type toldOf func()

func (f toldOf) Told(*Pair) { f() }
