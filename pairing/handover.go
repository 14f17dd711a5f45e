package pairing

import "time"

// HandOver forgets peers, with the other halves of their pairs, because another table has
// them now ([Table.SavePeers]). Nothing is told of it, and nobody has ended. Unknown ids are ignored.
func (t *Table) HandOver(now time.Duration, ids []PeerID) []Action {
	t.at(now)
	for _, id := range ids {
		if p := t.index.get(id); p != nil {
			t.handOver(p)
		}
	}
	t.begin(now) // now, or a slot that has become too old since would be closed although another has it
	return t.finish()
}

func (t *Table) handOver(p *Peer) {
	switch {
	case p.inPair():
		t.handOverPair(clientOf(p))
	case p.client:
		switch p.state {
		case PeerWaiting:
			t.queue.remove(p)
		case PeerDialling:
			t.undial(p)
		}
		t.lose(p)
	default:
		p.among.leave()
		t.lose(p)
		t.place(p.worker)
	}
}

func (t *Table) handOverPair(c *Peer) {
	switch c.state {
	case PeerPaired:
		t.shookHands(c)
	case PeerOpen:
		t.stats.open--
	case PeerDraining:
		t.stats.draining--
	}
	for _, p := range [...]*Peer{c, c.partner} {
		if !p.gone {
			t.lose(p)
		}
	}
	c.partner.among.leave()
	t.place(c.worker)
}

// lose is [Table.forget] for a connection that is there as before, and that its worker
// so does not owe.
func (t *Table) lose(p *Peer) {
	replaced := p.replaced
	p.replaced = true
	t.forget(p)
	p.replaced = replaced
}

// Retire is for a table of which another one has all but some peers: it makes nothing of
// what workers owe and moves nobody any more, and it begins to count anew. What it had counted
// is [Saved.Counters].
func (t *Table) Retire(now time.Duration) []Action {
	t.begin(now)
	for t.awaited.n > 0 {
		t.unowe(t.awaited.first())
	}
	t.cfg.SlotLostAfter, t.awaited.after = 0, 0
	t.cfg.Failback, t.failbacks.after = 0, 0
	t.moves = moves{last: t.moves.last}
	t.moves.last.State = RebalanceInterrupted
	states := t.stats.states
	t.stats = counters{states: states, handshaking: t.stats.handshaking, open: t.stats.open, draining: t.stats.draining}
	t.failedBefore = [NumReasons]uint64{}
	return t.finish()
}

// HasCounted says whether there is anything in Counted.
func (t *Table) HasCounted() bool {
	c := t.stats
	c.states, c.handshaking, c.open, c.draining = counters{}.states, 0, 0, 0
	return c != counters{}
}

// Counted is what the table has counted since it was made, or since [Table.Retire].
func (t *Table) Counted() SavedCounters { return t.saveCounters() }
