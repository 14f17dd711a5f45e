package agent

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/streamq/streamq-proxy/stream/splice"
)

// Agent keeps slots at one proxy for one worker.
type Agent struct {
	cfg     Config
	dialer  net.Dialer // of names, and to learn what the worker is
	relay   *splice.Relay
	figures figures
	passed  [2]splice.Counters // from the client to the worker, and back
	mail    mail
	life    context.Context // of look-ups and of what the proxy is told
	end     context.CancelFunc
	helpers sync.WaitGroup // goroutines that wait for an answer in the loop's place
	ended   chan struct{}  // closed when the loop is no more
	doubts  chan struct{}  // that the worker is still there, see doubt

	loop // everything else, which is the loop's alone
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
	a := &Agent{
		cfg: cfg, ended: make(chan struct{}), doubts: make(chan struct{}, 1), loop: newLoop(proxy, worker, cfg.Slots),
		dialer: net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: aliveIdle, Interval: aliveInterval, Count: aliveCount,
		}},
	}
	if a.relay, err = splice.New(cfg.Threads, cfg.pipes()); err != nil {
		return nil, err
	}
	if err := a.equip(); err != nil {
		a.relay.Close()
		return nil, err
	}
	a.life, a.end = context.WithCancel(context.Background())
	go a.live()
	return a, nil
}

// Run keeps the slots until ctx ends. Then no idle one is left, and the pairs go on.
func (a *Agent) Run(ctx context.Context) {
	a.watchWorker(ctx)
	a.do(a.retire)
}

// Drain waits until all pairs have ended, as long as ctx goes on, and says whether they have.
// Run must have returned, or been told to.
func (a *Agent) Drain(ctx context.Context) bool {
	done := make(chan struct{})
	a.post(func() { a.drained = append(a.drained, done) })
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
	a.do(a.abandon)
	a.helpers.Wait() // what they have found the loop closes
	a.do(func() { a.stopping = true })
	<-a.ended
	a.relay.Close()
}

// help has f, which waits for an answer, run beside the loop.
func (a *Agent) help(f func()) { a.helpers.Go(f) }
