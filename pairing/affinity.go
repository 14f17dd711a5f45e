package pairing

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// affinityKey is whom affinity remembers: an identity or, where that is
// configured, the source of a client that has none.
type affinityKey struct {
	source bool
	name   string
}

type lastWorker struct {
	worker string
	until  time.Duration
}

// pick finds the worker for a client: the first choosable one of those that its
// identity prefers, else the one that it had last, else by the policy. Somebody
// must be choosable.
func (t *Table) pick(p *Peer) *worker {
	p.decision = decision{}
	if p.identity != nil {
		if preferred, ok := t.preference(p.identity.name); ok {
			for _, name := range preferred.workers {
				if w := t.workers[name]; w != nil && w.at >= 0 {
					t.stats.chosen[byPrefer]++
					p.decision.rule = ByPreference
					return w
				}
				p.decision.pass(name, t.unfit(name))
			}
		}
	}
	if w := t.last(p); w != nil {
		t.stats.chosen[byAffinity]++
		p.decision.rule = ByAffinity
		return w
	}
	t.stats.chosen[byPolicy]++
	p.decision.rule = ByPolicy
	return t.choose()
}

func (t *Table) affinityKey(p *Peer) (affinityKey, bool) {
	switch {
	case t.affinity == nil:
		return affinityKey{}, false
	case p.identity != nil:
		return affinityKey{name: p.identity.name}, true
	case t.cfg.AffinityBySource && p.origin.Address != "":
		return affinityKey{source: true, name: p.origin.Address}, true
	}
	return affinityKey{}, false
}

// last is the worker that a client had last, nil when it is not choosable or not
// remembered.
func (t *Table) last(p *Peer) *worker {
	key, ok := t.affinityKey(p)
	if !ok {
		return nil
	}
	l, ok := t.affinity.Get(key)
	if !ok {
		return nil
	}
	if l.until <= t.now {
		t.affinity.Remove(key)
		return nil
	}
	if w := t.workers[l.worker]; w != nil && w.at >= 0 {
		return w
	}
	p.decision.pass(l.worker, t.unfit(l.worker))
	return nil
}

// remember notes which worker a client has.
func (t *Table) remember(c *Peer) {
	if key, ok := t.affinityKey(c); ok {
		t.affinity.Add(key, lastWorker{worker: c.worker.name, until: t.now + t.cfg.AffinityTTL})
	}
}

// configureMemory sizes what is remembered.
func (t *Table) configureMemory() {
	t.affinity = resize(t.affinity, t.cfg.AffinityMax, nil)
	t.preferred = resize(t.preferred, t.cfg.HintMax, nil)
	t.hints.held = resize(t.hints.held, t.cfg.HintMax, t.hints.dropped)
	if t.cfg.HintMax == 0 {
		t.hints.next = nil
	}
}

// resize gives an LRU a new size, dropping the oldest when it shrinks. nil
// stands for one of size 0, which the library does not have.
func resize[K comparable, V any](l *simplelru.LRU[K, V], size int, dropped simplelru.EvictCallback[K, V]) *simplelru.LRU[K, V] {
	switch {
	case size <= 0:
		return nil
	case l != nil:
		l.Resize(size)
		return l
	}
	l, err := simplelru.NewLRU(size, dropped)
	if err != nil {
		panic("pairing: an LRU of a positive size cannot be made: " + err.Error())
	}
	return l
}
