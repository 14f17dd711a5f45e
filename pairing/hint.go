package pairing

import (
	"slices"
	"time"
)

// Hint is what an application has said of one of its connections, by a way of
// its own: the proxy does not read what the connection carries.
type Hint struct {
	// Identity is the name that the connection is to have. A hint without one
	// is ignored.
	Identity string
	// Endpoint is IP:PORT of the connection's far end, or "".
	Endpoint string
	// Address is used when Endpoint is "": the next client to connect from it
	// is meant.
	Address string
	// Prefer is the worker to have and, after it, the fallbacks, by name.
	Prefer []string
	// Worker says that it is about connections that a worker dials in: the
	// identity is the worker's name. With an Address it is about all that come
	// from there, now and later.
	Worker bool
	// Weight of that worker, 1 to [MaxWeight]; 0 leaves it as it is.
	Weight int
	// MaxPairs of that worker; 0 leaves it as it is.
	MaxPairs int
	// Source is the address of who says it, by which hints are bounded, see
	// [Config.SourceMax]; "" for an operator.
	Source string
}

// identity is a name that live peers have.
type identity struct {
	name   string
	source string  // who has named its first peer
	peers  []*Peer // in no order
	lease  node[*identity]
}

// hintKey is what a hint that is held waits for: the connection from an
// endpoint, or, for one identity, the next client from an address.
type hintKey struct {
	endpoint, address, identity string
	worker                      bool // a worker's connection
}

// naming is what a hint says of a connection.
type naming struct {
	identity string
	weight   int // of the worker, of whose connection it is said
	max      int // likewise, of its pairs
	source   string
	hello    bool // by an address alone, and not by an operator's HINT
}

// hints are those whose connection does not exist yet.
type hints struct {
	held memory[hintKey, naming]
	next map[string]*awaited // by the address that they wait for
}

// Hint gives a peer an identity, and the identity its preferences. If the
// connection exists, its present pair stays and the next pairing follows the
// preferences; else the hint is held for it, for [Config.HintTTL]. It also
// renews the identity's heartbeat.
func (t *Table) Hint(now time.Duration, h Hint) []Action {
	t.begin(now)
	if h.Identity != "" {
		n := naming{identity: h.Identity, weight: h.Weight, max: h.MaxPairs, source: h.Source}
		t.say(h, n, t.PeerAt(h.Endpoint, !h.Worker))
	}
	return t.finish()
}

// say is what Hint does about a peer, nil when it is not there.
func (t *Table) say(h Hint, n naming, p *Peer) {
	i := t.identities[h.Identity]
	t.preferred.put(h.Identity, slices.Clone(h.Prefer), h.Source, i != nil || p != nil, t.now)
	if i != nil {
		t.leaseIdentity(i)
	}
	switch {
	case h.Worker && h.Endpoint == "":
		t.alias(h.Address, n)
	case p != nil:
		t.name(p, n)
	default:
		t.hold(h, n)
	}
}

// hold keeps a hint until its connection is there, here or elsewhere.
func (t *Table) hold(h Hint, n naming) {
	if t.cfg.HintMax == 0 || h.Endpoint == "" && h.Address == "" {
		return
	}
	switch t.await(h, n); {
	case h.Worker:
	case h.Endpoint != "":
		t.tellOthers(Saying{Endpoint: h.Endpoint, Identity: n.identity, Prefer: h.Prefer, Hello: n.source != ""})
	default:
		w := t.hints.next[h.Address]
		if w != nil && w.contested && n.hello {
			t.tellOthers(Saying{Address: h.Address, Contested: true})
			break
		}
		t.tellOthers(Saying{Address: h.Address, Identity: n.identity, Prefer: h.Prefer, Hello: n.hello})
	}
}

// await keeps a hint until its connection is here.
func (t *Table) await(h Hint, n naming) {
	key := hintKey{endpoint: h.Endpoint, worker: h.Worker}
	if h.Endpoint == "" {
		key = hintKey{address: h.Address, identity: h.Identity}
		if _, waits := t.hints.held.get(key, t.now); !waits {
			t.hints.held.remove(key, t.now)
			w := t.hints.next[h.Address]
			if w == nil {
				w = &awaited{}
				t.hints.next[h.Address] = w
			}
			w.contested = t.isContested(w, h.Address) || n.hello && t.othersWait(w, h, true)
			w.identities = append(w.identities, h.Identity)
		}
	}
	t.hints.held.put(key, n, h.Source, false, t.now)
}

// dropped is told of every hint that is not held any more.
func (h *hints) dropped(key hintKey) {
	if key.endpoint != "" {
		return
	}
	w := h.next[key.address]
	if w == nil {
		return
	}
	if i := slices.Index(w.identities, key.identity); i >= 0 {
		w.identities = slices.Delete(w.identities, i, i+1)
	}
	if len(w.identities) == 0 {
		delete(h.next, key.address)
	}
}

// claimHint gives a new peer the identity of the hint that was held for it.
func (t *Table) claimHint(p *Peer) {
	if t.cfg.HintMax > 0 && p.identity == nil {
		t.claimHeld(p)
	}
	t.arrived(p)
}

func (t *Table) claimHeld(p *Peer) {
	if e := p.origin.Endpoint; e != "" && t.claim(p, hintKey{endpoint: e, worker: !p.client}) {
		return
	}
	if !p.client {
		if a, ok := t.aliases.Get(p.origin.Address); ok {
			t.name(p, a)
		}
		return
	}
	if !t.cfg.asksWho() { // else when others have told
		t.claimByAddress(p)
	}
}

// claimByAddress gives a client the identity that waits for the next one from its address.
func (t *Table) claimByAddress(p *Peer) {
	w := t.hints.next[p.origin.Address]
	if w == nil {
		return
	}
	for _, name := range slices.Clone(w.identities) {
		key := hintKey{address: p.origin.Address, identity: name}
		if n, waits := t.hints.held.get(key, t.now); waits && n.hello && w.contested {
			continue // it may be somebody else's
		}
		p.hinted = true // first, since it may end by being named
		if t.claim(p, key) {
			return
		}
		p.hinted = false
	}
}

// holdAgain keeps the hint by address of a client that ends before its pair has
// opened and can be expected to come back: the application has seen nothing of it,
// and does not know that it has to say anything again.
func (t *Table) holdAgain(p *Peer, why Reason) {
	if p.hinted && p.identity != nil && why.comesBack() {
		n := naming{identity: p.identity.name, source: p.identity.source, hello: p.identity.source != ""}
		t.hold(Hint{Identity: n.identity, Address: p.origin.Address, Source: n.source}, n)
	}
}

// claim uses up the hint of key, if it is held and not too old.
func (t *Table) claim(p *Peer, key hintKey) bool {
	n, ok := t.hints.held.get(key, t.now)
	if t.hints.held.remove(key, t.now); ok {
		t.retract(key)
		t.name(p, n)
	}
	return ok
}

// preference is the workers that an identity has said it prefers, or is pinned
// to, if that is remembered still.
func (t *Table) preference(name string) ([]string, bool) {
	if is, pinned := t.pins.held.get(name, t.now); pinned {
		return is.workers, true
	}
	return t.preferred.get(name, t.now)
}

// MaxPeers is how many connections one identity may have: what is said of it is
// about all of them.
const MaxPeers = 256

// identify gives a live peer an identity in the place of the one that it has, if
// that does not have [MaxPeers] already.
func (t *Table) identify(p *Peer, name, source string) {
	i := t.identities[name]
	if p.Identity() == name || i != nil && len(i.peers) == MaxPeers {
		return
	}
	t.arrivals[side(p)].named(p)
	if p.client {
		p.among.leave()
	}
	t.leaveIdentity(p)
	if i == nil {
		i = &identity{name: name, source: source}
		i.lease.owner = i
		t.identities[name] = i
		t.keep(name, true)
	}
	p.identity, p.identityAt = i, int32(len(i.peers))
	i.peers = append(i.peers, p)
	t.leaseIdentity(i)
	if p.state == PeerWaiting {
		t.awaitsPin(p)
	}
	t.release(p)
}

// leaveIdentity has a peer no longer count among those of its identity. The peer
// keeps the name, for its record.
func (t *Table) leaveIdentity(p *Peer) {
	i := p.identity
	if i == nil {
		return
	}
	last := len(i.peers) - 1
	i.peers[p.identityAt] = i.peers[last]
	i.peers[p.identityAt].identityAt = p.identityAt
	i.peers[last] = nil
	i.peers = i.peers[:last]
	if last == 0 {
		i.lease.leave()
		delete(t.identities, i.name)
		t.keep(i.name, false)
	}
}

// keep says whether what is held of an identity stays because a peer has it.
func (t *Table) keep(name string, live bool) {
	t.preferred.setLive(name, live, t.now)
	t.habits.setLive(name, live, t.now)
}
