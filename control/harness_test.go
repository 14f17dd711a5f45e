package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/internal/leaks"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// patience is how long a test waits for a condition before it calls it false.
const patience = time.Minute

// rig is a pool and a control socket over it.
type rig struct {
	t      testing.TB
	pool   *stream.Pool
	server *Server
	dir    string
	level  *slog.LevelVar

	// stop ends the pool and the server. obeys has SHUTDOWN and TERMINATE do it, too.
	stop  context.CancelFunc
	obeys bool

	mutex     sync.Mutex
	reloads   int
	reloadErr error
	shutdowns []time.Duration
	// everywhere stands for what tells other proxies, nil for none.
	everywhere func(context.Context, *stream.Pool, pairing.Steering) (told bool, err error)
}

// newRig serves one pool, whose control socket is an ipc file unless change says otherwise.
func newRig(t testing.TB, change func(*rig, *Config, *stream.Config)) *rig {
	t.Helper()
	r := &rig{t: t, level: new(slog.LevelVar)}
	var err error
	if r.dir, err = os.MkdirTemp("", "ctl"); err != nil { // t.TempDir may be too long for a unix socket's name
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(r.dir) })
	cfg := Config{Endpoints: []string{"ipc://" + filepath.Join(r.dir, "s")}, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
	feed := NewFeed()
	pool := stream.DefaultConfig()
	pool.Frontend, pool.Backend = []string{"tcp://127.0.0.1:0"}, []string{"tcp://127.0.0.1:0"}
	pool.Events = feed.Record
	if change != nil {
		change(r, &cfg, &pool)
	}
	zctx, err := stream.NewContext(1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r.pool, err = stream.Open(zctx, pool); err != nil {
		t.Fatal(err)
	}
	proxy := Proxy{Pools: []*stream.Pool{r.pool}, Version: wire.Version{Version: "test"}, Reload: r.reload, Upgrade: func(context.Context) error { return nil }, Shutdown: r.shutdown, Level: r.level, Everywhere: r.everywhere, Proxies: func(context.Context) ([]wire.ProxyInfo, error) {
		return []wire.ProxyInfo{{Proxy: "here", Here: true}}, nil
	}}
	if r.server, err = Open(cfg, proxy, feed); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if err := r.pool.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	all.Go(func() {
		if err := r.server.Serve(ctx); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		r.stop()
		all.Wait()
		if err := zctx.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) reload(context.Context) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.reloads++
	return r.reloadErr
}

func (r *rig) shutdown(deadline time.Duration) (left time.Duration, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.shutdowns = append(r.shutdowns, deadline)
	if r.obeys {
		r.stop()
		time.Sleep(50 * time.Millisecond) // as long as the rest of a proxy takes to end before this returns
	}
	return max(0, deadline), nil
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Helper()
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// dial is a client of the first endpoint.
func (r *rig) dial() *client.Client { return r.dialAs(r.server.Bound()[0], nil) }

func (r *rig) dialAs(endpoint string, security *client.Security) *client.Client {
	r.t.Helper()
	c, err := client.Dial(r.context(), endpoint, security)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}

func (r *rig) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

// say sends a request and wants a code.
func (r *rig) say(c *client.Client, want wire.Code, verb string, args ...string) wire.Reply {
	r.t.Helper()
	reply, err := c.Do(r.context(), verb, args...)
	if err != nil && wire.CodeOf(err) == 0 {
		r.t.Fatalf("%s %q: %v", verb, args, err)
	}
	if reply.Code != want {
		r.t.Fatalf("%s %q: %d %s, want %d", verb, args, reply.Code, reply.Text, want)
	}
	return reply
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// nullPeer is everything that a NULL peer says until the pair is open (ZMTP 3.1,
// RFC 37): greeting and READY.
func nullPeer() []byte {
	greeting := append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1}, "NULL"...)
	greeting = append(greeting, make([]byte, 48)...)
	ready := []byte("\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER")
	return append(append(greeting, 4, byte(len(ready))), ready...)
}

// connect makes a plain connection to the frontend or the backend, which says nothing yet.
func (r *rig) connect(endpoints []string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(endpoints[0], "tcp://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// connectFrom makes one from an address and port that another may have as well.
func (r *rig) connectFrom(local string, endpoints []string) net.Conn {
	r.t.Helper()
	from, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		r.t.Fatal(err)
	}
	d := net.Dialer{LocalAddr: from, Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
		return errors.Join(failed, err)
	}}
	c, err := d.Dial("tcp", strings.TrimPrefix(endpoints[0], "tcp://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *rig) client() net.Conn { f, _ := r.pool.Bound(); return r.connect(f) }

// worker closes its end when the proxy has, as every worker does.
func (r *rig) worker() net.Conn {
	_, b := r.pool.Bound()
	c := r.connect(b)
	r.follow(c)
	return c
}

func (r *rig) follow(c net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, c)
		_ = c.Close()
	}()
	r.t.Cleanup(func() { _ = c.Close(); <-done })
}

func greet(t testing.TB, c net.Conn) {
	t.Helper()
	if _, err := c.Write(nullPeer()); err != nil {
		t.Fatal(err)
	}
}

// pair is a client and a worker that dialled in, open.
func (r *rig) pair() (client, worker net.Conn) {
	r.t.Helper()
	before := r.snapshot().Stats.Open
	worker = r.worker()
	greet(r.t, worker)
	eventually(r.t, "a slot", func() bool { return r.snapshot().Stats.Slots > 0 })
	client = r.client()
	greet(r.t, client)
	eventually(r.t, "the pair is open", func() bool { return r.snapshot().Stats.Open == before+1 })
	return client, worker
}

func (r *rig) snapshot() stream.Snapshot {
	r.t.Helper()
	s, err := r.pool.Snapshot(r.context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// listening is a worker that is dialled: it greets and keeps the connections.
func (r *rig) listening(name string) pairing.WorkerConfig {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	var all sync.WaitGroup
	var mutex sync.Mutex
	var held []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mutex.Lock()
			held = append(held, c)
			mutex.Unlock()
			_, _ = c.Write(nullPeer())
			all.Go(func() {
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			})
		}
	})
	r.t.Cleanup(func() {
		_ = l.Close()
		mutex.Lock()
		for _, c := range held {
			_ = c.Close()
		}
		mutex.Unlock()
		all.Wait()
	})
	return pairing.WorkerConfig{Name: name, Endpoint: "tcp://" + l.Addr().String()}
}

func curve(s *zmq4.Socket, security *client.Security) error {
	if security == nil {
		return nil
	}
	return errors.Join(s.SetCurveServerkey(security.Server), s.SetCurvePublickey(security.Cert.Public), s.SetCurveSecretkey(security.Cert.Secret))
}

// raw is a socket of a caller that minds no manners.
func (r *rig) raw(kind zmq4.Type) *zmq4.Socket { return r.socket(kind, r.server.Bound()[0]) }

// socket is one that connects, and does so again when it is cut off.
func (r *rig) socket(kind zmq4.Type, endpoint string) *zmq4.Socket {
	r.t.Helper()
	return r.secured(kind, endpoint, nil)
}

// secured is a socket with CURVE, or without.
func (r *rig) secured(kind zmq4.Type, endpoint string, security *client.Security) *zmq4.Socket {
	r.t.Helper()
	zctx, err := zmq4.NewContext()
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := zctx.NewSocket(kind)
	err = errors.Join(err, s.SetLinger(0), s.SetRcvtimeo(patience), s.SetSndtimeo(patience), curve(s, security))
	if err == nil {
		err = s.Connect(endpoint)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = s.Close(); _ = zctx.Term() })
	return s
}
