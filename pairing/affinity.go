package pairing

// affinityKey is whom affinity remembers: an identity or, where that is
// configured, the source of a client that has none.
type affinityKey struct {
	source bool
	name   string
}

// pick finds the worker for a client: the first choosable one of those that its
// identity prefers, else the one that it had last, else by the policy. Somebody
// must be choosable.
func (t *Table) pick(p *Peer) *worker {
	p.rule, p.passed = 0, nil
	if p.identity != nil {
		if preferred, ok := t.preference(p.identity.name); ok {
			for _, name := range preferred {
				if w := t.workers[name]; w != nil && w.at >= 0 {
					t.stats.chosen[byPrefer]++
					p.rule = ByPreference
					return w
				}
				p.pass(name, t.unfit(name))
			}
		}
	}
	if w := t.last(p); w != nil {
		t.stats.chosen[byAffinity]++
		p.rule = ByAffinity
		return w
	}
	w := t.choose(p)
	if agreed := t.agree(p, w); agreed != w {
		t.stats.chosen[byAffinity]++
		p.rule = ByAffinity
		return agreed
	}
	t.stats.chosen[byPolicy]++
	p.rule = ByPolicy
	return w
}

func (t *Table) affinityKey(p *Peer) (affinityKey, bool) {
	switch {
	case t.cfg.AffinityMax == 0:
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
	if !ok || t.seatedAlone() {
		return nil
	}
	name, ok := t.habits.get(key, t.now)
	if !ok {
		return nil
	}
	w := t.workers[name]
	switch {
	case w == nil || w.at < 0:
		p.pass(name, t.unfit(name))
	case !w.bearable(t.loadBound()):
		p.pass(name, UnfitLoaded)
	default:
		return w
	}
	return nil
}

// remember notes which worker a client has, once their pair is open: one that never
// opens is no reason to send it there again.
func (t *Table) remember(c *Peer) {
	key, ok := t.affinityKey(c)
	if !ok {
		return
	}
	t.habits.put(key, c.worker.name, sourceOf(c), c.identity != nil, t.now)
	t.pass(key, c.worker.name)
}

// sourceOf is whose share is used up by what is remembered of a client.
func sourceOf(c *Peer) string {
	if c.identity != nil {
		return c.identity.source
	}
	return c.origin.Address
}

// configureMemory puts the bounds of what is remembered in force.
func (t *Table) configureMemory() {
	c := &t.cfg
	t.habits.configure(t, bounds{c.AffinityMax, c.SourceMax, c.AffinityTTL}, t.now)
	t.preferred.configure(c.HintMax, c.SourceMax, c.HintTTL, t.now)
	t.hints.held.configure(c.HintMax, c.SourceMax, c.HintTTL, t.now)
	t.pins.configure(c.HintMax, t.now)
}
