package agent

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamq/streamq-proxy/stream/splice"
)

// Agent keeps slots at one proxy for one worker.
type Agent struct {
	cfg           Config
	proxy, worker string // HOST:PORT
	dialer        net.Dialer
	relay         *splice.Relay
	figures       figures
	passed        [2]splice.Counters // from the client to the worker, and back
	unnamed       atomic.Bool        // the proxy could not be told of the last slot
	unaddressed   atomic.Bool        // there was no address for the last client
	stir          chan struct{}      // something has changed for Run
	life          context.Context    // of slots and pairs
	end           context.CancelFunc
	running       sync.WaitGroup // slots and pairs, by goroutine

	mu      sync.Mutex // of what follows
	idle    map[*slot]struct{}
	dialled int // slots under way to the proxy
	inPlace int // slots that have been used and not replaced yet
	target  int // how many slots there are to be
	wanted  time.Time
	shown   *signature // nil while the worker is not there
	source  listener   // what the worker listens with, if that can be seen
	proxyIs pace
	over    bool
}

// figures are counters of what has happened.
type figures struct {
	pairs, served, renewed         atomic.Int64
	workerFailed, proxyFailed      atomic.Int64
	otherSignature, pairsAbandoned atomic.Int64
	unnamed, unaddressed           atomic.Int64
}

// New makes an agent; nothing is dialled before [Agent.Run]. It must be Closed.
func New(cfg Config) (*Agent, error) {
	proxy, worker, err := cfg.check()
	if err != nil {
		return nil, err
	}
	relay, err := splice.New(cfg.Threads, splice.MaxPipes)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		cfg: cfg, proxy: proxy, worker: worker, relay: relay,
		stir: make(chan struct{}, 1), idle: make(map[*slot]struct{}), target: cfg.Slots,
		dialer: net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: aliveIdle, Interval: aliveIdle / 2, Count: 3,
		}},
	}
	a.life, a.end = context.WithCancel(context.Background())
	return a, nil
}

// Run keeps the slots until ctx ends. Then no idle one is left, and the pairs go on.
func (a *Agent) Run(ctx context.Context) {
	defer a.retire()
	var worker sync.WaitGroup
	defer worker.Wait()
	worker.Go(func() { a.watchWorker(ctx) })
	for {
		var later <-chan time.Time
		if wait := a.fill(); wait > 0 {
			later = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-a.stir:
		case <-later:
		}
	}
}

// Drain waits until all pairs have ended, for so long at most, and says whether they have.
// Run must have returned, or been told to.
func (a *Agent) Drain(ctx context.Context) bool {
	done := make(chan struct{})
	go func() { a.running.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Close ends what is left. Run must have returned.
func (a *Agent) Close() {
	a.end()
	a.running.Wait()
	a.relay.Close()
}

// stirred has Run look again.
func (a *Agent) stirred() {
	select {
	case a.stir <- struct{}{}:
	default:
	}
}

// fill dials what slots are missing, and says when to look again, 0 for when stirred.
func (a *Agent) fill() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.shown == nil || a.over {
		return 0
	}
	now := time.Now()
	if a.target > a.cfg.Slots && now.Sub(a.wanted) > calm {
		a.target, a.wanted = max(a.cfg.Slots, a.target/2), now
	}
	// The proxy counts what comes back, and would take one that does not for lost: what is
	// renewed may be left out to have fewer, but not what was used.
	missing := max(a.target-len(a.idle)-a.dialled, min(a.inPlace, a.cfg.SlotsMax-len(a.idle)-a.dialled))
	if missing <= 0 {
		return 0
	}
	if wait := a.proxyIs.wait(now); wait > 0 {
		return wait
	}
	if a.proxyIs.failing() { // one tries for all
		missing = min(missing, max(0, 1-a.dialled))
	}
	for range missing {
		a.dialled++
		a.inPlace = max(0, a.inPlace-1)
		s := &slot{agent: a, shown: a.shown}
		a.running.Go(s.live)
	}
	return 0
}

// used notes that a slot has got a client. When the last idle one has, more
// are kept from now on.
func (a *Agent) used() {
	a.inPlace++
	if len(a.idle) > a.target/4 {
		return
	}
	a.wanted = time.Now()
	a.target = min(a.cfg.SlotsMax, a.target*2)
}

// retire closes every idle slot, and lets none come.
func (a *Agent) retire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	a.withdraw()
}

// withdraw closes every idle slot; those that are under way see for themselves.
func (a *Agent) withdraw() {
	a.inPlace = 0
	for s := range a.idle {
		delete(a.idle, s)
		_ = s.conn.Close()
	}
}
