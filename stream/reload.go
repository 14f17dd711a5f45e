package stream

import (
	"errors"
	"fmt"
	"slices"

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

func (l *loop) reload(cfg Config) error {
	if err := l.reloadable(cfg); err != nil {
		return err
	}
	old := l.cfg.Workers
	cfg.Log, cfg.Access, cfg.Events = l.cfg.Log, l.cfg.Access, l.cfg.Events
	l.cfg = cfg
	l.allowed = mechanismSet(cfg.Mechanisms)
	l.setTaking()
	l.actOr(nil, l.listDoors(cfg.Doors))
	now := l.now()
	l.act(l.table.Reconfigure(now, cfg.Pairing))
	for _, w := range old {
		if i := indexWorker(cfg.Workers, w.Name); i < 0 || cfg.Workers[i].Endpoint != w.Endpoint {
			l.actOr(l.table.UnlistWorker(now, w.Name))
		}
	}
	for _, w := range cfg.Workers {
		i := indexWorker(old, w.Name)
		switch {
		case i < 0 || old[i].Endpoint != w.Endpoint:
			l.actOr(l.table.AddWorker(now, w))
		case old[i] != w:
			l.actOr(l.table.SetWeight(now, w.Name, w.Weight))
			l.actOr(l.table.SetMaxPairs(now, w.Name, w.MaxPairs))
			l.actOr(l.table.SetMaxHandshakes(now, w.Name, w.MaxHandshakes))
		}
	}
	return nil
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
