package shared

import (
	"context"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// forgetFor is how long it is known that somebody is to be sent to no worker because of what
// was: until he is back, as a rule within seconds.
const forgetFor = time.Minute

// Memory is what one pool, or one group of pools, asks and tells. Its methods do not wait.
type Memory struct {
	store *Store
	space Space
	pins  Space
}

// Memory of a space.
func (s *Store) Memory(space Space) *Memory { return &Memory{s, space, space} }

// WithPins is a memory of a group, and of one of its pools: how an identity is pinned is a pool's own.
func (m *Memory) WithPins(pool Space) *Memory { return &Memory{m.store, m.space, pool} }

func (m *Memory) key(who pairing.Who) string { return m.space.key(m.store.cfg.Prefix, who) }

// Recall asks which worker somebody had last and, in the same request, how an identity is pinned, and says whether
// anybody is asked: then told is called once, on another goroutine. Else now is the answer.
func (m *Memory) Recall(who pairing.Who, told func(pairing.Recollection)) (now pairing.Recollection, asked bool) {
	s, a := m.store, ask{key: m.key(who), at: time.Now(), told: told}
	if !who.ByAddress {
		a.identity, a.pin = who.Name, m.pins.pinKey(s.cfg.Prefix, who.Name)
	}
	s.mu.Lock()
	text, waits := s.pending.get(a.key)
	state := s.state
	s.mu.Unlock()
	result := lookupDown
	if waits {
		result = lookupPending
		a.own, _ = decode(text)
		a.key = ""
	}
	if state.answers() && (!waits || a.pin != "") {
		select {
		case s.asks <- a:
			return now, true
		default:
			if !waits {
				result = lookupCrowded
			}
		}
	}
	s.stats.lookup(result, 0)
	return a.own, false
}

// Remember tells that somebody has a worker, by which he is known for so long; "" for one who is
// to be sent to none because of what was.
func (m *Memory) Remember(who pairing.Who, worker string, ttl time.Duration) {
	if worker == "" {
		ttl = min(ttl, forgetFor)
	}
	m.put(who, worker, ttl, false)
}

func (m *Memory) put(who pairing.Who, worker string, ttl time.Duration, renew bool) {
	text, ok := encode(worker)
	if !ok { // no proxy would believe it
		return
	}
	w := Write{Key: m.key(who), Text: text, TTL: ttl, Renew: renew}
	s := m.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !renew && s.fresh.same(&w) {
		s.stats.writes[writeSpared]++
		return
	}
	s.add(w)
}

// add has something be written. The store's lock is held by whoever calls.
func (s *Store) add(w Write) {
	if s.pending.add(w) {
		s.stats.writes[writeDropped]++
	}
}

// Holder is a pool, as far as it says who has a worker, see [pairing.Table.Having].
type Holder interface {
	Having(ctx context.Context, after pairing.PeerID, most int) (page []pairing.Having, last pairing.PeerID, more bool, err error)
	// HavingFor is for how long somebody's worker is to be known.
	HavingFor() time.Duration
}

const (
	// keepMin and keepMax are between two times that a pool's pairs are told again.
	keepMin = time.Second
	keepMax = time.Hour
	// havingAtOnce are asked for at once, so that the loop is not held up.
	havingAtOnce = 256
)

// Keep has who has a worker not be forgotten as long as he has it, until ctx ends: it tells so
// now and then, and when the store has lost it.
func (m *Memory) Keep(ctx context.Context, pool Holder) {
	for ctx.Err() == nil {
		m.store.mu.Lock()
		again := m.store.told
		m.store.mu.Unlock()
		m.tellAll(ctx, pool)
		next := time.NewTimer(min(max(pool.HavingFor()/3, keepMin), keepMax))
		select {
		case <-ctx.Done():
		case <-again:
		case <-next.C:
		}
		next.Stop()
	}
}

func (m *Memory) tellAll(ctx context.Context, pool Holder) {
	for after, more := pairing.PeerID(0), true; more; {
		var page []pairing.Having
		var err error
		if page, after, more, err = pool.Having(ctx, after, havingAtOnce); err != nil {
			return
		}
		for _, h := range page {
			m.put(h.Who, h.Worker, pool.HavingFor(), true)
		}
	}
}
