package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
	"github.com/streamq/streamq-proxy/stream/given"
)

// Bounds and defaults of a [Config].
const (
	DefaultPairBuffer     = 4 << 20 // bytes a direction
	MinPairBuffer         = 256 << 10
	MaxPairBuffer         = 1 << 30
	DefaultConnectTimeout = 3 * time.Second

	// A silent connection to nobody is found after two minutes.
	DefaultKeepAliveIdle     = 60 * time.Second
	DefaultKeepAliveInterval = 10 * time.Second
	DefaultKeepAliveCount    = 6
	// DefaultUserTimeout leaves unacknowledged bytes to the kernel, as on a direct
	// connection: any other value would end clients and workers that are alive and
	// only do not read for a while, when backpressure is all that they should feel.
	DefaultUserTimeout = 0
)

// Config is everything a pool is made of.
type Config struct {
	// Name of the pool in logs and metrics.
	Name string
	// Frontend is where clients connect; at least one endpoint.
	Frontend []string
	// Backend is where workers dial in.
	Backend []string
	// Workers are the workers that listen; the proxy dials one for each client.
	Workers []pairing.WorkerConfig
	// Inherit is set where the pool goes on in the place of another process's, see [Pool.TakeOver].
	Inherit *Inheritance
	// Given are listeners that a service manager has made or kept, from which those at the
	// pool's endpoints are taken; nil for none.
	Given *given.Listeners
	// Discovers: workers come while the pool runs, by [Pool.AddWorker], so that there
	// may be neither one nor a backend yet.
	Discovers bool
	// Group of pools that remember together which worker a client had; nil for none. It
	// cannot change while the pool runs: of another one of the same name there is no need.
	Group *Group
	// Shared is what pools like this one in other processes remember, too; nil where none do, and
	// Pairing.SharedWait is 0.
	Shared Shared
	// Doors are frontend endpoints of their own for one identity each, see [Pool.Door].
	Doors []DoorConfig
	// DoorMax bounds the doors, those of Doors among them.
	DoorMax int
	// Pairing holds the policy, the limits and the time limits.
	Pairing pairing.Config
	// Relay says what moves the bytes of pairs.
	Relay Relay
	// ExpectAny: what is spoken need not be ZMTP. Nothing of it is looked at: a client has
	// its worker as soon as it has connected, so that a worker may be the first to speak,
	// and a pair is open when it is made. A worker that dials in is a slot at once, too.
	ExpectAny bool
	// RefuseWithoutWorker closes the frontend's ports while no worker is usable: at once when
	// none is expected back (see [pairing.Table.Expected]), else after NoWorkerWait, 0 to a day.
	RefuseWithoutWorker bool
	NoWorkerWait        time.Duration
	// Mechanisms that a client may use (NULL, PLAIN, CURVE, GSSAPI, or one of
	// your own); empty means any. ZMTP 1.0 and 2.0 have none and count as NULL.
	Mechanisms []string
	// ProxySenders are those who connect to the frontend for clients, and say so by a
	// PROXY header.
	ProxySenders ProxySenders
	// FrontendSenders are those of one endpoint each, in place of ProxySenders: by its index
	// in Frontend. Where there is none, or nil, it has the pool's.
	FrontendSenders []*ProxySenders
	// PairBuffer bounds the memory of one direction of a pair, in bytes, from
	// MinPairBuffer to MaxPairBuffer. A quarter of it may be waiting in libzmq to be read, a
	// quarter to be written, and half in the loop.
	PairBuffer int
	// ConnectTimeout bounds one dial of a worker, name look-up included.
	ConnectTimeout time.Duration
	// Sources are addresses of this machine that workers are dialled from, in turn; none:
	// the kernel chooses. To one of a family that has none here it does, too. A worker
	// may have its own in their place ([pairing.WorkerConfig], [ParseSources]).
	Sources []netip.Addr
	// ClientAddresses say what workers that listen see of clients, in place of Sources. Cannot
	// change while the pool runs.
	ClientAddresses clientaddr.Setting
	// KeepAlive applies to every TCP connection, accepted or dialled.
	KeepAlive KeepAlive
	// UserTimeout is how long bytes that were sent on a TCP connection may stay
	// unacknowledged until the kernel gives it up, 0 for its own time, some 15
	// minutes; 0 to MaxUserTimeout in whole milliseconds (TCP_USER_TIMEOUT, tcp(7)).
	// Where it is set it has two more effects. It takes the place of KeepAlive.Count:
	// the first probe that finds the connection silent for so long ends it. And it
	// ends a peer that is alive, but has taken nothing for so long.
	UserTimeout time.Duration
	// Log gets what an operator should know; nil discards it.
	Log *slog.Logger
	// Access is called once for each client that ended, on the goroutine of
	// [Pool.Run]: it must neither block nor call the pool's methods. nil means nobody is interested.
	Access func(*Access)
	// Events is called with everything that happens, on the goroutine of
	// [Pool.Run]: it must not block. nil means nobody is interested.
	Events func(Event)
}

// Access is what there is to say of a client that has ended.
type Access struct {
	Pool string
	pairing.Record
	// Summed: it is one of many that were refused, of which the log has a line in all.
	Summed bool
	// Balancer is who connected for the client, and what it has said of it; nil for none.
	Balancer *Balancer
	// Shown is what the worker saw of the client, see [Config.ClientAddresses]; invalid for nothing.
	Shown netip.Addr
	// Mechanism the client asked for, and ZMTP's version; "" when it never came that far.
	Mechanism, Version string
	// Unopened is the handshake of a pair that ended before it opened; nil for all else.
	Unopened *Handshake
	// Hint is what it usually means that a client ended so, "" where there is nothing to say.
	Hint string
	// BytesIn went from the client to the worker, BytesOut came back.
	BytesIn, BytesOut uint64
}

// DefaultConfig is a pool without endpoints and with every default filled in.
func DefaultConfig() Config {
	return Config{
		Name: "default",
		Pairing: pairing.Config{
			Policy:           pairing.LeastConnections,
			QueueMax:         10_000,
			QueueTimeout:     25 * time.Second,
			HandshakeTimeout: 20 * time.Second,
			SlotMaxAge:       25 * time.Second,
			SlotLostAfter:    10 * time.Second,
			FinishTimeout:    30 * time.Second,
			AffinityMax:      100_000,
			AffinityTTL:      time.Hour,
			HintMax:          100_000,
			HintTTL:          time.Minute,
			SourceMax:        4096,
			RetryMin:         time.Second,
			RetryMax:         30 * time.Second,
		},
		NoWorkerWait:   DefaultNoWorkerWait,
		DoorMax:        DefaultDoorMax,
		PairBuffer:     DefaultPairBuffer,
		ConnectTimeout: DefaultConnectTimeout,
		KeepAlive:      KeepAlive{DefaultKeepAliveIdle, DefaultKeepAliveInterval, DefaultKeepAliveCount},
		UserTimeout:    DefaultUserTimeout,
	}
}

// Validate finds everything that can be known to be wrong without binding an
// endpoint. The error joins one line per mistake.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Frontend) == 0 {
		errs = append(errs, errors.New("no frontend: clients need an endpoint to connect to"))
	}
	if len(c.Backend) == 0 && len(c.Workers) == 0 && !c.Discovers {
		errs = append(errs, errors.New("no backend and no worker: at least one of the two is needed"))
	}
	errs = append(errs, c.checkEndpoints()...)
	errs = append(errs, c.checkWorkers()...)
	if c.PairBuffer < MinPairBuffer || c.PairBuffer > MaxPairBuffer {
		errs = append(errs, fmt.Errorf("pair-buffer %d: want %d to %d bytes", c.PairBuffer, MinPairBuffer, MaxPairBuffer))
	}
	if c.NoWorkerWait < 0 || c.NoWorkerWait > 24*time.Hour {
		errs = append(errs, fmt.Errorf("no-worker-wait %v: want 0s to 24h", c.NoWorkerWait))
	}
	if int(c.Relay) >= len(relayNames) {
		errs = append(errs, fmt.Errorf("relay %d: there is none of that number", c.Relay))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("connect-timeout %v: must be above zero", c.ConnectTimeout))
	}
	errs = append(errs, c.checkKeepAlive()...)
	errs = append(errs, c.checkClientAddresses()...)
	if c.ExpectAny && len(c.Mechanisms) > 0 {
		errs = append(errs, errors.New("mechanisms: with expect any nobody looks at what a client asks for"))
	}
	for _, m := range c.Mechanisms {
		if m == "" || len(m) > 20 || strings.ToUpper(m) != m {
			errs = append(errs, fmt.Errorf("mechanisms: %q is no mechanism's name (1 to 20 octets, no lower case: NULL, PLAIN, CURVE, GSSAPI)", m))
		}
	}
	if err := c.Pairing.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *Config) checkEndpoints() (errs []error) {
	seen := map[string]bool{}
	for _, s := range slices.Concat(c.Frontend, c.Backend) {
		ep, err := ParseEndpoint(s)
		switch {
		case err != nil:
			errs = append(errs, err)
		case seen[ep.String()] && ep.Meets(ep):
			errs = append(errs, fmt.Errorf("%s is named twice", s))
		default:
			seen[ep.String()] = true
		}
	}
	return errs
}

func (c *Config) checkWorkers() (errs []error) {
	names := map[string]bool{}
	for _, w := range c.Workers {
		ep, err := ParseEndpoint(w.Endpoint)
		if err == nil {
			err = ep.Dialable()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("worker %s: %w", w.Name, err))
		}
		if err := CheckSources(w); err != nil {
			errs = append(errs, fmt.Errorf("worker %s: source: %w", w.Name, err))
		}
		switch {
		case w.Name == "":
			errs = append(errs, fmt.Errorf("worker %s has no name", w.Endpoint))
		case names[w.Name]:
			errs = append(errs, fmt.Errorf("two workers are named %s", w.Name))
		}
		names[w.Name] = true
	}
	return errs
}

func mechanismSet(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// startWith are the workers that a pool has from its start.
func (c *Config) startWith() []pairing.WorkerConfig {
	if c.Inherit != nil { // they come by TakeOver
		return nil
	}
	return c.Workers
}
