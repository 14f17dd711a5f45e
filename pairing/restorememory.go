package pairing

import (
	"maps"
	"slices"
)

func (t *Table) restoreMemory(s *Saved) {
	live := func(name string) bool { return t.identities[name] != nil }
	same := func(name string) string { return name }
	never := func(hintKey) bool { return false }
	restored(&t.hints.held, s.Hints, SavedHint.key, SavedNaming.naming, never)
	restored(&t.preferred, s.Preferred, same, func(w []string) []string { return w }, live)
	if t.habits.group == nil {
		restored(&t.habits.own, s.Habits, SavedHabit.key, same, func(k affinityKey) bool { return !k.source && live(k.name) })
	}
	for _, n := range s.Next {
		t.hints.next[n.Address] = &awaited{n.Identities, n.Contested}
	}
	for _, a := range s.Aliases {
		t.aliases.Add(a.Key, a.Value.naming())
	}
	t.restorePins(s)
}

// restorePins has those, too, that were written down by who knew of no words about them.
func (t *Table) restorePins(s *Saved) {
	same := func(name string) string { return name }
	never := func(string) bool { return false }
	held, here := s.Pinned, 0
	if held == nil {
		for _, name := range slices.Sorted(maps.Keys(s.Pins)) {
			held = append(held, SavedItem[string, SavedPin]{Key: name, Value: SavedPin{Workers: s.Pins[name]}, Since: t.now})
		}
	}
	for _, is := range held {
		if is.Source == "" {
			here++
		}
	}
	t.pins.held.most = pinsMost(t.cfg.HintMax, here)
	restored(&t.pins.held, held, same, SavedPin.pin, never)
	restored(&t.pins.ended, s.Unpinned, same, SavedPin.pin, never)
}

// restored has a memory hold what another has held; live says of whom there is a peer. A
// caller who is told of what is dropped is told of nothing.
func restored[K comparable, V, SK, SV any](m *memory[K, V], saved []SavedItem[SK, SV], key func(SK) K, value func(SV) V, live func(K) bool) {
	if m.most == 0 {
		return
	}
	if m.items == nil {
		m.items, m.shares = map[K]*item[K, V]{}, map[string]*list[*item[K, V]]{}
	}
	for _, s := range saved {
		k := key(s.Key)
		if m.items[k] != nil {
			continue
		}
		x := &item[K, V]{key: k, value: value(s.Value), source: s.Source}
		x.place.owner, x.inShare.owner = x, x
		m.items[k] = x
		switch {
		case live(k):
			m.live.resume(&x.place, s.Since)
		case x.source == "":
			m.operators.resume(&x.place, s.Since)
		default:
			m.sources.resume(&x.place, s.Since)
			of := m.shares[x.source]
			if of == nil {
				of = &list[*item[K, V]]{}
				m.shares[x.source] = of
			}
			of.pushBack(&x.inShare)
		}
	}
}

func (s SavedHint) key() hintKey { return hintKey{s.Endpoint, s.Address, s.Identity, s.Worker} }

func (s SavedHabit) key() affinityKey { return affinityKey{s.Source, s.Name} }

func (s SavedPin) pin() pin { return pin{s.Said, s.Workers} }

func (s SavedNaming) naming() naming {
	return naming{s.Identity, s.Weight, s.Max, s.Source, s.Hello}
}

// Restore has a group without a memory remember what another one did. Its tables must have
// been restored before.
func (g *Group) Restore(s *SavedGroup) {
	g.guard.Lock()
	defer g.guard.Unlock()
	g.now = max(g.now, s.Now)
	restored(&g.last, s.Last, SavedHabit.key, func(h SavedHabitOf) habit { return habit{h.Worker, h.Opened} },
		func(k affinityKey) bool { return !k.source && g.live[k.name] > 0 })
}

// AddCounters counts what another table has counted.
func (t *Table) AddCounters(s *SavedCounters) error {
	c := &t.stats
	for _, one := range []struct {
		to   *[NumReasons]uint64
		from map[string]uint64
	}{{&c.ended, s.Ended}, {&c.pairsEnded, s.PairsEnded}, {&c.failed, s.Failed}, {&t.failedBefore, s.FailedBefore}} {
		for word, n := range one.from {
			r, err := wordOf[Reason]("reason", reasonNames[:], word)
			if err != nil {
				return err
			}
			one.to[r] += n
		}
	}
	for i, word := range ruleKeys {
		c.chosen[i] += s.Chosen[word]
	}
	for i := range c.leases {
		c.leases[i] += s.Leases[Strategy(i).String()]
	}
	c.clients += s.Clients
	c.pairs += s.Pairs
	c.opened += s.Opened
	c.slotsMade += s.SlotsMade
	c.slotsRecycled += s.SlotsRecycled
	c.slotsClosed += s.SlotsClosed
	c.ungreeted += s.Ungreeted
	c.slotsLost += s.SlotsLost
	c.dials += s.Dials
	c.dialFailures += s.DialFailures
	c.probes += s.Probes
	c.noPort += s.NoSourcePort
	c.hintsExpired += s.HintsExpired
	c.waits.Add(&s.Waits)
	c.handshakeTimes.Add(&s.Handshakes)
	c.dialsDone.Add(&s.DialsDone)
	c.dialsFailed.Add(&s.DialsFailed)
	return nil
}

// Add counts what another histogram has counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.Counts {
		h.Counts[i] += n
	}
	for i, n := range other.Fine {
		h.Fine[i] += n
	}
	h.Sum += other.Sum
	h.Count += other.Count
}
