package pairing

import (
	"cmp"
	"slices"
)

// A worker that dials in is known by its address until it says who it is. What
// it says holds for one connection, or, said of an address, for all that come
// from there: the slots of one process are then one worker with one load.

// name gives a peer an identity and, if it is a worker's, the worker its connection.
func (t *Table) name(p *Peer, n naming) {
	t.identify(p, n.identity, n.source)
	if p.client {
		return
	}
	t.rename(p, n.identity)
	if p.named = true; p.greeted && p.state == PeerConnected {
		t.offer(p)
	}
	if w := p.worker; w.name == n.identity {
		t.describe(w, n)
	}
}

// describe has what a worker says of itself count, but for what an operator has said of it, here or
// everywhere: it says so again with each of its connections.
func (t *Table) describe(w *worker, n naming) {
	weighs := n.weight > 0 && w.said[RegisterWeight].At == 0
	bounds := n.max > 0 && w.said[RegisterMaxPairs].At == 0
	if weighs {
		w.weight = min(n.weight, MaxWeight)
	}
	if bounds {
		w.max = n.max
	}
	if weighs || bounds {
		t.place(w)
	}
}

// rename makes a worker's connection one of the worker called name. A connection
// that is in a pair stays where it is until the pair has ended, and it with it.
func (t *Table) rename(p *Peer, name string) {
	old := p.worker
	if old.name == name || p.inPair() {
		return
	}
	w := t.workerOfConnection(name)
	p.among.leave()
	if p.state == PeerSlot {
		w.insertSlot(p)
	} else {
		w.greeting.pushBack(&p.among)
	}
	p.worker = w
	if p.origin.Address != "" {
		old.dialledIn--
		w.dialledIn++
	}
	t.place(old)
	t.place(w)
}

// alias has all connections that workers make from an address be of the worker
// that n names, those in pairs excepted. At most [Config.HintMax] addresses are
// known so; the one that has been of no use for longest goes first.
func (t *Table) alias(address string, n naming) {
	if t.cfg.HintMax == 0 {
		return
	}
	// Over ipc each process of a worker has an address of its own, and is gone one day.
	for t.aliases.Add(address, n); t.aliases.Len() > t.cfg.HintMax; {
		t.aliases.RemoveOldest()
	}
	for _, p := range t.unpairedFrom(address) {
		if p.identity == nil || p.identity.name == n.identity {
			t.name(p, n)
		}
	}
}

// unpairedFrom are the connections from an address that workers have dialled in
// and that are in no pair, in the order of their ids.
func (t *Table) unpairedFrom(address string) (peers []*Peer) {
	for _, p := range t.dialledIn[address] {
		if !p.inPair() {
			peers = append(peers, p)
		}
	}
	slices.SortFunc(peers, func(a, b *Peer) int { return cmp.Compare(a.ID, b.ID) })
	return peers
}

// dropAlias forgets the addresses of a worker, and says whether there were any.
func (t *Table) dropAlias(name string) bool {
	found := false
	for _, address := range t.aliases.Keys() {
		if n, _ := t.aliases.Peek(address); n.identity == name {
			t.aliases.Remove(address)
			found = true
		}
	}
	return found
}
