package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/internal/freeport"
	"github.com/streamq/streamq-proxy/internal/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// patience is for what must come.
const patience = 30 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// sign is libzmq's signature.
func sign() signature { return signature{0xFF, 8: 1, 9: 0x7F} }

// hello is how a client begins, the same.
const hello = "\xFF\x00\x00\x00\x00\x00\x00\x00\x01\x7F"

// far is a listener, as a worker or a proxy, whose connections the test takes.
type far struct {
	net.Listener
	conns chan net.Conn
}

// listen takes connections at an address; sign, if not nil, is said on each at once.
func listen(t testing.TB, address string, sign *signature) *far {
	t.Helper()
	l, err := net.Listen("tcp", address)
	must(t, err)
	f := &far{l, make(chan net.Conn, 1000)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(f.conns)
				return
			}
			if sign != nil {
				_, _ = c.Write(sign[:])
			}
			f.conns <- c
		}
	}()
	t.Cleanup(f.stop)
	return f
}

func (f *far) stop() {
	_ = f.Close()
	for c := range f.conns {
		_ = c.Close()
	}
}

// free is an address that the test can listen at again: one that the kernel chose may be another's meanwhile.
func free(t testing.TB) string {
	t.Helper()
	port, err := freeport.Next(1)
	must(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func (f *far) endpoint() string { return "tcp://" + f.Addr().String() }

// next is the next connection.
func (f *far) next(t testing.TB) net.Conn {
	t.Helper()
	select {
	case c := <-f.conns:
		t.Cleanup(func() { c.Close() })
		must(t, c.SetDeadline(time.Now().Add(patience)))
		return c
	case <-time.After(patience):
		t.Fatal("no connection came")
		return nil
	}
}

// nextSlot is the next connection that has shown a signature.
func (f *far) nextSlot(t testing.TB, want signature) net.Conn {
	t.Helper()
	c := f.next(t)
	expect(t, c, string(want[:]))
	return c
}

func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("came %q, %v, want %q", b, err, want)
	}
}

func say(t testing.TB, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	must(t, err)
}

// expectEnd reads until the other side has closed.
func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("came %q, %v, want the end", b, err)
	}
}

// start runs an agent until the test ends, or the returned function is called.
func start(t testing.TB, proxy, worker string, slots, most int) (*Agent, context.CancelFunc) {
	t.Helper()
	a, err := New(Config{Proxy: proxy, Worker: worker, Slots: slots, SlotsMax: most, Descriptors: 4096, Threads: 1, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	must(t, err)
	return a, run(t, a)
}

// run has an agent run, likewise.
func run(t testing.TB, a *Agent) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { a.Run(ctx); close(done) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(func() { stop(); a.Close() })
	return stop
}
