package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/internal/leaks"
	"github.com/streamq/streamq-proxy/pairing"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(loadEnv); what != "" {
		beLoad(what)
	}
	leaks.Main(m)
}

// patience is how long a test waits for a condition before it calls it false.
const patience = time.Minute

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// signature is what a libzmq peer sends before it has heard anything (ZMTP 3.1, RFC 37).
var signature = []byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f}

// nullPeer is everything that a NULL peer says until the pair is open: greeting and READY.
func nullPeer() []byte {
	greeting := append([]byte{}, signature...)
	greeting = append(greeting, 3, 1)
	greeting = append(greeting, append([]byte("NULL"), make([]byte, 16)...)...)
	greeting = append(greeting, make([]byte, 32)...)
	ready := []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER")
	return append(append(greeting, 4, byte(len(ready))), ready...)
}

// rig is a running pool and what it reported.
type rig struct {
	t    *testing.T
	ctx  *Context
	pool *Pool
	cfg  Config // as opened
	stop context.CancelFunc
	done chan error

	halves map[*halfClosed]bool // that the test knows of, see drainTimeoutPasses

	mu    sync.Mutex
	ended []Access
}

// onBothRelays runs a test with each relay.
func onBothRelays(t *testing.T, test func(t *testing.T, relay func(*Config))) {
	for _, relay := range []Relay{RelayStream, RelaySplice} {
		t.Run(relay.String(), func(t *testing.T) {
			test(t, func(c *Config) { c.Relay = relay })
		})
	}
}

// newRig runs a pool with one frontend and one backend endpoint.
func newRig(t *testing.T, changes ...func(*Config)) *rig {
	t.Helper()
	ctx, err := NewContext(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, ctx: ctx, done: make(chan error, 1)}
	cfg := DefaultConfig()
	cfg.Frontend, cfg.Backend = []string{"tcp://127.0.0.1:0"}, []string{"tcp://127.0.0.1:0"}
	cfg.Log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	cfg.Access = func(a *Access) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended = append(r.ended, *a)
	}
	for _, change := range changes {
		change(&cfg)
	}
	if r.pool, err = Open(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	r.cfg = cfg
	var run context.Context
	run, r.stop = context.WithCancel(context.Background())
	go func() { r.done <- r.pool.Run(run) }()
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run: %v", err)
	}
	r.done <- nil // for a second close
	if err := r.ctx.Close(); err != nil {
		r.t.Errorf("closing the context: %v", err)
	}
	if used, _ := r.ctx.Descriptors(); used != 0 {
		r.t.Errorf("%d descriptors are still counted", used)
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

func (r *rig) snapshot() Snapshot {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := r.pool.Snapshot(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// client connects to the frontend, worker dials in at the backend.
func (r *rig) client() net.Conn { f, _ := r.pool.Bound(); return dialPeer(r.t, f[0]) }
func (r *rig) worker() net.Conn { _, b := r.pool.Bound(); return dialPeer(r.t, b[0]) }

func dialPeer(t *testing.T, endpoint string) net.Conn {
	t.Helper()
	ep, err := ParseEndpoint(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", ep.HostPort()
	if ep.Network == "ipc" {
		network, address = "unix", ep.Path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// pair joins a NULL client and a NULL worker that dialled in, past the handshake.
func (r *rig) pair() (client, worker net.Conn) {
	r.t.Helper()
	worker = r.slot()
	return r.clientOf(worker), worker
}

// clientOf is a NULL client that is joined to the one slot there is, past the handshake.
func (r *rig) clientOf(worker net.Conn) (client net.Conn) {
	r.t.Helper()
	client = r.client()
	send(r.t, client, nullPeer())
	expect(r.t, worker, signature)
	send(r.t, worker, nullPeer()[len(signature):])
	expect(r.t, worker, nullPeer()[len(signature):])
	expect(r.t, client, nullPeer())
	return client
}

// slot is a worker that has dialled in and waits.
func (r *rig) slot() net.Conn {
	r.t.Helper()
	before := r.snapshot().Stats.Slots
	worker := r.worker()
	send(r.t, worker, signature)
	eventually(r.t, "the worker is a slot", func() bool { return r.snapshot().Stats.Slots == before+1 })
	return worker
}

// dialledPair joins a NULL client and the NULL worker that the proxy dials for
// it, past the handshake.
func (r *rig) dialledPair(accept func() net.Conn) (client, worker net.Conn) {
	r.t.Helper()
	client = r.client()
	send(r.t, client, nullPeer())
	worker = accept()
	expect(r.t, worker, nullPeer())
	send(r.t, worker, nullPeer())
	expect(r.t, client, nullPeer())
	return client, worker
}

// reasons lists how the clients that ended so far have ended.
func (r *rig) reasons() (reasons []pairing.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.ended {
		reasons = append(reasons, a.Reason)
	}
	return reasons
}

// expectReasons waits until n clients have ended, all with that reason.
func (r *rig) expectReasons(n int, want pairing.Reason) {
	r.t.Helper()
	eventually(r.t, "clients end", func() bool { return len(r.reasons()) >= n })
	for _, got := range r.reasons() {
		if got != want {
			r.t.Fatalf("clients ended %v, want %d times %v", r.reasons(), n, want)
		}
	}
}

// expectQuiet waits until no connection is left and nothing is kept for any.
func (r *rig) expectQuiet() {
	r.t.Helper()
	defer func() {
		if r.t.Failed() {
			r.dump()
		}
	}()
	eventually(r.t, "every connection is gone", func() bool {
		s := r.snapshot()
		return s.Connections == 0 && s.Backlog == 0 && s.Descriptors == 0 && r.halfClosed() == 0
	})
}

// dump logs the connections that are left, for whoever has to find out why.
func (r *rig) dump() {
	_ = r.pool.answer(context.Background(), func() error {
		l, n := r.pool.loop, map[string]int{}
		l.table.EachPeer(func(p *pairing.Peer) bool {
			c := p.Conn.(*conn)
			n[fmt.Sprintf("%v: phase %d %T paused %v broken %v owed-reset %v lent %v out %d",
				p.State(), c.phase, c.link, c.paused, c.broken, c.owedReset, c.lent(), c.out.size())]++
			return true
		})
		r.t.Logf("%d connections, %d due and %d due: %v", l.figures.connections, len(l.frontend.due), len(l.backend.due), n)
		return nil
	})
}

func send(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatalf("sending: %v", err)
	}
}

// expect reads exactly what is wanted.
func expect(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("got %d of %d bytes (%x): %v", n, len(want), got[:n], err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("got %x, want %x", got, want)
	}
}

// expectEnd reads until the connection ends and returns what came before. It waits as long as something comes.
func expectEnd(t *testing.T, c net.Conn) []byte {
	t.Helper()
	var all bytes.Buffer
	for {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := io.CopyN(&all, c, 1<<20)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.Fatalf("still open after %v and %d bytes", patience, all.Len())
		case err != nil:
			return all.Bytes()
		}
	}
}

// reset closes a TCP connection with an RST.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// listeningWorker accepts what the proxy dials.
func listeningWorker(t *testing.T) (endpoint string, accept func() net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return "tcp://" + ln.Addr().String(), accepting(t, ln)
}

// accepting accepts from a listener, until the test ends.
func accepting(t *testing.T, ln net.Listener) (accept func() net.Conn) {
	t.Helper()
	t.Cleanup(func() { _ = ln.Close() })
	return func() net.Conn {
		t.Helper()
		_ = ln.(interface{ SetDeadline(at time.Time) error }).SetDeadline(time.Now().Add(patience))
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

// withWorker makes a configuration with one listening worker and no backend.
func withWorker(endpoint string) func(*Config) {
	return func(c *Config) {
		c.Backend = nil
		c.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: endpoint}}
	}
}

// unacknowledged is what the other side's kernel has not confirmed yet, in bytes.
func unacknowledged(c net.Conn) (n int) {
	onDescriptor(c, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCOUTQ) })
	return n
}

// onDescriptor has a look at the descriptor of a connection that is not closed.
func onDescriptor(c net.Conn, look func(fd int)) {
	if raw, err := c.(syscall.Conn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { look(int(fd)) })
	}
}

// passed is how many bytes have passed between clients and workers, both ways.
func (r *rig) passed() uint64 {
	r.t.Helper()
	in, out, err := r.pool.Traffic(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return in.Bytes + out.Bytes
}
