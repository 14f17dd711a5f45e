package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// reloadable names what differs between the running configuration and cfg that
// only a restart can change. It may be called from any goroutine.
func (l *loop) reloadable(cfg Config) error {
	var errs []error
	differ := func(what string, same bool) {
		if !same {
			errs = append(errs, fmt.Errorf("pool %s: %s cannot change while it runs, restart for that", l.fixed.Name, what))
		}
	}
	differ("name", cfg.Name == l.fixed.Name)
	differ("frontend", slices.Equal(cfg.Frontend, l.fixed.Frontend))
	differ("backend", slices.Equal(cfg.Backend, l.fixed.Backend))
	differ("pair-buffer", cfg.PairBuffer == l.fixed.PairBuffer)
	differ("keepalive", cfg.KeepAlive == l.fixed.KeepAlive)
	differ("user-timeout", cfg.UserTimeout == l.fixed.UserTimeout)
	differ("client-addresses", cfg.ClientAddresses == l.shown.setting)
	differ("group", cfg.Group.Name() == l.fixed.Group)
	return errors.Join(errs...)
}

// Change is a configuration with which a pool could go on at once: what can fail is done.
// It must be applied or dropped, soon; until then the pool's doors stay as they are.
type Change struct {
	pool *Pool
	cfg  Config
	made bool // only the loop touches it
}

// Prepare does of [Pool.Reload] what can fail, so that several pools can be reloaded all
// or none. With an error nothing has changed, and nothing is to be dropped.
func (p *Pool) Prepare(ctx context.Context, cfg Config) (*Change, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := p.loop.reloadable(cfg); err != nil {
		return nil, err
	}
	doors, err := lookUpDoors(ctx, cfg.Doors)
	if err != nil {
		return nil, err
	}
	c := &Change{pool: p, cfg: cfg}
	err = p.answer(ctx, func() error {
		if p.loop.draining.on {
			return ErrStopped
		}
		err := p.loop.prepareDoors(doors, cfg.DoorMax)
		c.made = err == nil
		return err
	})
	if err != nil {
		c.Drop() // it may have been prepared, or be yet, when nobody waits any more
		return nil, err
	}
	return c, nil
}

// Apply puts the configuration in force, when the pool comes to it. [ErrStopped] when the pool has
// ended, or drains; ctx's error when the pool has not come to it by then, and will.
func (c *Change) Apply(ctx context.Context) error {
	l := c.pool.loop
	return c.pool.answer(ctx, func() error {
		if l.draining.on || l.closed {
			c.drop()
			return ErrStopped
		}
		c.made = false
		l.reload(c.cfg)
		return nil
	})
}

// Drop takes back what Prepare has done.
func (c *Change) Drop() { c.pool.post(c.drop) }

func (c *Change) drop() {
	if c.made && !c.pool.loop.closed {
		c.pool.loop.dropDoors()
	}
	c.made = false
}

// reload puts in force what was prepared; nothing of it fails.
func (l *loop) reload(cfg Config) {
	old := l.cfg.Workers
	cfg.Log, cfg.Access, cfg.Events = l.cfg.Log, l.cfg.Access, l.cfg.Events
	l.cfg = cfg
	l.allowed = mechanismSet(cfg.Mechanisms)
	l.applyDoors()
	l.setTaking()
	now := l.now()
	l.act(l.table.Reconfigure(now, cfg.Pairing))
	for _, w := range old {
		if i := indexWorker(cfg.Workers, w.Name); i < 0 || cfg.Workers[i].Endpoint != w.Endpoint {
			l.actOr(l.table.UnlistWorker(now, w.Name))
		}
	}
	for _, w := range cfg.Workers {
		if i := indexWorker(old, w.Name); i < 0 || old[i] != w {
			l.listWorker(now, w)
		}
	}
}

// listWorker has what the configuration says of a worker count, whatever an operator has said of
// it meanwhile.
func (l *loop) listWorker(now time.Duration, w pairing.WorkerConfig) {
	if l.table.EndpointOf(w.Name) != w.Endpoint {
		actions, _ := l.table.UnlistWorker(now, w.Name) // which nobody may have listed
		l.act(actions)
		l.actOr(l.table.AddWorker(now, w))
		return
	}
	l.actOr(l.steerTo(now, w.Name, pairing.RegisterWeight, w.Weight))
	l.actOr(l.steerTo(now, w.Name, pairing.RegisterMaxPairs, w.MaxPairs))
	l.actOr(l.table.SetMaxHandshakes(now, w.Name, w.MaxHandshakes))
	l.actOr(l.table.SetSource(now, w.Name, w.Source))
}

// steerTo is a word of the configuration, which counts as an operator's for this pool.
func (l *loop) steerTo(now time.Duration, worker string, r pairing.Register, value int) ([]pairing.Action, error) {
	said := pairing.Said{Stamp: pairing.Stamp{At: time.Now().UnixMilli()}, Value: value}
	_, actions, err := l.table.Steer(now, pairing.Steering{Worker: worker, Register: r, Said: said})
	return actions, err
}

// actOr is act for what may already have been done by another way, such as
// removing a worker that an operator has removed.
func (l *loop) actOr(actions []pairing.Action, err error) {
	if err != nil {
		l.cfg.Log.Warn("reload", "pool", l.fixed.Name, "error", err)
	}
	l.act(actions)
}

func indexWorker(workers []pairing.WorkerConfig, name string) int {
	return slices.IndexFunc(workers, func(w pairing.WorkerConfig) bool { return w.Name == name })
}
