package client

import (
	"context"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Everywhere is a pool of that name at all proxies that share a store, as far as it can be steered at one of
// them for all. What is said counts at once at the proxy that is asked; told says that the store
// has it, from which the others read it within a second, else it waits for a store that is away. [wire.Conflict]
// is the code where nothing is shared.
type Everywhere struct{ pool *Pool }

// Everywhere has what is said of the pool's workers, and of identities, count at all proxies.
func (p *Pool) Everywhere() Everywhere { return Everywhere{p} }

// Drain is [Pool.Drain]; left are the pairs and dials at the proxy that is asked.
func (e Everywhere) Drain(ctx context.Context, worker string) (left int, told bool, err error) {
	var body wire.Drained
	err = e.pool.ask(ctx, &body, "DRAIN", worker, "everywhere")
	return body.Pairs, body.Everywhere == wire.Told, err
}

// Maint is [Pool.Maint].
func (e Everywhere) Maint(ctx context.Context, worker string) (told bool, err error) {
	return e.steer(ctx, "MAINT", worker)
}

// Enable is [Pool.Enable].
func (e Everywhere) Enable(ctx context.Context, worker string) (told bool, err error) {
	return e.steer(ctx, "ENABLE", worker)
}

// Weight is [Pool.Weight].
func (e Everywhere) Weight(ctx context.Context, worker string, weight int) (told bool, err error) {
	return e.steer(ctx, "WEIGHT", worker, strconv.Itoa(weight))
}

// MaxConn is [Pool.MaxConn]: it is each proxy's own pairs that it bounds.
func (e Everywhere) MaxConn(ctx context.Context, worker string, most int) (told bool, err error) {
	return e.steer(ctx, "MAXCONN", worker, strconv.Itoa(most))
}

// Pin is [Pool.Pin].
func (e Everywhere) Pin(ctx context.Context, identity string, workers ...string) (told bool, err error) {
	return e.steer(ctx, "PIN", identity, strings.Join(workers, ","))
}

// Unpin is [Pool.Unpin], also of an identity whose pin is not known at the proxy that is asked.
func (e Everywhere) Unpin(ctx context.Context, identity string) (told bool, err error) {
	return e.steer(ctx, "UNPIN", identity)
}

func (e Everywhere) steer(ctx context.Context, verb string, args ...string) (told bool, err error) {
	var body wire.Steered
	err = e.pool.ask(ctx, &body, verb, append(args, "everywhere")...)
	return body.Everywhere == wire.Told, err
}
