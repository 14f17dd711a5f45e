package pairing

import (
	"fmt"
	"slices"
	"time"
)

// HELLO without an endpoint says no more than an address: "the connection from where I
// am". Behind NAT, or on one host, several clients are there, and whoever guesses gives
// one the name of another. So an address alone names a connection only where there is
// no choice: see [Table.Hello].

// addressed are the clients of one address.
type addressed struct {
	clients int
	unnamed list[*Peer] // those without an identity, the oldest first
}

// awaited are the identities that wait for the next clients from one address.
type awaited struct {
	identities []string // the oldest first
	// contested: several clients from there have said HELLO at once, and none of the
	// identities that they have said can be given to whoever comes next.
	contested bool
}

// Ambiguous is the error of [Table.Hello] when it cannot be known whom is meant.
type Ambiguous struct {
	Address string
	// Several connections from there have no identity.
	Several bool
	// Worker has connections from there that are to be another worker's; else it is "".
	Worker string
}

// Error says what there is to choose from. It names no other client's identity.
func (e *Ambiguous) Error() string {
	switch {
	case e.Several:
		return fmt.Sprintf("several connections from %s have no name", e.Address)
	case e.Worker != "":
		return fmt.Sprintf("connections from %s are worker %q", e.Address, e.Worker)
	}
	return fmt.Sprintf("another identity waits for the next connection from %s", e.Address)
}

// Hello is [Table.Hint] for somebody who speaks of a connection of its own. Without an
// endpoint it is about the only client from h.Address that has no identity, or about
// the next one if there is none, or it has connected longer than [Config.HintTTL] ago;
// or, of a worker, about all that dial in from there. An [*Ambiguous] error says that this
// cannot be known, and then nobody gets the identity: also not those who have said
// HELLO for the next client from there before and whom nobody could tell from this one.
func (t *Table) Hello(now time.Duration, h Hint) ([]Action, error) {
	return t.HelloAfter(now, h, Heard{})
}

// speaksOfAddress: an address is all that it says of the connection.
func (h *Hint) speaksOfAddress() bool { return h.Endpoint == "" && h.Address != "" && h.Identity != "" }

// helloOf is what Hello does about a client, nil for the next one, and for a worker.
func (t *Table) helloOf(h Hint, p *Peer) {
	n := naming{identity: h.Identity, weight: h.Weight, max: h.MaxPairs, source: h.Source, hello: true}
	if p == nil {
		t.say(h, n, nil)
		return
	}
	if key := (hintKey{address: h.Address, identity: h.Identity}); t.hints.held.remove(key, t.now) {
		t.retract(key)
	}
	if p.coming != nil {
		p.hinted = true
	}
	t.say(h, n, p)
}

// meant is the client of which a hint without an endpoint speaks, nil for the next
// one, and for a worker.
func (t *Table) meant(h Hint) (*Peer, error) {
	if h.Worker {
		if other := t.otherWorker(h); other != "" {
			return nil, &Ambiguous{Address: h.Address, Worker: other}
		}
		return nil, nil
	}
	if w := t.hints.next[h.Address]; w != nil && (t.isContested(w, h.Address) || t.othersWait(w, h, false)) {
		t.contest(w, h)
		return nil, &Ambiguous{Address: h.Address}
	}
	a := t.addresses[h.Address]
	switch {
	case a == nil || a.unnamed.n == 0:
		return nil, nil
	case a.unnamed.n > 1:
		return nil, &Ambiguous{Address: h.Address, Several: true}
	}
	p := a.unnamed.first()
	if t.cfg.HintTTL > 0 && t.now-p.connected >= t.cfg.HintTTL { // it would have said so long ago
		return nil, nil
	}
	return p, nil
}

// otherWorker is the worker whose connections from h.Address would be h's from now on,
// "" when there is none.
func (t *Table) otherWorker(h Hint) string {
	a, known := t.aliases.Peek(h.Address)
	if !known || a.identity == h.Identity {
		return ""
	}
	for _, p := range t.dialledIn[h.Address] {
		if p.Identity() == a.identity {
			return a.identity
		}
	}
	return ""
}

// othersWait says whether another identity than h's waits for the next client from
// h.Address; with hello, one that was said by HELLO.
func (t *Table) othersWait(w *awaited, h Hint, hello bool) bool {
	return slices.ContainsFunc(w.identities, func(name string) bool {
		n, waits := t.hints.held.get(hintKey{address: h.Address, identity: name}, t.now)
		return waits && name != h.Identity && (n.hello || !hello)
	})
}

// isContested says whether what waits for the next client from an address is
// contested. Identities whose time is over, and that are only not yet forgotten,
// contest nothing any more.
func (t *Table) isContested(w *awaited, address string) bool {
	return w.contested && slices.ContainsFunc(w.identities, func(name string) bool {
		_, waits := t.hints.held.get(hintKey{address: address, identity: name}, t.now)
		return waits
	})
}

// contest has nobody who comes from an address get an identity that was said by HELLO
// for the next, for as long as others go on saying theirs.
func (t *Table) contest(w *awaited, h Hint) {
	if !t.isContested(w, h.Address) && !t.othersWait(w, h, true) { // an operator knows whom he means
		return
	}
	w.contested = true
	for _, name := range slices.Clone(w.identities) {
		key := hintKey{address: h.Address, identity: name}
		if n, waits := t.hints.held.get(key, t.now); waits && n.hello {
			t.hints.held.put(key, n, n.source, false, t.now)
		}
	}
	t.tellOthers(Saying{Address: h.Address, Contested: true})
}
