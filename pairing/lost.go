package pairing

import (
	"slices"
	"time"
)

// A hint whose connection does not come is a mistake as a rule: the application has
// given an endpoint that the proxy does not see, since there is a NAT between them, or
// has said it long before. Whoever looks for the mistake wants to know who did come.

const (
	// lostSlack is how late a hint that is out of date may be found, so that many are
	// found at once.
	lostSlack = time.Second
	// arrivalsMax is how many connections without an identity are remembered, of
	// clients and of workers each, and cameMax how many of them are told.
	arrivalsMax = 16
	cameMax     = 4
)

// LostHint is a hint whose connection has not come within [Config.HintTTL].
type LostHint struct {
	Identity string
	// Endpoint or Address from which the connection was awaited.
	Endpoint, Address string
	Worker            bool // a worker's connection
	// Came are the far ends of connections that came meanwhile and have no identity,
	// the newest first; a few at most.
	Came []string
}

// arrivals are the last connections without an identity.
type arrivals struct {
	ring [arrivalsMax]arrival
	n    int // that ever came
}

type arrival struct {
	id   PeerID
	from string
	at   time.Duration
}

func (a *arrivals) add(p *Peer) {
	from := p.origin.Endpoint
	if from == "" {
		from = p.origin.Address
	}
	a.ring[a.n%arrivalsMax] = arrival{p.ID, from, p.connected}
	a.n++
}

// named takes out one that has got an identity after all.
func (a *arrivals) named(p *Peer) {
	for i := range a.ring {
		if a.ring[i].id == p.ID {
			a.ring[i] = arrival{at: a.ring[i].at}
		}
	}
}

// arrived notes a connection that no hint was held for.
func (t *Table) arrived(p *Peer) {
	if p.identity == nil {
		t.arrivals[side(p)].add(p)
	}
}

// cameSince are those that have come since, the newest first.
func (t *Table) cameSince(client bool, since time.Duration) (from []string) {
	a := &t.arrivals[0]
	if client {
		a = &t.arrivals[1]
	}
	for i := a.n - 1; i >= max(0, a.n-arrivalsMax) && len(from) < cameMax; i-- {
		x := a.ring[i%arrivalsMax]
		if x.at < since {
			break
		}
		if x.id != 0 && !slices.Contains(from, x.from) {
			from = append(from, x.from)
		}
	}
	return from
}

// lost is told of every hint that is out of date.
func (t *Table) lost(key hintKey, n naming, said time.Duration) {
	if !key.worker && t.cfg.asksWho() { // its client may have come elsewhere
		return
	}
	t.stats.hintsExpired++
	t.lostHint = &LostHint{
		Identity: n.identity, Endpoint: key.endpoint, Address: key.address, Worker: key.worker, Came: t.cameSince(!key.worker, said),
	}
}

// hintsDeadline is when to look for hints that are out of date.
func (t *Table) hintsDeadline() (time.Duration, bool) {
	at, ok := t.hints.held.deadline()
	return at + lostSlack, ok
}

// expireHints forgets the hints that are out of date.
func (t *Table) expireHints() { t.hints.held.expire(t.now, len(t.hints.held.items)) }

// LostHint is the last hint that was lost since it was last asked; false when there
// was none. [Stats.HintsExpired] counts them all.
func (t *Table) LostHint() (LostHint, bool) {
	h := t.lostHint
	if h == nil {
		return LostHint{}, false
	}
	t.lostHint = nil
	return *h, true
}
