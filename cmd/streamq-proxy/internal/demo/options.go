package demo

import (
	"fmt"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// Bounds of [Options].
const (
	MaxClients = 1000
	MinWorkers = 2 // one of each kind
	MaxWorkers = 32
)

// Options say how much there is to see.
type Options struct {
	// Duration that clients ask for; above zero.
	Duration time.Duration
	// Held demos go on until ctx ends, whatever Duration is, and show what goes wrong in a day, too.
	Held bool
	// Version is what the console shows of the program.
	Version wire.Version
	// Clients at work at any moment, 1 to MaxClients.
	Clients int
	// Workers, MinWorkers to MaxWorkers; every third one dials in, and at least one.
	Workers int
	// RelayThreads of the pool, 1 to [stream.MaxRelayThreads].
	RelayThreads int

	drainEvery, drainFor time.Duration // of a held one
}

// DefaultOptions are ten seconds of eight clients and three workers, in a process
// that may use so many CPUs.
func DefaultOptions(cpus int) Options {
	return Options{Duration: 10 * time.Second, Clients: 8, Workers: 3, RelayThreads: stream.RelayThreads(cpus), drainEvery: 20 * time.Second, drainFor: 8 * time.Second}
}

// Validate finds what cannot be shown. The error is one line, in the words of
// the command line, about the first mistake.
func (o Options) Validate() error {
	switch {
	case o.Duration <= 0:
		return fmt.Errorf("--duration %v: must be above zero", o.Duration)
	case o.Clients < 1 || o.Clients > MaxClients:
		return fmt.Errorf("--clients %d: must be 1 to %d", o.Clients, MaxClients)
	case o.Workers < MinWorkers || o.Workers > MaxWorkers:
		return fmt.Errorf("--workers %d: must be %d to %d", o.Workers, MinWorkers, MaxWorkers)
	}
	return nil
}

// dialIn is how many of the workers dial in.
func (o Options) dialIn() int { return max(1, o.Workers/3) }

// slots that each worker that dials in offers: about its share of the clients,
// and one for a visitor.
func (o Options) slots() int { return o.Clients/o.Workers + 2 }
