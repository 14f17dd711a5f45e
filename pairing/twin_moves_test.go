package pairing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// twinMoves is what a rebalance is about.
type twinMoves struct {
	run     *twinRebalance // nil: none is under way
	ended   int            // by the last
	away    int            // of all: who have not come back
	awaited time.Duration
}

type twinRebalance struct {
	rate, owed         float64
	next, moved, ended time.Duration
	over               []*twinOver // by name
	among              []string
}

type twinOver struct {
	worker *twinWorker
	ends   int
	pairs  []twinCandidate
}

type twinCandidate struct {
	peer         *twinPeer
	stray, again bool
	active       time.Duration
}

func (m *twin) expected() int {
	if m.now < m.moving.awaited {
		return m.moving.away
	}
	return 0
}

func (m *twin) cameBack(p *twinPeer) {
	if p.preferred || m.moving.away == 0 {
		return
	}
	m.moving.away--
	if r := m.moving.run; r != nil {
		for _, o := range r.over {
			if o.worker == p.worker && m.movable(p) {
				o.ends++
				o.pairs = append(o.pairs, twinCandidate{peer: p, active: m.now})
			}
		}
	}
}

// shares gives each worker that is ready what its weight says of all pairs, or as much of it as it can have, in whole pairs. Weights
// and maxima count in full, or as far as the worker has warmed up. Of open ones alone, who is on the way to a worker does not count.
func (m *twin) shares(full, openOnly bool) map[*twinWorker]int {
	m.look()
	sixteenths := func(w *twinWorker) int {
		if full {
			return 16
		}
		return w.sixteenths()
	}
	open, shares := []*twinWorker{}, map[*twinWorker]int{}
	coming := m.count(func(p *twinPeer) bool { return p.client && (p.state == PeerDialling || p.state == PeerPaired) })
	if openOnly {
		coming = 0
	}
	pairs, weight := max(0, m.expected()-coming), 0
	for _, w := range m.workers {
		if w.ready {
			open = append(open, w)
			pairs += m.loadOf(w, openOnly)
			weight += w.weight * sixteenths(w)
		}
	}
	most := func(w *twinWorker) float64 {
		n := 1 << 40
		if w.max > 0 {
			n = (w.max*sixteenths(w) + 15) / 16
		}
		if w.endpoint == "" {
			n = min(n, m.pairs(w)+m.slots(w))
		}
		return float64(n)
	}
	room := func(w *twinWorker) float64 { return most(w) / float64(w.weight*sixteenths(w)) }
	slices.SortFunc(open, func(a, b *twinWorker) int {
		return cmp.Or(cmp.Compare(room(a), room(b)), cmp.Compare(a.name, b.name))
	})
	for len(open) > 0 && room(open[0]) < float64(pairs)/float64(weight) {
		w := open[0]
		open, shares[w] = open[1:], int(most(w))
		pairs, weight = pairs-shares[w], weight-w.weight*sixteenths(w)
	}
	// Of what is left of dividing, each of those who have the most above their part keeps one.
	above := func(w *twinWorker) float64 {
		return float64(m.loadOf(w, openOnly)) - float64(pairs)*float64(w.weight*sixteenths(w))/float64(weight)
	}
	left := pairs
	for _, w := range open {
		shares[w] = pairs * w.weight * sixteenths(w) / weight
		left -= shares[w]
	}
	slices.SortStableFunc(open, func(a, b *twinWorker) int { return cmp.Compare(above(b), above(a)) })
	for _, w := range open[:min(left, len(open))] { // nobody is there when all have what they can
		shares[w]++
	}
	return shares
}

// loadOf is a worker's load, without those who are on the way to it where only open pairs count.
func (m *twin) loadOf(w *twinWorker, openOnly bool) int {
	return m.load(w) - m.count(func(p *twinPeer) bool {
		return openOnly && p.client && p.worker == w && (p.state == PeerDialling || p.state == PeerPaired)
	})
}

// movable says whether a client would come to another worker if its pair ended.
func (m *twin) movable(p *twinPeer) bool {
	free := m.choosable()
	return p.state == PeerOpen && !p.gone && !p.preferred && len(free) > 0 && (!m.hashes(p) || m.rendezvous(p, free) != p.worker)
}

// idleSince is when a byte was seen to pass, by an idle lease, or else when the pair was made.
func (m *twin) idleSince(p *twinPeer) time.Duration {
	if m.cfg.Lease.Strategy == LeaseIdle {
		return p.touched
	}
	return p.paired
}

// candidates are the pairs of a worker that may be moved, in the order in which they are.
func (m *twin) candidates(w *twinWorker) (all []twinCandidate) {
	for _, p := range m.peers {
		if !p.client || p.worker != w || !m.movable(p) {
			continue
		}
		c := twinCandidate{peer: p, active: m.idleSince(p)}
		if key, ok := m.affinityKey(p); ok && m.had.grouped {
			last, known := m.had.get(key, m.now)
			c.stray = known && last != w.name
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b twinCandidate) int {
		switch {
		case a.stray && !b.stray:
			return -1
		case b.stray && !a.stray:
			return 1
		}
		return cmp.Or(cmp.Compare(a.active, b.active), cmp.Compare(a.peer.id, b.peer.id))
	})
	return all
}

// rebalance says what it is expected to be, and begins.
func (m *twin) rebalance(r Rebalance) (plan Rebalancing, ok bool) {
	if only := m.named(r.Worker); r.Worker != "" && (only == nil || only.removed) {
		return plan, false
	}
	plan = Rebalancing{Rebalance: r}
	run := &twinRebalance{rate: r.Rate, next: m.now, moved: m.now}
	for w, share := range m.shares(true, false) {
		run.among = append(run.among, w.name)
		b := WorkerBalance{Worker: w.name, Pairs: m.load(w), Share: share}
		if b.Pairs > share && (r.Worker == "" || r.Worker == w.name) {
			all := m.candidates(w)
			b.Ends = min(b.Pairs-share, len(all))
			run.over = append(run.over, &twinOver{w, b.Ends, all})
		}
		plan.Planned += b.Ends
		plan.Workers = append(plan.Workers, b)
	}
	slices.SortFunc(plan.Workers, func(a, b WorkerBalance) int { return cmp.Compare(a.Worker, b.Worker) })
	slices.SortFunc(run.over, func(a, b *twinOver) int { return cmp.Compare(a.worker.name, b.worker.name) })
	if r.DryRun {
		return plan, true
	}
	plan.State = RebalanceDone
	m.moving.run, m.moving.ended = nil, 0
	if plan.Planned > 0 && m.refuse == NoReason {
		plan.State, m.moving.run = RebalanceRunning, run
	}
	return plan, true
}

// moveDue does a step of a rebalance if one is due.
func (m *twin) moveDue() {
	r := m.moving.run
	if r == nil || m.now < r.next {
		return
	}
	r.next = m.now + moveEvery
	r.owed = min(r.owed+r.rate*moveEvery.Seconds(), max(r.rate, 1))
	shares := m.shares(false, false)
	for looks := mostLooks; r.owed >= 1 && m.moveOne(r, shares, &looks); {
		r.owed--
		r.moved, r.ended = m.now, m.now
	}
	if r.owed < 1 || slices.ContainsFunc(m.workers, func(w *twinWorker) bool { return w.sixteenths() < 16 }) {
		r.moved = m.now
	}
	if !m.unfinished(r) || m.now-r.moved >= stuckAfter {
		m.moving.run = nil
	}
}

// unfinished says whether somebody may have to be moved still: now, or when a worker is back that is away by itself.
func (m *twin) unfinished(r *twinRebalance) bool {
	if m.expected() > 0 && m.now-r.ended < settleFor {
		return true
	}
	if !slices.ContainsFunc(r.over, func(o *twinOver) bool { return o.ends > 0 && len(o.pairs) > 0 }) {
		return false
	}
	for _, name := range r.among {
		if w := m.named(name); w != nil && !w.removed && w.state == Ready && !w.ready {
			return true
		}
	}
	return m.mostOver(r, m.shares(true, true), true) != nil
}

// mostOver is the worker that is the most above its share, of those of which pairs may be ended still.
func (m *twin) mostOver(r *twinRebalance, shares map[*twinWorker]int, openOnly bool) (most *twinOver) {
	above := func(o *twinOver) int { return m.loadOf(o.worker, openOnly) - shares[o.worker] }
	for _, o := range r.over {
		if _, ready := shares[o.worker]; ready && o.ends > 0 && len(o.pairs) > 0 && above(o) > 0 && (most == nil || above(o) > above(most)) {
			most = o
		}
	}
	return most
}

func (m *twin) moveOne(r *twinRebalance, shares map[*twinWorker]int, looks *int) bool {
	for len(m.choosable()) > 0 && *looks > 0 {
		o := m.mostOver(r, shares, false)
		if o == nil {
			return false
		}
		c := o.pairs[0]
		o.pairs = o.pairs[1:]
		if p := c.peer; p.worker != o.worker || p.state != PeerOpen || p.gone || p.preferred {
			continue
		}
		if !m.movable(c.peer) {
			o.pairs = append(o.pairs, c)
			*looks--
			continue
		}
		if !c.again && m.idleSince(c.peer) > c.active {
			c.again = true
			o.pairs = append(o.pairs, c)
			continue
		}
		o.ends--
		m.moving.ended++
		m.moving.away++
		m.moving.awaited = m.now + returnWithin
		m.had.forget(m, c.peer, o.worker.name, false)
		m.pass(c.peer, "")
		m.endPair(c.peer, Moved)
		return true
	}
	return false
}

// compareMoves tells how a rebalance differs.
func (m *twin) compareMoves(t *Table) error {
	s := &t.moves
	if (s.rebalance != nil) != (m.moving.run != nil) || s.last.Ended != m.moving.ended || s.away != m.moving.away {
		return fmt.Errorf("a rebalance is %+v with %d who are away, not %+v", s.last, s.away, m.moving)
	}
	return nil
}
