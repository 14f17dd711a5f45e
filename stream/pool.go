package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// ErrStopped is returned by calls on a pool whose loop has ended.
var ErrStopped = errors.New("the pool has stopped")

// ErrHandedOver is an [ErrStopped]: another process goes on in the pool's place, and what this one would
// say is out of date. Nothing was done.
var ErrHandedOver = fmt.Errorf("%w: another process has taken over", ErrStopped)

// Pool is one frontend, one backend and the workers behind them. Its methods
// may be called from any goroutine; Run once.
type Pool struct {
	loop *loop
	// commands are run by the loop between two turns.
	commands chan func()
	wake     *waker
	news     news          // of the relay
	paused   atomic.Bool   // as the loop says
	lameDuck atomic.Bool   // see SetLameDuck; the loop does not care
	doors    atomic.Int64  // that are open, as the loop says
	stopped  chan struct{} // no more commands are taken
	closed   chan struct{} // the loop has released everything
	leftover sync.Mutex    // of whoever runs commands that came too late
}

// Open binds the pool's endpoints. The error is one line that names what was
// wrong, and nothing is left open. A pool that is opened must be Run or Closed.
func Open(ctx *Context, cfg Config) (*Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	wake, err := newWaker()
	if err != nil {
		return nil, err
	}
	p := &Pool{commands: make(chan func(), 1024), wake: wake, stopped: make(chan struct{}), closed: make(chan struct{})}
	p.loop, err = newLoop(ctx, cfg, p)
	if err != nil {
		wake.close()
		return nil, err
	}
	return p, nil
}

// Run serves until ctx ends (everything that is left ends with reason shutdown)
// or a Drain is through, then closes everything. It returns nil in both cases.
func (p *Pool) Run(ctx context.Context) error {
	defer p.shut()
	stop := context.AfterFunc(ctx, p.wake.wake)
	defer stop()
	return p.loop.run(ctx)
}

// Close releases a pool that will never be Run.
func (p *Pool) Close() { p.shut() }

func (p *Pool) shut() {
	close(p.stopped)
	p.loop.close()
	close(p.closed)
	p.runLeftovers()
	p.wake.close()
}

// runLeftovers runs what was posted before stopped was seen, so that nobody who
// asks waits for ever.
func (p *Pool) runLeftovers() {
	<-p.closed
	p.leftover.Lock()
	defer p.leftover.Unlock()
	for {
		select {
		case f := <-p.commands:
			f()
		default:
			return
		}
	}
}

// post hands f to the loop; false when the loop has ended and f will not run.
func (p *Pool) post(f func()) bool {
	select {
	case <-p.stopped:
		return false
	default:
	}
	select {
	case p.commands <- f:
		p.wake.wake()
		select {
		case <-p.stopped: // perhaps after the loop had looked for the last time
			p.runLeftovers()
		default:
		}
		return true
	case <-p.stopped:
		return false
	}
}

// ask is answer for an f that cannot fail.
func (p *Pool) ask(ctx context.Context, f func()) error {
	return p.answer(ctx, func() error { f(); return nil })
}

// answer runs f on the loop, unless the pool was handed over, and waits for it. f may still run after ctx has ended.
func (p *Pool) answer(ctx context.Context, f func() error) error {
	return p.await(ctx, func() error {
		if p.loop.retired.on {
			return ErrHandedOver
		}
		return f()
	})
}

// await is answer for what is to be done also when another process has taken over.
func (p *Pool) await(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	if !p.post(func() { done <- f() }) {
		return ErrStopped
	}
	select {
	case err := <-done:
		return err
	case <-p.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Answers returns when the loop has come to it. Errors: [ErrStopped], and ctx's.
func (p *Pool) Answers(ctx context.Context) error { return p.ask(ctx, func() {}) }

// Name of the pool.
func (p *Pool) Name() string { return p.loop.fixed.Name }

// Group of the pool, "" for none.
func (p *Pool) Group() string { return p.loop.fixed.Group }

// InGroup is the group of the pool, nil for none.
func (p *Pool) InGroup() *Group { return p.loop.cfg.Group }

// Bound are the endpoints that clients and workers can connect to, wildcard
// ports resolved.
func (p *Pool) Bound() (frontend, backend []string) {
	return p.loop.frontend.bound(), p.loop.backend.bound()
}

// Drain ends who waits and who connects from now on (reason shutdown), lets
// pairs go on until they end by themselves or the deadline, from now, has passed
// (reason drained), and then lets Run return. A later call can only shorten the
// deadline. The pool stops listening at once, so that who connects is refused by the
// kernel, which is all that libzmq's back-off goes by.
func (p *Pool) Drain(deadline time.Duration) {
	p.post(func() { p.loop.drain(deadline) })
}

// Reload puts cfg in force: workers are added, removed and reweighted; limits,
// time limits, policy, lease, relay and mechanisms apply to what comes; no pair
// is touched. Endpoints, the name, the group, ClientAddresses, PairBuffer, KeepAlive and UserTimeout cannot change
// while a pool runs: then the error says which, and nothing has changed.
func (p *Pool) Reload(ctx context.Context, cfg Config) error {
	change, err := p.Prepare(ctx, cfg)
	if err != nil {
		return err
	}
	return change.Apply(ctx)
}

// Hint tells the pool which identity a connection has, or the next connection
// of an address, and which workers it prefers.
func (p *Pool) Hint(ctx context.Context, hint pairing.Hint) error {
	err := p.ask(ctx, func() { l := p.loop; l.act(l.table.Hint(l.now(), hint)) })
	if err != nil || hint.Worker {
		return err
	}
	return p.said(ctx, hint)
}

// AddWorker adds a worker that listens. ErrWorkerExists of package pairing when
// the name is taken.
func (p *Pool) AddWorker(ctx context.Context, w pairing.WorkerConfig) error {
	if ep, err := ParseEndpoint(w.Endpoint); err != nil {
		return fmt.Errorf("worker %s: %w", w.Name, err)
	} else if err := ep.Dialable(); err != nil {
		return fmt.Errorf("worker %s: %w", w.Name, err)
	}
	if err := p.loop.checkSource(w.Source); err != nil {
		return fmt.Errorf("%w: %s: source: %w", pairing.ErrWorkerConfig, w.Name, err)
	}
	return p.worker(ctx, func(l *loop) ([]pairing.Action, error) { return l.table.AddWorker(l.now(), w) })
}

// RemoveWorker takes a worker out: no new clients, its pairs go on. ErrDialsIn of
// package pairing when it dials in.
func (p *Pool) RemoveWorker(ctx context.Context, name string) error {
	return p.worker(ctx, func(l *loop) ([]pairing.Action, error) { return l.table.RemoveWorker(l.now(), name) })
}

func (p *Pool) worker(ctx context.Context, change func(*loop) ([]pairing.Action, error)) error {
	return p.answer(ctx, func() error {
		actions, err := change(p.loop)
		p.loop.act(actions)
		return err
	})
}
