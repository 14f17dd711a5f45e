package pairing

import "time"

// WorkerConnected takes in a connection that a worker has dialled in. worker is
// its name, by the caller's choice its source address; a worker that is not
// known, or was removed, becomes known with weight 1 and without a maximum, for
// as long as something of it is there. A peer of the same id that is still known
// is taken to have closed.
func (t *Table) WorkerConnected(now time.Duration, id PeerID, worker string, origin Origin, conn any) []Action {
	t.begin(now)
	t.supersede(id)
	p := &Peer{ID: id, Conn: conn, origin: origin}
	if t.refuse != NoReason {
		t.abort(p, t.refuse)
		return t.finish()
	}
	w := t.workers[worker]
	switch {
	case w == nil:
		w = t.newWorker(worker, 1, 0)
	case w.removed:
		w.removed, w.kept, w.state, w.max = false, false, Ready, 0
		t.reweigh(w, 1)
	}
	p.worker = w
	t.know(p)
	w.greeting.pushBack(p)
	p.phase.start(&t.handshakes, t.now)
	p.span.start(&t.ages.queues[t.random.IntN(spread)], t.now)
	t.claimHint(p)
	t.place(w)
	return t.finish()
}

// WorkerReady says that the greeting of a connection that a worker dialled in is
// there: it is a slot, or serves the longest-waiting client at once. Calls for
// other than such a connection are ignored.
func (t *Table) WorkerReady(now time.Duration, id PeerID) []Action {
	t.begin(now)
	p := t.index.get(id)
	if p == nil || p.client || p.state != PeerConnected {
		return t.finish()
	}
	p.phase.stop()
	w := p.worker
	w.greeting.remove(p)
	t.setState(p, PeerSlot)
	t.stats.slotsMade++
	t.insertSlot(w, p)
	t.place(w)
	return t.finish()
}

// takeSlot takes a slot for a client.
func (t *Table) takeSlot(s *Peer) {
	s.span.stop()
	s.worker.slots.remove(s)
}

// expireSlots closes the slots that have reached their age, so that their
// workers dial in afresh. A connection that has not even greeted by then goes
// likewise.
func (t *Table) expireSlots() {
	for x := t.ages.due(t.now); x != nil; x = t.ages.due(t.now) {
		if x.owner.state == PeerSlot {
			t.stats.slotsRecycled++
		}
		t.dropWorkerPeer(x.owner, NoReason)
	}
}

// dropWorkerPeer aborts a worker's connection that is in no pair.
func (t *Table) dropWorkerPeer(p *Peer, why Reason) {
	t.abort(p, why)
	t.loseWorkerPeer(p)
}

// loseWorkerPeer forgets a worker's connection that is in no pair.
func (t *Table) loseWorkerPeer(p *Peer) {
	w := p.worker
	if p.state == PeerSlot {
		w.slots.remove(p)
	} else {
		w.greeting.remove(p)
		t.stats.ungreeted++
	}
	t.forget(p)
	t.place(w)
}
