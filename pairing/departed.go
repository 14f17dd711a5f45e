package pairing

import "time"

// A worker that dials in is forgotten while nothing of it is connected, be it for
// the tenth of a second in which it redials. What was counted of it is kept for a
// while, so that whoever watches sees one worker that is away for a moment and
// not one that ends and another that begins.
const (
	departedMax = 100 // the oldest goes first
	departedFor = 10 * time.Minute
)

// departed is a worker of which nothing is left.
type departed struct {
	since, returning       time.Duration
	failures, served, lost uint64
}

// depart keeps what was counted of a worker that is about to be forgotten. One
// that an operator took out is not missed.
func (t *Table) depart(w *worker) {
	if !w.removed {
		t.departed.Add(w.name, departed{since: t.now, returning: w.returning, failures: w.failures, served: w.served, lost: w.lost})
	}
}

// rejoin gives a worker that comes back what was counted of it.
func (t *Table) rejoin(w *worker) {
	if d, ok := t.departed.Peek(w.name); ok && !d.over(t.now) {
		w.failures, w.served, w.lost, w.wasHere = d.failures, d.served, d.lost, d.returning
	}
	t.departed.Remove(w.name)
}

func (d departed) over(now time.Duration) bool { return now-d.since >= departedFor }

// Departed lists workers that dialled in and of which nothing is connected any
// more, the longest gone first: departedMax at most, each for departedFor. Of
// each only Name, Failures, Served and SlotsLost are known.
func (t *Table) Departed(now time.Duration) (all []WorkerInfo) {
	t.at(now)
	for _, name := range t.departed.Keys() {
		if d, _ := t.departed.Peek(name); d.over(t.now) {
			t.departed.Remove(name)
		} else {
			all = append(all, WorkerInfo{Name: name, Failures: d.failures, Served: d.served, SlotsLost: d.lost})
		}
	}
	return all
}

// Expected says whether a worker is likely to be back: one that dials in and is away for
// a moment (see [Table.Returning]), or one that failed and is probed. It looks at every worker.
func (t *Table) Expected(now time.Duration) bool {
	if t.Returning(now) {
		return true
	}
	for _, w := range t.workers {
		if w.failing && w.accepts() && t.refuse == NoReason {
			return true
		}
	}
	return false
}

// Returning says whether a worker that dials in, takes clients and has no
// connection now was here within the last ten seconds: libzmq redials within some
// of them, so it is away for a moment and not gone. A connection that never
// greeted was none of a worker's. It looks at every worker.
func (t *Table) Returning(now time.Duration) bool {
	t.at(now)
	if t.refuse != NoReason {
		return false
	}
	for _, w := range t.workers {
		if w.accepts() && !w.failing && !w.isUsable() && t.now < w.returning {
			return true
		}
	}
	for _, d := range t.departed.Values() {
		if t.now < d.returning {
			return true
		}
	}
	return false
}
