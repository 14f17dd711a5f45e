package pairing

import (
	"slices"
	"time"
)

// A hint may be said at one proxy, and its client come through another. So what is held of
// clients here is told to others ([Say]), and before a client without an identity gets a worker
// others are asked who it is ([Identify]): as with [Recall], for a moment, and without an answer
// by what is known here alone. Of the next client from an address the others know one name
// at most, which the first who comes takes: so what is held here of an address is not
// used up when a client connects, but when it is known that nobody has used it up elsewhere.

// Saying is what one proxy tells others of a client that is about to come.
type Saying struct {
	// Endpoint of its far end or, if that is "", Address that the next one comes from.
	Endpoint, Address string
	// Identity that it is to have, "" for none: not any more, or because of Contested.
	Identity string
	Prefer   []string // the workers of that, see [Hint]
	Hello    bool     // said by the application, and not by an operator
	// Contested: several have said HELLO for the next from Address, and none is to have it.
	Contested bool
}

// hint is what it is here. Of an application's the source is where the client comes from.
func (s *Saying) hint(from string) (Hint, naming) {
	source := ""
	if s.Hello {
		source = from
	}
	h := Hint{Identity: s.Identity, Endpoint: s.Endpoint, Address: s.Address, Prefer: s.Prefer, Source: source}
	return h, naming{identity: s.Identity, source: source, hello: s.Hello}
}

// Heard is what others know of a client, or an address. What is said here between Since
// and Until, by the table's time, they would know. If not Known they have not told.
type Heard struct {
	Saying
	Known        bool
	Since, Until time.Duration
}

// asksWho says whether others know who clients without an identity are, and how identities are pinned.
func (c *Config) asksWho() bool { return c.SharedWait > 0 && c.HintMax > 0 }

// tellOthers tells others what is said of a client.
func (t *Table) tellOthers(s Saying) {
	if t.cfg.asksWho() {
		t.emit(Action{Op: Say, Saying: &s})
	}
}

// retract has others not know any more what waits for a client.
func (t *Table) retract(key hintKey) {
	if !key.worker {
		t.tellOthers(Saying{Endpoint: key.endpoint, Address: key.address})
	}
}

// askWho has others be asked who a client is; again, if they were before.
func (t *Table) askWho(p *Peer, again bool) {
	a := Action{Op: Identify, Peer: p.ID, Conn: p.Conn, Again: again}
	if key, ok := t.affinityKey(p); ok && !t.cfg.waitsForName() {
		a.Who = key.who()
	}
	t.emit(a)
}

// Identified answers an [Identify] of that client. A name that is for nobody any more waits for
// the next one again.
func (t *Table) Identified(now time.Duration, id PeerID, is Heard) []Action {
	t.begin(now)
	p := t.index.get(id)
	if p == nil || !p.client || p.identity != nil {
		if is.Identity != "" && is.Address != "" && (p == nil || p.Identity() != is.Identity) {
			h, n := is.hint(is.Address)
			t.hold(h, n)
		}
		return t.finish()
	}
	t.reconcile(&is)
	switch {
	case is.Identity != "":
		t.give(p, &is.Saying)
	case p.isHeld():
		t.claimByAddress(p)
	}
	if p.identity == nil && p.isHeld() {
		t.holdOn(p)
	}
	return t.finish()
}

// holdOn has a client that nobody knows wait on for its identity, if that is what it does.
func (t *Table) holdOn(p *Peer) {
	if t.cfg.waitsForName() {
		t.askWho(p, true)
	} else {
		t.release(p)
	}
}

// give gives a client the identity by which others know it.
func (t *Table) give(p *Peer, s *Saying) {
	h, n := s.hint(p.origin.Address)
	key := hintKey{endpoint: s.Endpoint}
	if s.Endpoint == "" {
		key = hintKey{address: s.Address, identity: s.Identity}
		if p.coming != nil {
			p.hinted = true
		}
	}
	t.hints.held.remove(key, t.now)
	t.say(h, n, p)
}

// reconcile has what is held of an address be as others know it: what they would know, and do not, has
// been used up there.
func (t *Table) reconcile(is *Heard) {
	w := t.hints.next[is.Address]
	switch {
	case !is.Known || is.Address == "" || w == nil:
		return
	case is.Contested:
		w.contested = true
		return
	}
	for _, name := range slices.Clone(w.identities) {
		key := hintKey{address: is.Address, identity: name}
		x := t.hints.held.items[key]
		if name != is.Identity && x != nil && x.place.since >= is.Since && x.place.since < is.Until {
			t.hints.held.remove(key, t.now)
		}
	}
}

// HelloAfter is [Table.Hello] of somebody of whose address others have told before.
func (t *Table) HelloAfter(now time.Duration, h Hint, is Heard) ([]Action, error) {
	if !h.speaksOfAddress() {
		return t.Hint(now, h), nil
	}
	t.begin(now)
	if h.Worker {
		is = Heard{}
	}
	is.Address = h.Address
	if t.reconcile(&is); is.Known && is.Identity != "" {
		t.await(is.hint(h.Address))
	}
	p, err := t.meant(h)
	if err == nil && is.Contested {
		t.tellOthers(Saying{Address: h.Address, Contested: true})
		err = &Ambiguous{Address: h.Address}
	}
	if err != nil {
		return t.finish(), err
	}
	t.helloOf(h, p)
	return t.finish(), nil
}
