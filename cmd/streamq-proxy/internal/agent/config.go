package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// MaxSlots bounds [Config.SlotsMax].
const MaxSlots = 10_000

// Config is what an [Agent] is made of.
type Config struct {
	Proxy  string // the proxy's backend, tcp://HOST:PORT; a name is looked up at each dial
	Worker string // where the worker listens, likewise
	// Slots is how many idle connections are kept at the proxy, 1 to SlotsMax.
	Slots int
	// SlotsMax is how many there may be when clients come faster than slots are
	// replaced, up to MaxSlots.
	SlotsMax int
	// Label tells the agent's metrics and log lines from those of others in the process.
	Label string
	// Name tells the proxy whose slot the connection is whose own end is endpoint, IP:PORT,
	// once it has been dialled; nil for nobody. anew: the proxy could not be reached before, and may be one that
	// knows nothing yet. It is called from any goroutine, several at once. A slot that could not be named stays; but
	// the agent is not ready while no slot was named and the last answer was one that wraps [ErrNameRefused].
	Name func(ctx context.Context, endpoint string, anew bool) error
	// Addresses that the worker sees of clients; nil: it sees this machine's own.
	Addresses *Addresses
	// Descriptors that its connections may take. A slot is worth two, and offers itself only if there are: who comes by it is served.
	Descriptors int
	// Threads of the relay, 1 to splice.MaxThreads.
	Threads int
	Log     *slog.Logger
}

// ErrNameRefused is wrapped by an error of [Config.Name]: the proxy was reached, and will not take the name.
var ErrNameRefused = errors.New("refused")

// Times that nobody needs to choose.
const (
	dialTimeout = 5 * time.Second // for a connection, and for the worker's first ten bytes
	watchEvery  = 200 * time.Millisecond
	// retryMin to retryMax is the pause after dials that failed, with jitter. A proxy
	// that was restarted has its slots back within retryMax.
	retryMin = 50 * time.Millisecond
	retryMax = time.Second
	// aliveIdle is how long a connection is silent before the kernel asks whether it is still there. That
	// keeps a slot in the tables of NAT and firewalls; one that they have forgotten, as when they were
	// restarted, is found then, and replaced.
	aliveIdle, aliveInterval, aliveCount = 10 * time.Second, 5 * time.Second, 3
	// settled is how long a slot has to have been there for its end to be nothing
	// but a renewal, and for what is said on it to be a client's in any case.
	settled = time.Second
	// calm is for how long there must have been no want of slots before fewer are kept.
	calm = 30 * time.Second
	// halfTimeout ends a pair of which one side has ended and nothing moves.
	halfTimeout = 30 * time.Second
	// flushTimeout is for what a side that is about to be reset has not received yet.
	flushTimeout = 2 * time.Second
)

// pipes are those of the relay, two descriptors each.
func (c *Config) pipes() int { return min(c.Descriptors/64, splice.MaxPipes) }

// room is for how many slots and pairs there are descriptors.
func (c *Config) room() int { return c.Descriptors/2 - c.pipes() }

// check says all that is wrong, and where the two ends are.
func (c *Config) check() (proxy, worker string, err error) {
	var errs []error
	address := func(name, s string) string {
		e, err := endpoint.Parse(s)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		case !e.Addressed():
			errs = append(errs, fmt.Errorf("%s: %q is not over tcp", name, s))
		default:
			if err := e.Dialable(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return e.HostPort()
	}
	proxy, worker = address("proxy", c.Proxy), address("worker", c.Worker)
	switch {
	case c.Slots < 1:
		errs = append(errs, fmt.Errorf("slots: %d is below 1", c.Slots))
	case c.SlotsMax < 1 || c.SlotsMax > MaxSlots:
		errs = append(errs, fmt.Errorf("slots-max: %d is not from 1 to %d", c.SlotsMax, MaxSlots))
	case c.Slots > c.SlotsMax:
		errs = append(errs, fmt.Errorf("slots: %d is not from 1 to slots-max, %d", c.Slots, c.SlotsMax))
	}
	if c.room() < c.Slots {
		errs = append(errs, fmt.Errorf("slots: there are descriptors (ulimit -n) for %d only", c.room()))
	}
	return proxy, worker, errors.Join(errs...)
}
