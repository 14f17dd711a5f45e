package pairing

import "time"

// memory holds what was said, or found, of keys. It is bounded, and so that one
// source cannot push out what others said:
//
//   - What operators said, the source "", only they themselves push out.
//   - A source has a share at most; beyond it, its own oldest goes.
//   - When all is full, what is out of date goes first. Then what an operator
//     says takes the place of the oldest of all sources, and what a source says
//     that of its own oldest. A source that has nothing yet takes the place of
//     the oldest of all sources; if there is none, what it says is not held.
//   - What is of an identity with a live peer never goes, and does not count:
//     there are as many of these at most as there are peers.
//
// All are forgotten some time after they were said or have ceased to be live.
type memory[K comparable, V any] struct {
	most      int // 0: nothing is held
	share     int // of one source, 0 for no bound
	items     map[K]*item[K, V]
	live      expiry[*item[K, V]] // never falls due; here and below the oldest first
	operators expiry[*item[K, V]]
	sources   expiry[*item[K, V]]
	shares    map[string]*list[*item[K, V]]
	dropped   func(K) // nil: nobody is interested
	// lapsed is told before of what is dropped because it is out of date, and when it
	// was said. nil: nobody is interested.
	lapsed func(key K, v V, said time.Duration)
}

type item[K comparable, V any] struct {
	key     K
	value   V
	source  string
	place   node[*item[K, V]] // in live, operators or sources
	inShare node[*item[K, V]] // while it is in sources
}

// configure puts bounds in force, each share's first.
func (m *memory[K, V]) configure(most, share int, ttl time.Duration, now time.Duration) {
	m.most, m.share = most, share
	m.operators.after, m.sources.after = ttl, ttl
	m.expire(now, len(m.items))
	for _, s := range m.shares {
		m.boundShare(s, now)
	}
	m.bound(nil, now)
	for most == 0 && m.live.head != nil {
		m.drop(m.live.first(), now)
	}
}

// len is how many are held, out of which none is out of date.
func (m *memory[K, V]) len(now time.Duration) int {
	m.expire(now, len(m.items))
	return len(m.items)
}

func (m *memory[K, V]) get(key K, now time.Duration) (v V, ok bool) {
	if x := m.items[key]; x != nil && !m.stale(x, now) {
		return x.value, true
	}
	return v, false
}

// remove says whether there was something that was not out of date.
func (m *memory[K, V]) remove(key K, now time.Duration) bool {
	x := m.items[key]
	if x == nil {
		return false
	}
	fresh := !m.stale(x, now)
	m.drop(x, now)
	return fresh
}

// put holds what a source says of a key. live says that a live peer has, or is
// about to have, the key's identity.
func (m *memory[K, V]) put(key K, v V, source string, live bool, now time.Duration) {
	if m.most == 0 {
		return
	}
	m.expire(now, expireSome)
	x := m.items[key]
	if x != nil && m.stale(x, now) {
		m.drop(x, now)
		x = nil
	}
	if x == nil {
		x = &item[K, V]{key: key}
		x.place.owner, x.inShare.owner = x, x
		if m.items == nil {
			m.items, m.shares = map[K]*item[K, V]{}, map[string]*list[*item[K, V]]{}
		}
		m.items[key] = x
	}
	if x.source != source {
		m.leaveShare(x)
	}
	x.value, x.source = v, source
	m.file(x, live, now)
}

// setLive says that an identity has its first live peer, or has lost its last.
func (m *memory[K, V]) setLive(key K, live bool, now time.Duration) {
	m.expire(now, expireSome)
	switch x := m.items[key]; {
	case x == nil:
	case m.stale(x, now):
		m.drop(x, now)
	default:
		m.file(x, live, now)
	}
}

// file puts x where it belongs, as the newest there.
func (m *memory[K, V]) file(x *item[K, V], live bool, now time.Duration) {
	switch {
	case live:
		m.leaveShare(x)
		m.live.start(&x.place, now)
	case x.source == "":
		m.operators.start(&x.place, now)
		m.bound(nil, now)
	default:
		m.sources.start(&x.place, now)
		s := m.shares[x.source]
		if s == nil {
			s = &list[*item[K, V]]{}
			m.shares[x.source] = s
		}
		x.inShare.leave()
		s.pushBack(&x.inShare)
		m.boundShare(s, now)
		m.bound(s, now)
	}
}

func (m *memory[K, V]) boundShare(s *list[*item[K, V]], now time.Duration) {
	for m.share > 0 && s.n > m.share {
		m.drop(s.first(), now)
	}
}

// bound has no more held than may be. s is the share of who has said something, nil for an operator.
func (m *memory[K, V]) bound(s *list[*item[K, V]], now time.Duration) {
	for m.operators.n+m.sources.n > m.most {
		switch {
		case s != nil && s.n > 1:
			m.drop(s.first(), now)
		case m.sources.n > 0:
			m.drop(m.sources.first(), now)
		default:
			m.drop(m.operators.first(), now)
		}
	}
}

// expireSome is how many are dropped that are out of date before one is put in.
// It is more than one, so that they get fewer.
const expireSome = 2

// expire drops what is out of date, most at most.
func (m *memory[K, V]) expire(now time.Duration, most int) {
	for range most {
		x, ok := m.operators.due(now)
		if !ok {
			x, ok = m.sources.due(now)
		}
		if !ok {
			return
		}
		m.drop(x, now)
	}
}

func (m *memory[K, V]) drop(x *item[K, V], now time.Duration) {
	if m.lapsed != nil && m.stale(x, now) {
		m.lapsed(x.key, x.value, x.place.since)
	}
	x.place.leave()
	m.leaveShare(x)
	delete(m.items, x.key)
	if m.dropped != nil {
		m.dropped(x.key)
	}
}

func (m *memory[K, V]) leaveShare(x *item[K, V]) {
	s := x.inShare.in
	if x.inShare.leave(); s != nil && s.n == 0 {
		delete(m.shares, x.source)
	}
}

// each calls f for what is held until f returns false: of live identities, of
// operators, of sources, each the oldest first. left is 0 while a peer lives.
// f may remove the key that it is given.
func (m *memory[K, V]) each(now time.Duration, f func(key K, v V, left time.Duration) bool) {
	for _, q := range [...]*expiry[*item[K, V]]{&m.live, &m.operators, &m.sources} {
		for x := q.head; x != nil; {
			item, next := x.owner, x.next
			left := max(0, x.since+q.after-now)
			if q == &m.live {
				left = 0
			}
			if !m.stale(item, now) && !f(item.key, item.value, left) {
				return
			}
			x = next
		}
	}
}

// deadline is when the first of what is held is out of date; false when nothing will be.
func (m *memory[K, V]) deadline() (time.Duration, bool) {
	var soonest soonest
	soonest.note(m.operators.deadline())
	soonest.note(m.sources.deadline())
	return soonest.at, soonest.ok
}

func (m *memory[K, V]) stale(x *item[K, V], now time.Duration) bool {
	ttl := m.sources.after
	return x.place.in != &m.live.list && ttl > 0 && now-x.place.since >= ttl
}
