package discovery

import (
	"context"
	"errors"

	"github.com/streamq/streamq-proxy/pairing"
)

// What a keeper does with the workers of its pool. An error leaves what is kept as it
// was, so that the same is tried again.

// keep has a worker be in the pool as it is named.
func (k *keeper) keep(ctx context.Context, w kept) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name := w.cfg.Name
	had := k.kept[name]
	if had != nil && had.cfg.Endpoint != w.cfg.Endpoint { // its pairs go on where they are
		if err := k.pool.RemoveWorker(ctx, name); err != nil && !errors.Is(err, pairing.ErrNoWorker) {
			return err
		}
		delete(k.kept, name)
		had = nil
	}
	if had == nil {
		return k.add(ctx, w)
	}
	had.finder = w.finder
	if had.leaving {
		return k.welcome(ctx, had, w)
	}
	return k.adjust(ctx, had, w.cfg)
}

func (k *keeper) add(ctx context.Context, w kept) error {
	if err := k.pool.AddWorker(ctx, w.cfg); err != nil {
		return err
	}
	k.kept[w.cfg.Name] = &w
	delete(k.clashes, w.cfg.Name)
	k.log.Info("worker found", "worker", w.cfg.Name, "endpoint", w.cfg.Endpoint, "weight", w.cfg.Weight)
	return nil
}

// welcome has a worker that is named again before it was removed take clients again,
// unless an operator has it take none.
func (k *keeper) welcome(ctx context.Context, had *kept, w kept) error {
	info, err := k.info(ctx)
	if err != nil {
		return err
	}
	is, known := info[w.cfg.Name]
	switch {
	case !known:
		return k.add(ctx, w)
	case is.State == pairing.Draining && had.was == pairing.Ready:
		if err := k.pool.SetWorkerState(ctx, w.cfg.Name, pairing.Ready); err != nil {
			return err
		}
	}
	had.leaving = false
	k.log.Info("worker is named again", "worker", w.cfg.Name, "endpoint", w.cfg.Endpoint)
	return k.adjust(ctx, had, w.cfg)
}

// adjust changes the weight and the maxima of a worker to those that are named now,
// if they were others before.
func (k *keeper) adjust(ctx context.Context, had *kept, w pairing.WorkerConfig) error {
	var err error
	if had.cfg.Weight != w.Weight {
		err = k.pool.SetWeight(ctx, w.Name, w.Weight)
	}
	if had.cfg.MaxPairs != w.MaxPairs && err == nil {
		err = k.pool.SetMaxPairs(ctx, w.Name, w.MaxPairs)
	}
	if had.cfg.MaxHandshakes != w.MaxHandshakes && err == nil {
		err = k.pool.SetMaxHandshakes(ctx, w.Name, w.MaxHandshakes)
	}
	if had.cfg.Source != w.Source && err == nil {
		err = k.pool.SetSource(ctx, w.Name, w.Source)
	}
	if err == nil || errors.Is(err, pairing.ErrNoWorker) { // an operator has removed it
		had.cfg = w
		return nil
	}
	return err
}

// leave drains a worker that is named no more.
func (k *keeper) leave(ctx context.Context, w *kept) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := k.info(ctx)
	if err != nil {
		return err
	}
	is, known := info[w.cfg.Name]
	if !known { // an operator has removed it
		delete(k.kept, w.cfg.Name)
		return nil
	}
	if w.was = is.State; is.State == pairing.SetAside {
		w.was = pairing.Ready
	}
	if w.was == pairing.Ready { // else an operator has seen to it
		if err := k.pool.SetWorkerState(ctx, w.cfg.Name, pairing.Draining); err != nil {
			return err
		}
	}
	w.leaving = true
	k.log.Info("worker is named no more: it takes no new clients, and its pairs go on", "worker", w.cfg.Name, "endpoint", w.cfg.Endpoint, "pairs", is.Pairs)
	return nil
}

// bury removes those that are leaving and have no pair any more.
func (k *keeper) bury(ctx context.Context) error {
	if !k.leaving() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := k.info(ctx)
	if err != nil {
		return err
	}
	for name, w := range k.kept {
		if !w.leaving || info[name].Pairs+info[name].Dialling > 0 {
			continue
		}
		err := k.pool.RemoveWorker(ctx, name)
		if err != nil && !errors.Is(err, pairing.ErrNoWorker) && !errors.Is(err, pairing.ErrDialsIn) {
			return err
		}
		delete(k.kept, name)
		k.log.Info("worker removed", "worker", name)
	}
	return nil
}

func (k *keeper) info(ctx context.Context) (map[string]pairing.WorkerInfo, error) {
	s, err := k.pool.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]pairing.WorkerInfo{}
	for _, w := range s.Workers {
		if !w.Removed {
			all[w.Name] = w
		}
	}
	return all, nil
}
