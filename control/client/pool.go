package client

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Pool is a [Client] that speaks of one pool. It asks nothing by itself:
// that there is such a pool, and who may do what, the proxy says to each call.
// [wire.NotFound] is the code of an unknown pool, worker or identity, [wire.Forbidden] that
// of a caller who is no operator.
type Pool struct {
	client *Client
	name   string
}

// Pool is the client for a pool; name is "" where there is one.
func (c *Client) Pool(name string) *Pool { return &Pool{client: c, name: name} }

// Filter picks from a list. What is "" picks all.
type Filter struct {
	Worker string
	// Client is an identity, an IP:PORT or an address. Lists of workers have none.
	Client string
	State  string
}

func (f *Filter) args() (args []string) {
	for _, one := range [...]struct{ key, value string }{{"worker", f.Worker}, {"client", f.Client}, {"state", f.State}} {
		if one.value != "" {
			args = append(args, one.key+"="+one.value)
		}
	}
	return args
}

func (p *Pool) ask(ctx context.Context, body any, verb string, args ...string) error {
	return p.client.ask(ctx, body, verb, withPool(args, p.name)...)
}

// Workers lists the workers by name. Like all lists it asks for a page at a time,
// while it is read; what comes and goes meanwhile may be missed. An error is the
// last that it yields.
func (p *Pool) Workers(ctx context.Context, f Filter) iter.Seq2[wire.WorkerInfo, error] {
	return list[wire.WorkerInfo](ctx, p.client, "WORKERS", withPool(f.args(), p.name))
}

// Clients lists the clients.
func (p *Pool) Clients(ctx context.Context, f Filter) iter.Seq2[wire.ClientInfo, error] {
	return list[wire.ClientInfo](ctx, p.client, "CLIENTS", withPool(f.args(), p.name))
}

// Pairs lists the pairs.
func (p *Pool) Pairs(ctx context.Context, f Filter) iter.Seq2[wire.PairInfo, error] {
	return list[wire.PairInfo](ctx, p.client, "PAIRS", withPool(f.args(), p.name))
}

// Hints lists what is held of an identity, "" for all.
func (p *Pool) Hints(ctx context.Context, identity string) iter.Seq2[wire.HintInfo, error] {
	var args []string
	if identity != "" {
		args = append(args, "identity="+identity)
	}
	return list[wire.HintInfo](ctx, p.client, "HINTS", withPool(args, p.name))
}

// Failing are the most worst addresses whose clients were not served, 0 for ten, and how many
// there are in all.
func (p *Pool) Failing(ctx context.Context, most int) (f wire.Failing, err error) {
	var args []string
	if most != 0 {
		args = append(args, "limit="+strconv.Itoa(most))
	}
	return f, p.ask(ctx, &f, "FAILING", args...)
}

// Explain tells why an identity, or the connection from an IP:PORT, has its worker.
func (p *Pool) Explain(ctx context.Context, who string) (x wire.Explanation, err error) {
	return x, p.ask(ctx, &x, "EXPLAIN", who)
}

// Hint is what an operator says for somebody else: a [Hello] that may be about a
// connection from anywhere. Without Endpoint and Address it is only what the
// identity prefers.
type Hint struct {
	Identity string
	Endpoint string   // IP:PORT of the connection's far end, there already or to come
	Address  string   // the next client from this address is meant: an IP, or localhost:UID:GID:PID over ipc
	Prefer   []string // the worker and, after it, the fallbacks
}

// Hint gives a connection an identity, and the identity its preferences.
func (p *Pool) Hint(ctx context.Context, h Hint) error {
	args := []string{h.Identity}
	for _, one := range [...]struct{ key, value string }{
		{"endpoint", h.Endpoint}, {"address", h.Address}, {"prefer", strings.Join(h.Prefer, ",")},
	} {
		if one.value != "" {
			args = append(args, one.key+"="+one.value)
		}
	}
	return p.ask(ctx, nil, "HINT", args...)
}

// Unhint forgets what was said of an identity; its connections stay.
func (p *Pool) Unhint(ctx context.Context, identity string) error {
	return p.ask(ctx, nil, "UNHINT", identity)
}

// Pin has an identity prefer a worker and then the fallbacks, until Unpin.
func (p *Pool) Pin(ctx context.Context, identity string, workers ...string) error {
	return p.ask(ctx, nil, "PIN", identity, strings.Join(workers, ","))
}

// Unpin ends a pin.
func (p *Pool) Unpin(ctx context.Context, identity string) error {
	return p.ask(ctx, nil, "UNPIN", identity)
}

// Finders are what finds workers of the pool, by name or by file.
func (p *Pool) Finders(ctx context.Context) ([]wire.FinderInfo, error) {
	var all wire.Finders
	err := p.ask(ctx, &all, "FINDERS")
	return all.Finders, err
}

// Drain gives a worker no new clients and says how many pairs and dials it still
// has. When there are some, the event worker.empty tells that the last has ended.
func (p *Pool) Drain(ctx context.Context, worker string) (left int, err error) {
	var body wire.Drained
	err = p.ask(ctx, &body, "DRAIN", worker)
	return body.Pairs, err
}

// Maint gives a worker no new clients and ends its pairs.
func (p *Pool) Maint(ctx context.Context, worker string) error {
	return p.ask(ctx, nil, "MAINT", worker)
}

// Enable takes back Drain, Maint and that the worker was set aside.
func (p *Pool) Enable(ctx context.Context, worker string) error {
	return p.ask(ctx, nil, "ENABLE", worker)
}

// Weight changes a worker's weight, 1 to 256.
func (p *Pool) Weight(ctx context.Context, worker string, weight int) error {
	return p.ask(ctx, nil, "WEIGHT", worker, strconv.Itoa(weight))
}

// MaxConn changes how many pairs a worker may have, 0 for no limit.
func (p *Pool) MaxConn(ctx context.Context, worker string, most int) error {
	return p.ask(ctx, nil, "MAXCONN", worker, strconv.Itoa(most))
}

// Worker is one that listens, and that the proxy dials.
type Worker struct {
	Name     string
	Endpoint string // tcp://HOST:PORT or ipc://PATH
	Weight   int    // 1 to 256, 0 for 1
	MaxPairs int    // 0 for no limit
	// MaxHandshakes bounds its dials and the pairs of it that are not open yet; 0 for no limit.
	MaxHandshakes int
	// Source are the addresses of the proxy's machine that it is dialled from, in turn,
	// with commas between them; "" for those of the pool.
	Source string
}

// Add adds a worker. [wire.Conflict] when the name is taken.
func (p *Pool) Add(ctx context.Context, w Worker) error {
	args := []string{w.Name, w.Endpoint, "max=" + strconv.Itoa(w.MaxPairs)}
	if w.Weight != 0 {
		args = append(args, "weight="+strconv.Itoa(w.Weight))
	}
	if w.MaxHandshakes != 0 {
		args = append(args, "max-handshakes="+strconv.Itoa(w.MaxHandshakes))
	}
	if w.Source != "" {
		args = append(args, "source="+w.Source)
	}
	return p.ask(ctx, nil, "ADD", args...)
}

// Remove takes a worker out; its pairs go on. One that dials in, and would be back,
// is refused with [wire.Conflict]: Drain or Maint it.
func (p *Pool) Remove(ctx context.Context, worker string) error {
	return p.ask(ctx, nil, "REMOVE", worker)
}

// Door opens an endpoint of its own for an identity for so long, 0 for a minute, at most
// 24 h: who comes through it has that identity, also behind NAT. Without an endpoint it is
// at the frontend's address, on a port that the system chooses. Said again it is open for
// longer.
func (p *Pool) Door(ctx context.Context, identity, endpoint string, ttl time.Duration) (d wire.DoorInfo, err error) {
	args := []string{identity}
	if ttl != 0 {
		args = append(args, "ttl="+ttl.String())
	}
	if endpoint != "" {
		args = append(args, "endpoint="+endpoint)
	}
	return d, p.ask(ctx, &d, "DOOR", args...)
}

// CloseDoor shuts a door; who has come through it stays. [wire.NotFound] when there is none.
func (p *Pool) CloseDoor(ctx context.Context, identity string) error {
	return p.ask(ctx, nil, "DOOR", identity, "off")
}

// Doors are the doors that are open.
func (p *Pool) Doors(ctx context.Context) (d wire.Doors, err error) {
	return d, p.ask(ctx, &d, "DOORS")
}

// Rebalance is what [Pool.Rebalance] is to do.
type Rebalance struct {
	Worker string  // of which pairs are ended, "" for all that have more than their share
	Rate   float64 // pairs a second, 0 for 10
	DryRun bool    // only say what would be done
}

// Rebalance begins to end pairs of workers that have more than their share, idle ones
// first, so that their clients come to others. It takes the place of one that is under
// way, and does not wait for its end: [Pool.Rebalancing] tells of it, and the event
// rebalance.ended.
func (p *Pool) Rebalance(ctx context.Context, r Rebalance) (plan wire.Rebalance, err error) {
	var args []string
	if r.DryRun {
		args = append(args, "dry-run")
	}
	if r.Worker != "" {
		args = append(args, "worker="+r.Worker)
	}
	if r.Rate != 0 {
		args = append(args, "rate="+strconv.FormatFloat(r.Rate, 'f', -1, 64))
	}
	return plan, p.ask(ctx, &plan, "REBALANCE", args...)
}

// Rebalancing is how far the last rebalance is. [wire.NotFound] when there was none.
func (p *Pool) Rebalancing(ctx context.Context) (r wire.Rebalance, err error) {
	return r, p.ask(ctx, &r, "REBALANCE", "show")
}

// StopRebalance ends the rebalance that is under way, and tells how far it was.
// [wire.NotFound] when there is none.
func (p *Pool) StopRebalance(ctx context.Context) (r wire.Rebalance, err error) {
	return r, p.ask(ctx, &r, "REBALANCE", "stop")
}

// KickClient ends clients, those that wait included: which is an id, an IP:PORT
// or an identity. It returns those that it has ended.
func (p *Pool) KickClient(ctx context.Context, which string) ([]wire.ClientInfo, error) {
	return p.kick(ctx, "client", which)
}

// KickPair ends pairs, named by either side: which is as for KickClient.
func (p *Pool) KickPair(ctx context.Context, which string) ([]wire.ClientInfo, error) {
	return p.kick(ctx, "pair", which)
}

func (p *Pool) kick(ctx context.Context, kind, which string) ([]wire.ClientInfo, error) {
	var all wire.Kicked
	err := p.ask(ctx, &all, "KICK", kind, which)
	return all.Clients, err
}

// KickWorker ends all pairs of a worker.
func (p *Pool) KickWorker(ctx context.Context, worker string) error {
	return p.ask(ctx, nil, "KICK", "worker", worker)
}
