package splice

import (
	"slices"
	"time"
)

// Every pair is on one thread's watch: that of the thread which watched fewest
// when the pair was started. Chance may still leave one thread with all that is
// busy. So a thread that hardly rests gives a pair of its own to one that mostly
// does, one at a time, until they are even.

const (
	loadWindow = 50 * time.Millisecond
	crowded    = 0.8 // of its time a thread is busy that gives pairs away
	calmer     = 0.5 // of that, at most, is who takes one
	// several is how many pairs a thread serves in a turn, on average, that gives one
	// away: of two that are busy both are ready in some turns, and one in the others.
	several = 1.25
)

// load is what a thread has done in the window that began at since.
type load struct {
	since time.Duration // by the relay's clock
	busy  time.Duration // not waiting for events
	turns int
	pairs int // that were served, each once a turn
}

// least is the thread that watches fewest pairs. The relay's lock is held.
func (r *Relay) least() *thread {
	return slices.MinFunc(r.threads, func(a, b *thread) int { return a.watched - b.watched })
}

// served notes that a pair is served. Both its sides' events and its going on are
// one in a turn: moving the only pair would merely make the next thread as busy.
func (l *load) served(p *Pair, clock time.Duration) {
	if p.served != clock {
		p.served = clock
		l.pairs++
	}
}

// observe notes the end of a turn, in which p was served last. At the end of a
// window it lets go of p if another thread has more time for it.
func (t *thread) observe(p *Pair) {
	now := t.relay.now()
	t.load.busy += now - t.clock
	t.load.turns++
	passed := now - t.load.since
	if passed < loadWindow {
		return
	}
	share := float64(t.load.busy) / float64(passed)
	// One pair at a time is not more than one thread can do, however much it is.
	shareable := float64(t.load.pairs) >= several*float64(t.load.turns)
	t.share.Store(int64(share * float64(loadWindow)))
	t.seen.Store(int64(now))
	t.load = load{since: now}
	if p == nil || !shareable || share < crowded {
		return
	}
	if to := t.relay.calmest(now); to != t && to.shareAt(now) < share*calmer {
		t.handOver(p, to)
	}
}

// calmest is the thread that was busy for the smallest share of its time.
func (r *Relay) calmest(now time.Duration) *thread {
	return slices.MinFunc(r.threads, func(a, b *thread) int {
		return int(1000 * (a.shareAt(now) - b.shareAt(now)))
	})
}

// shareAt is for which share of its time, 0 to 1, a thread was busy lately. One
// that has not been heard of for some windows sleeps.
func (t *thread) shareAt(now time.Duration) float64 {
	if now-time.Duration(t.seen.Load()) > 2*loadWindow {
		return 0
	}
	return float64(t.share.Load()) / float64(loadWindow)
}

// handOver puts a pair on another thread's watch. What has happened on it is
// announced there again, and an event that its old thread has already got does no
// harm, since any thread may serve any pair.
func (t *thread) handOver(p *Pair, to *thread) {
	p.watchedBy(to)
	t.serve(p, 0) // what another thread came to see to while the lock was held
}

func (p *Pair) watchedBy(to *thread) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.thread
	if p.stopped || p.over() || from == to {
		return
	}
	if to.watchBoth(p) != nil { // for want of memory: it stays
		return
	}
	for side := range p.ways {
		from.unwatch(p, side)
	}
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	p.thread = to
	from.watched--
	to.watched++
}
