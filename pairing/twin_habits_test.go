package pairing

import (
	"slices"
	"time"
)

// twinHabits is the worker that each has had last: of one table, or of all that are in a group.
type twinHabits struct {
	memory  twinMemory[affinityKey, habit]
	of      []*twin
	grouped bool
	now     time.Duration // the latest of all tables
}

func (h *twinHabits) at(now time.Duration) time.Duration {
	h.now = max(h.now, now)
	return h.now
}

// size puts the widest bounds of all tables in force.
func (h *twinHabits) size(now time.Duration) {
	most, share, ttl := 0, 0, time.Duration(0)
	for _, m := range h.of {
		most, ttl = max(most, m.cfg.AffinityMax), max(ttl, m.cfg.AffinityTTL)
	}
	if !slices.ContainsFunc(h.of, func(m *twin) bool { return m.cfg.SourceMax == 0 }) {
		for _, m := range h.of {
			share = max(share, m.cfg.SourceMax)
		}
	}
	h.memory.configure(most, share, ttl, h.at(now))
}

func (h *twinHabits) get(key affinityKey, now time.Duration) (worker string, known bool) {
	is, known := h.memory.get(key, h.at(now))
	return is.worker, known
}

func (h *twinHabits) setLive(name string, live bool, now time.Duration) {
	for _, m := range h.of {
		_, has := m.beats[name]
		live = live || has
	}
	h.memory.setLive(affinityKey{name: name}, live, h.at(now))
}

// put notes which worker a client has, or is to have.
func (h *twinHabits) put(m *twin, p *twinPeer, opened bool) { h.note(m, p, p.worker.name, opened) }

func (h *twinHabits) note(m *twin, p *twinPeer, worker string, opened bool) {
	key, ok := m.affinityKey(p)
	if !ok {
		return
	}
	source := p.origin.Address
	if p.identity != "" {
		source = m.namedBy[p.identity]
	}
	h.memory.put(twinItem[affinityKey, habit]{
		key: key, value: habit{worker, opened}, source: source, live: p.identity != "", since: h.at(m.now),
	})
}

// forget forgets what is known of a client by a table if that is a worker; only if it is a claim, if said so.
func (h *twinHabits) forget(m *twin, p *twinPeer, worker string, claim bool) {
	key, ok := m.affinityKey(p)
	is, known := h.memory.get(key, h.at(m.now))
	if ok && known && (is.worker == worker || !h.grouped) && (!claim || !is.opened) {
		h.memory.remove(key, h.now)
	}
}

// compare tells how a table's memory differs.
func (h *twinHabits) compare(t *Table, now time.Duration) error {
	if h.grouped {
		return compareMemory("affinities", &t.habits.group.last, &h.memory, h.at(now), as[habit])
	}
	return compareMemory("affinities", &t.habits.own, &h.memory, t.now, func(is habit) string { return is.worker })
}

// as is what a memory and its twin hold alike.
func as[V any](v V) V { return v }
