package pairing

import (
	"slices"
	"time"
)

// IdentityInfo is a copy of what is known of an identity.
type IdentityInfo struct {
	Name string
	// Peers are its live connections.
	Peers []PeerInfo
	// Held says that a hint or a pin of it is held.
	Held   bool
	Prefer []string
	Pinned bool
	// TTL is how long it may stay silent, 0 when its heartbeat does not matter.
	TTL time.Duration
}

// Identity tells of a name; false when it is not known.
func (t *Table) Identity(now time.Duration, name string) (IdentityInfo, bool) {
	t.at(now)
	info := IdentityInfo{Name: name}
	if i := t.identities[name]; i != nil {
		for _, p := range i.peers {
			info.Peers = append(info.Peers, t.info(p))
		}
	}
	preferred, held := t.preference(name)
	info.Held = held
	info.Prefer = slices.Clone(preferred)
	_, info.Pinned = t.pins.held.get(name, t.now)
	if t.cfg.Lease.Strategy == LeaseHeartbeat {
		info.TTL = t.cfg.Lease.TTL
	}
	return info, held || len(info.Peers) > 0
}

// Bye ends an identity's connections, as if they had closed themselves, and
// forgets what it has said. A pin stays, and so do, until their time is over,
// hints for connections that have not come.
func (t *Table) Bye(now time.Duration, name string) []Action {
	t.begin(now)
	t.unprefer(name)
	if i := t.identities[name]; i != nil {
		for len(i.peers) > 0 {
			p := i.peers[0]
			t.end(p, Closed.Reason(p.client))
		}
	}
	return t.finish()
}

// unprefer forgets what an identity prefers and which address is its worker's.
func (t *Table) unprefer(name string) bool {
	aliased := t.dropAlias(name)
	return t.preferred.remove(name, t.now) || aliased
}

// Unhint forgets what an identity has said, and the hints that wait for its
// connections, at which it looks one by one. Its connections stay what they are.
// It says whether there was anything.
func (t *Table) Unhint(now time.Duration, name string) (actions []Action, found bool) {
	t.begin(now)
	found = t.unprefer(name)
	t.hints.held.each(t.now, func(key hintKey, n naming, _ time.Duration) bool {
		if n.identity == name {
			t.hints.held.remove(key, t.now)
			t.retract(key)
			found = true
		}
		return true
	})
	return t.finish(), found
}

// HintInfo is one thing that is held of an identity.
type HintInfo struct {
	Identity string
	// Endpoint or Address that a connection is awaited from; both are "" for
	// what an identity prefers.
	Endpoint, Address string
	Prefer            []string
	Pinned            bool
	Everywhere        []Steering    // of a pin: the word, if it was said for all tables
	Left              time.Duration // until it is forgotten, 0 for a pin and while the identity has a connection
}

// Hints lists what is held, of one identity or of all (""): pins (those that were said here, then
// the others), then
// what identities prefer (those with connections, then what operators said, then
// the others), then what waits for connections, each the oldest first.
// Those after the first skip ones, most at most. Nothing is sorted, but it does
// look at all names; what comes and goes between two pages may shift them.
func (t *Table) Hints(now time.Duration, identity string, skip, most int) (page []HintInfo, more bool) {
	t.at(now)
	add := func(name string, info func() HintInfo) bool {
		if identity != "" && identity != name {
			return true
		}
		if skip > 0 {
			skip--
			return true
		}
		if more = len(page) == most; more {
			return false
		}
		h := info()
		h.Identity = name
		page = append(page, h)
		return true
	}
	t.pins.held.each(t.now, func(name string, is pin, _ time.Duration) bool {
		return add(name, func() HintInfo {
			return HintInfo{Prefer: slices.Clone(is.workers), Pinned: true, Everywhere: is.everywhere(name)}
		})
	})
	if more {
		return page, more
	}
	t.preferred.each(t.now, func(name string, workers []string, left time.Duration) bool {
		return add(name, func() HintInfo { return HintInfo{Prefer: slices.Clone(workers), Left: left} })
	})
	if more {
		return page, more
	}
	t.hints.held.each(t.now, func(key hintKey, n naming, left time.Duration) bool {
		return add(n.identity, func() HintInfo { return HintInfo{Endpoint: key.endpoint, Address: key.address, Left: left} })
	})
	return page, more
}

// PairsOf has one peer of each of a worker's pairs, the longest paired first: the client, unless
// that has gone. Errors: [ErrNoWorker].
func (t *Table) PairsOf(name string) (peers []PeerID, err error) {
	w, err := t.lookup(name)
	if err != nil {
		return nil, err
	}
	for s := w.paired.head; s != nil; s = s.next {
		p := s.owner.partner
		if p.gone {
			p = s.owner
		}
		peers = append(peers, p.ID)
	}
	return peers, nil
}

// Listens says whether a worker of that name is dialled: nobody who dials in
// may take its name.
func (t *Table) Listens(name string) bool { return t.EndpointOf(name) != "" }

// EndpointOf is where a worker of that name is dialled, "" when it is not.
func (t *Table) EndpointOf(name string) string {
	if w := t.workers[name]; w != nil {
		return w.endpoint
	}
	return ""
}
