package integration

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamq/streamq-proxy/internal/leaks"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// pool is a stream.Pool in the test's own process, for tests that look inside.
type pool struct {
	*stream.Pool
	frontend, backend string

	mu    sync.Mutex
	ended []stream.Access
}

// openPool opens and runs a pool with a frontend and a backend on free ports, after configure has had its way. With
// the test it ends, and must leave no goroutine behind.
func openPool(t testing.TB, configure func(*stream.Config)) *pool {
	t.Helper()
	before := goleak.IgnoreCurrent()
	cfg := stream.DefaultConfig()
	cfg.Frontend = []string{"tcp://127.0.0.1:0"}
	cfg.Backend = []string{"tcp://127.0.0.1:0"}
	cfg.Pairing.RetryMin, cfg.Pairing.RetryMax = 50*time.Millisecond, time.Second
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	p := &pool{}
	cfg.Access = func(a *stream.Access) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = append(p.ended, *a)
	}
	configure(&cfg)
	zctx, err := stream.NewContext(1, 2)
	must(t, err)
	p.Pool, err = stream.Open(zctx, cfg)
	if err != nil {
		zctx.Close()
		t.Fatal(err)
	}
	frontend, backend := p.Bound()
	p.frontend, p.backend = frontend[0], backend[0]
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run: %v", err)
		}
		must(t, zctx.Close())
		if err := leaks.Left(before); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *pool) snapshot(t testing.TB) stream.Snapshot {
	t.Helper()
	s, err := p.Snapshot(t.Context())
	must(t, err)
	return s
}

// worker is what a snapshot says of a worker.
func (p *pool) worker(t testing.TB, name string) pairing.WorkerInfo {
	t.Helper()
	for _, w := range p.snapshot(t).Workers {
		if w.Name == name {
			return w
		}
	}
	t.Fatalf("there is no worker %s", name)
	return pairing.WorkerInfo{}
}

// accesses are the clients that have ended so far.
func (p *pool) accesses() []stream.Access {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]stream.Access(nil), p.ended...)
}

// counts are a snapshot's peers by where they are in their life.
type counts struct {
	clients, waiting, slots, open, draining int
}

func (p *pool) counts(t testing.TB) counts {
	t.Helper()
	s := p.snapshot(t).Stats
	c := counts{waiting: s.Waiting, slots: s.Slots, open: s.Open, draining: s.Draining}
	for _, n := range s.Clients {
		c.clients += n
	}
	return c
}
