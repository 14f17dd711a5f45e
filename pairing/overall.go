package pairing

import (
	"cmp"
	"slices"
	"time"
)

// Elsewhere tells the table how many pairs its workers have at other proxies, by name; of those
// that are not named it is none. It is added to a worker's load by whatever compares loads: policies,
// and [Config.AffinityMaxLoad]. A worker's maximum is about the table's own pairs, since only these
// are known exactly, and so is a rebalance, which can end no others.
func (t *Table) Elsewhere(now time.Duration, pairs map[string]int) []Action {
	t.begin(now)
	var changed []*worker
	for name, w := range t.workers {
		if bounded(pairs[name]) != w.elsewhere {
			changed = append(changed, w)
		}
	}
	slices.SortFunc(changed, func(a, b *worker) int { return cmp.Compare(a.name, b.name) })
	for _, w := range changed {
		w.elsewhere = bounded(pairs[w.name])
		t.place(w)
	}
	return t.finish()
}

// bounded is a number of pairs that somebody else has told.
func bounded(pairs int) int { return min(max(0, pairs), loadMax) }

// Loads are the pairs of each worker that has some, dials included, for others to be told.
func (t *Table) Loads() map[string]int {
	loads := make(map[string]int, len(t.workers))
	for name, w := range t.workers {
		if n := w.load(); n > 0 {
			loads[name] = n
		}
	}
	return loads
}
