package splice

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wired is a pair under test: its outer ends, and our inner descriptors.
type wired struct {
	t      *testing.T
	outer  [2]*net.TCPConn
	inner  [2]int
	pair   *Pair
	passed [2]Counters
	told   atomic.Int32
}

func newRelay(t *testing.T, threads int) *Relay {
	t.Helper()
	r, err := New(threads, MaxPipes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func wire(t *testing.T, r *Relay) *wired {
	t.Helper()
	w := &wired{t: t}
	for i := range w.outer {
		w.outer[i], w.inner[i] = connection(t)
	}
	var err error
	w.pair, err = r.Start(w.inner[0], w.inner[1], [2][]byte{}, End{}, &w.passed, toldOf(func() { w.told.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.pair.Stop(); w.close() })
	return w
}

func (w *wired) close() {
	for i, fd := range w.inner {
		if fd >= 0 {
			_ = unix.Close(fd)
			w.inner[i] = -1
		}
	}
}

// connection is a TCP connection: one end, and the descriptor of the other.
func connection(t *testing.T) (*net.TCPConn, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	raw, err := s.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if err := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || fd < 0 {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), fd
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestBothWaysAtOnce(t *testing.T) {
	r := newRelay(t, 2)
	w := wire(t, r)
	const size = 64 << 20
	sums := make(chan [32]byte, 4)
	for i := range w.outer {
		go func() {
			h := sha256.New()
			random := rand.NewChaCha8([32]byte{byte(i)})
			buf := make([]byte, 1<<20)
			for sent := 0; sent < size; {
				n := 1 + rand.IntN(min(len(buf), size-sent))
				_, _ = random.Read(buf[:n])
				h.Write(buf[:n])
				if _, err := w.outer[i].Write(buf[:n]); err != nil {
					t.Error(err)
				}
				sent += n
			}
			_ = w.outer[i].CloseWrite()
			sums <- [32]byte(h.Sum(nil))
		}()
		go func() {
			h := sha256.New()
			if n, err := io.Copy(h, w.outer[i]); n != size || err != nil {
				t.Errorf("side %d received %d bytes, %v", i, n, err)
			}
			sums <- [32]byte(h.Sum(nil))
		}()
	}
	count := map[[32]byte]int{}
	for range 4 {
		count[<-sums]++
	}
	for s, n := range count {
		if n != 2 {
			t.Errorf("sum %x: %d times", s[:4], n)
		}
	}
	until(t, "over", func() bool { return w.pair.End().Over })
	if e := w.pair.End(); e.Reset || e.Abort {
		t.Errorf("%+v", e)
	}
	if a, b := w.passed[0].Bytes.Load(), w.passed[1].Bytes.Load(); a != size || b != size {
		t.Errorf("counted %d and %d", a, b)
	}
}

func TestHalfClose(t *testing.T) {
	for first := range 2 {
		w := wire(t, newRelay(t, 1))
		a, b := w.outer[first], w.outer[1-first]
		_, _ = a.Write([]byte("question"))
		_ = a.CloseWrite()
		if got, err := io.ReadAll(b); string(got) != "question" || err != nil {
			t.Fatalf("%q %v", got, err)
		}
		if e := w.pair.End(); !e.Begun || int(e.First) != first || e.Over {
			t.Errorf("%+v", e)
		}
		_, _ = b.Write(bytes.Repeat([]byte("answer"), 1000))
		_ = b.CloseWrite()
		if got, err := io.ReadAll(a); len(got) != 6000 || err != nil {
			t.Fatalf("%d %v", len(got), err)
		}
		until(t, "over", func() bool { return w.pair.End().Over && w.told.Load() == 2 })
		if e := w.pair.End(); int(e.First) != first || e.Reset || e.Abort {
			t.Errorf("%+v", e)
		}
	}
}

func TestReset(t *testing.T) {
	for first := range 2 {
		w := wire(t, newRelay(t, 1))
		a, b := w.outer[first], w.outer[1-first]
		_, _ = a.Write([]byte("last words"))
		buf := make([]byte, 10)
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
		_ = a.SetLinger(0)
		_ = a.Close()
		until(t, "over", func() bool { return w.pair.End().Over })
		if e := w.pair.End(); int(e.First) != first || !e.Reset || !e.Abort || int(e.Gone) != first {
			t.Errorf("%+v", e)
		}
	}
}

// A side that takes nothing stops the other's writing; when it reads again
// everything is there.
func TestBackpressure(t *testing.T) {
	w := wire(t, newRelay(t, 2))
	random := rand.NewChaCha8([32]byte{})
	data := make([]byte, 64<<20)
	_, _ = random.Read(data)
	wrote := make(chan error, 1)
	go func() {
		_, err := w.outer[0].Write(data)
		_ = w.outer[0].Close()
		wrote <- err
	}()
	var last uint64
	until(t, "standing still", func() bool {
		before := last
		last = w.pair.Moved(0)
		time.Sleep(50 * time.Millisecond)
		return last > 0 && last == before
	})
	select {
	case err := <-wrote:
		t.Fatal("nothing held the writer back", err)
	default:
	}
	got, err := io.ReadAll(w.outer[1])
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// Stop in the middle returns what was taken and not given.
func TestStopLosesNothing(t *testing.T) {
	r := newRelay(t, 2)
	data := make([]byte, 8<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	for range 10 {
		w := wire(t, r)
		go func() { _, _ = w.outer[0].Write(data); _ = w.outer[0].Close() }()
		received := make(chan []byte)
		go func() { got, _ := io.ReadAll(w.outer[1]); received <- got }()
		until(t, "some", func() bool { return w.pair.Moved(0) > uint64(rand.IntN(4<<20)) })
		rest := w.pair.Stop()
		finishByHand(t, w, rest[0])
		if got := <-received; !bytes.Equal(got, data) {
			t.Fatalf("%d of %d bytes", len(got), len(data))
		}
	}
}

// finishByHand moves what is left from side 0 to side 1 and closes.
func finishByHand(t *testing.T, w *wired, rest []byte) {
	t.Helper()
	buf := make([]byte, 1<<16)
	put := func(data []byte) {
		for len(data) > 0 {
			n, err := unix.Write(w.inner[1], data)
			if err != nil && !errors.Is(err, unix.EAGAIN) {
				t.Fatal(err)
			}
			data = data[max(0, n):]
		}
	}
	put(rest)
	for {
		n, err := unix.Read(w.inner[0], buf)
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		put(buf[:n])
	}
	w.close()
}
