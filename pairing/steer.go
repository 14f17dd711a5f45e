package pairing

import (
	"fmt"
	"time"
)

// What an operator can change of a worker.

// SetWorkerState sets Ready, Draining or Maintenance. Setting Ready also ends a
// worker's being set aside. Its pairs go on: ending them all at once would have all
// clients back at once, so whoever sets Maintenance ends them, in time. Errors: [ErrNoWorker]; [ErrWorkerConfig] for any
// other state.
func (t *Table) SetWorkerState(now time.Duration, name string, s State) ([]Action, error) {
	t.begin(now)
	w, err := t.lookup(name)
	if err != nil {
		return t.finish(), err
	}
	if s > Maintenance {
		return t.finish(), fmt.Errorf("%w: %s: %s cannot be set", ErrWorkerConfig, name, s)
	}
	w.state = s
	if s != Ready {
		t.endRebalance(RebalanceInterrupted)
	}
	t.endStreak(w)
	if s == Ready {
		t.clearFailures(w)
	}
	t.place(w)
	return t.finish(), nil
}

// SetWeight changes a worker's weight, 1 to [MaxWeight]; 0 means 1. Running pairs
// stay. Errors: [ErrNoWorker], [ErrWorkerConfig].
func (t *Table) SetWeight(now time.Duration, name string, weight int) ([]Action, error) {
	return t.change(now, name, WorkerConfig{Name: name, Weight: weight}, func(w *worker) { w.weight = max(weight, 1) })
}

// SetMaxPairs changes the bound of a worker's pairs and dials; 0 means none. Running pairs
// stay, also those above it. Errors: [ErrNoWorker], [ErrWorkerConfig].
func (t *Table) SetMaxPairs(now time.Duration, name string, maxPairs int) ([]Action, error) {
	return t.change(now, name, WorkerConfig{Name: name, MaxPairs: maxPairs}, func(w *worker) { w.max = maxPairs })
}

// SetMaxHandshakes changes the bound of a worker's dials and of its pairs that are not open
// yet; 0 means none. Those above it stay. Errors: [ErrNoWorker], [ErrWorkerConfig].
func (t *Table) SetMaxHandshakes(now time.Duration, name string, n int) ([]Action, error) {
	return t.change(now, name, WorkerConfig{Name: name, MaxHandshakes: n}, func(w *worker) { w.maxHandshakes = n })
}

// SetSource changes where a worker's dials come from; those under way go on. Errors:
// [ErrNoWorker].
func (t *Table) SetSource(now time.Duration, name, source string) ([]Action, error) {
	return t.change(now, name, WorkerConfig{Name: name, Source: source}, func(w *worker) { w.source = source })
}

func (t *Table) change(now time.Duration, name string, c WorkerConfig, f func(*worker)) ([]Action, error) {
	t.begin(now)
	w, err := t.lookup(name)
	if err != nil {
		return t.finish(), err
	}
	if err := c.check(); err != nil {
		return t.finish(), err
	}
	f(w)
	w.kept = true
	t.place(w)
	return t.finish(), nil
}
