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
	p := newDialIn(id, origin, conn)
	if t.refuse != NoReason {
		t.abort(p, t.refuse)
		return t.finish()
	}
	w := t.workerOfConnection(worker)
	p.worker = w
	t.know(p)
	w.greeting.pushBack(&p.among)
	t.handshakes.start(&p.phase, t.now)
	t.ages.queues[t.random.IntN(spread)].start(&p.span, t.now)
	t.claimHint(p)
	t.place(w)
	return t.finish()
}

// WorkerReady says that the greeting of a connection that a worker dialled in is
// there: it is a slot, or serves the longest-waiting client at once; where workers must
// be named ([Config.RequireWorkerHello]), as soon as it is. Calls for other than such a connection are ignored.
func (t *Table) WorkerReady(now time.Duration, id PeerID) []Action {
	t.begin(now)
	p := t.index.get(id)
	if p == nil || p.client || p.state != PeerConnected {
		return t.finish()
	}
	if p.greeted = true; p.named || !t.cfg.RequireWorkerHello {
		t.offer(p)
	}
	return t.finish()
}

// offer makes a worker's connection a slot.
func (t *Table) offer(p *Peer) {
	p.phase.leave()
	p.among.leave()
	t.settle(p.worker)
	t.setState(p, PeerSlot)
	t.stats.slotsMade++
	p.worker.insertSlot(p)
	t.place(p.worker)
}

// workerOfConnection is the worker of a name that has dialled in: it becomes known
// if it is not, and one that was removed becomes known anew.
func (t *Table) workerOfConnection(name string) *worker {
	w := t.workers[name]
	switch {
	case w == nil:
		w = t.newWorker(name, 1, 0)
	case w.removed:
		w.removed, w.kept, w.state, w.max = false, false, Ready, 0
		w.weight, w.maxHandshakes = 1, 0
		t.revision++
	}
	return w
}

// insertSlot puts a slot among its worker's, freshest first. A connection greets
// right after it was made, so that its place is the first or next to it.
func (w *worker) insertSlot(p *Peer) {
	var fresher *node[*Peer]
	for s := w.slots.head; s != nil && s.owner.connected > p.connected; s = s.next {
		fresher = s
	}
	w.slots.insert(&p.among, fresher)
}

// takeSlot takes a slot for a client.
func (t *Table) takeSlot(s *Peer) {
	s.span.leave()
	s.among.leave()
}

// recycle closes a slot that has reached its age, so that its worker dials in
// afresh. A connection that has not even greeted by then goes likewise.
func (t *Table) recycle(p *Peer) {
	if p.state == PeerSlot {
		t.stats.slotsRecycled++
	}
	t.dropWorkerPeer(p, NoReason)
}

// dropWorkerPeer aborts a worker's connection that is in no pair.
func (t *Table) dropWorkerPeer(p *Peer, why Reason) {
	t.abort(p, why)
	t.loseWorkerPeer(p)
}

// loseWorkerPeer forgets a worker's connection that is in no pair.
func (t *Table) loseWorkerPeer(p *Peer) {
	w := p.worker
	p.among.leave()
	if p.state != PeerSlot {
		t.stats.ungreeted++
	}
	t.forget(p)
	t.place(w)
}
