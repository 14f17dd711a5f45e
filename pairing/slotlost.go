package pairing

import "time"

// libzmq never dials again on a connecting socket whose handshake ended in what it
// takes for a protocol error (4.3.4, 4.3.5: session_base_t::engine_error). So a worker
// that dials in by itself can lose a connection for good to a client, and says nothing.
// What can be counted is what comes back.
//
// Each connection that a worker has dialled in and that goes is owed: the worker is
// expected to dial once for it. Whatever it dials next settles one that is owed; those
// that are sure to come back first, so that what is left is what did not. One that is
// owed for Config.SlotLostAfter is lost if a client had it, unless the worker does with
// fewer, or has gone: then those that no client had do not come back, either.

const (
	// lostMax is how many lost slots are kept until somebody asks.
	lostMax = 64
	// costlyMax addresses that cost slots are known, each for costlyFor since the last.
	costlyMax = 1024
	costlyFor = 30 * time.Minute
	// An address that cost a slot is kept from those that dial in for barMin; that
	// doubles with each further slot, up to barMax.
	barMin = 10 * time.Second
	barMax = 10 * time.Minute
	// wantedFor is how long somebody else's wish for a worker counts.
	wantedFor = time.Minute
	// apartLook is how often it is seen whether who waits apart still has to.
	apartLook = time.Second
	// settledLook is how many pairs, or connections that are owed, are looked at most.
	settledLook = 16
	// atOnce is how far apart the connections of a process go that has ended.
	atOnce = 50 * time.Millisecond
	// shrunkMax workers are known to do with fewer connections.
	shrunkMax = 1024
)

// LostSlot is a worker's connection that did not come back after a client had it.
type LostSlot struct {
	Worker   string
	Client   PeerID
	Origin   Origin // of the client
	Identity string // of the client, "" for none
	Reason   Reason // of the pair's end
	Opened   bool   // the pair had opened
}

// owed is a connection that a worker dialled in, that has gone, and that is awaited.
type owed struct {
	of    *owing
	kind  owedKind
	slot  LostSlot
	timer node[*owed] // in the table's
	place node[*owed] // in its worker's, of its kind
}

// owedKind is what was the connection's last use: in this order they are settled.
type owedKind uint8

const (
	owedIdle   owedKind = iota // it was a slot, or an operator or the proxy ended its pair
	owedOpened                 // its pair had opened
	owedFailed                 // its pair had not
	owedKinds
)

// owing is what a worker owes; it outlives the worker's being known.
type owing struct {
	worker string
	byKind [owedKinds]list[*owed]
	n      int
	last   time.Duration // when one went last
}

// owe notes that a connection is gone which its worker dialled in. It is called
// before its worker may be forgotten, and when the reason is known.
func (t *Table) owe(p *Peer) {
	if t.cfg.SlotLostAfter == 0 || t.refuse != NoReason || p.origin.Address == "" || p.state == PeerConnected || p.replaced {
		return
	}
	o := &owed{slot: LostSlot{Worker: p.worker.name}}
	if c := p.partner; c != nil && p.reason.telling() {
		o.slot = LostSlot{
			Worker: p.worker.name, Client: c.ID, Origin: *c.origin, Identity: c.Identity(), Reason: p.reason, Opened: c.wasOpen,
		}
		o.kind = owedFailed
		if c.wasOpen {
			o.kind = owedOpened
		}
	}
	o.of = t.owing[p.worker.name]
	if o.of == nil {
		o.of = &owing{worker: p.worker.name}
		t.owing[p.worker.name] = o.of
	}
	o.timer.owner, o.place.owner = o, o
	o.of.n++
	o.of.last = t.now
	o.of.byKind[o.kind].pushBack(&o.place)
	t.awaited.start(&o.timer, t.now)
}

// settle notes that a worker has dialled in: that is for one that it owes. If it owes
// none, it is for a pair's that has not gone yet: an agent replaces what is in use.
func (t *Table) settle(w *worker) {
	of := t.owing[w.name]
	if of == nil || of.n == 0 {
		for s, i := w.paired.tail, 0; s != nil && i < settledLook; s, i = s.prev, i+1 {
			if p := s.owner; !p.replaced && !p.gone && p.origin.Address != "" {
				p.replaced = true
				return
			}
		}
		return
	}
	for kind := range of.byKind {
		if o := t.nextOwed(&of.byKind[kind]); o != nil {
			t.unowe(o)
			return
		}
	}
}

// nextOwed is the one that most likely has come back: the longest owed of an address
// that has not cost a slot before, or else the longest.
func (t *Table) nextOwed(of *list[*owed]) *owed {
	for o, i := of.head, 0; o != nil && i < settledLook; o, i = o.next, i+1 {
		if !t.costly.Contains(o.owner.slot.Origin.Address) {
			return o.owner
		}
	}
	return of.first()
}

func (t *Table) unowe(o *owed) {
	o.timer.leave()
	o.place.leave()
	if o.of.n--; o.of.n == 0 {
		delete(t.owing, o.of.worker)
	}
}

// expireOwed gives up one that did not come back in time.
func (t *Table) expireOwed(o *owed) {
	worker := o.of.worker
	lost := t.isLost(o)
	if o.kind == owedIdle {
		t.shrunk.Add(worker, o.timer.since)
	}
	t.unowe(o)
	if !lost {
		return
	}
	t.stats.slotsLost++
	t.cost(o.slot.Origin.Address)
	if len(t.lostSlots) < lostMax {
		t.lostSlots = append(t.lostSlots, o.slot)
	}
	w := t.workers[worker]
	if w == nil {
		w = t.newWorker(worker, 1, 0)
	}
	w.lost++
	t.losers.start(&w.loser, t.now)
	t.place(w)
}

// isLost says whether it is the client's doing that one did not come back.
func (t *Table) isLost(o *owed) bool {
	if o.kind == owedIdle {
		return false
	}
	within := t.awaited.after
	if at, ok := t.shrunk.Peek(o.of.worker); ok && o.timer.since-at < within { // of others before it
		return false
	}
	if idle := o.of.byKind[owedIdle].first(); idle != nil && t.now-idle.timer.since >= within/2 { // and after
		return false
	}
	if o.kind == owedOpened { // of a worker that has ended nothing is left, and all went at once
		w := t.workers[o.of.worker]
		return w != nil && w.dialledIn > 0 || o.of.last-o.timer.since >= atOnce
	}
	return true
}

// forgive has a worker that lost slots be forgotten again when nothing of it is left.
func (t *Table) forgive(w *worker) {
	w.loser.leave()
	t.place(w)
}

// LostSlots are those that were lost since it was last called, lostMax at most;
// [Stats.SlotsLost] counts them all.
func (t *Table) LostSlots() []LostSlot {
	all := t.lostSlots
	t.lostSlots = nil
	return all
}

// costly is an address that cost slots.
type costly struct {
	slots       int
	last, until time.Duration // it is kept from those that dial in
}

// cost notes that an address cost a slot.
func (t *Table) cost(address string) {
	if address == "" {
		return
	}
	c, ok := t.costly.Get(address)
	if !ok || t.now-c.last >= costlyFor {
		c = costly{}
	}
	c.slots++
	c.last = t.now
	c.until = t.now + min(barMin<<min(c.slots-1, 20), barMax)
	t.costly.Add(address, c)
}

// wishes are the last two addresses that have cost no slot and wanted a worker.
type wishes [2]wish

type wish struct {
	address string
	at      time.Duration
	any     bool
}

// wish notes that somebody wants a worker: who has cost slots should stand back.
func (t *Table) wish(p *Peer) {
	address, w := p.origin.Address, &t.wishes
	if c, ok := t.costly.Peek(address); ok && t.now-c.last < costlyFor {
		return
	}
	if !w[0].any || w[0].address != address {
		w[1] = w[0]
	}
	w[0] = wish{address, t.now, true}
}

// fromOthers says whether somebody of another address wanted a worker of late.
func (w *wishes) fromOthers(address string, now time.Duration) bool {
	last := w[0]
	if last.address == address {
		last = w[1]
	}
	return last.any && now-last.at < wantedFor
}

// barred says whether a client may have no slot: its address has cost some of late, and
// somebody else wants them.
func (t *Table) barred(p *Peer) bool {
	if t.costly.Len() == 0 {
		return false
	}
	c, ok := t.costly.Peek(p.origin.Address)
	return ok && t.now < c.until && t.wishes.fromOthers(p.origin.Address, t.now)
}

// bar gives a client a worker that listens, or has it wait apart from the others if it
// may wait; false if neither is possible.
func (t *Table) bar(p *Peer, mayWait bool) bool {
	if w := t.listening(p); w != nil {
		t.dial(p, w)
		return true
	}
	if mayWait {
		t.setState(p, PeerWaiting)
		t.apart.start(&p.phase, t.now)
	}
	return mayWait
}

// listening is a worker that could be dialled for a client, nil if there is none: the
// one that it would have got, or else the least loaded. It looks at every worker; who
// has cost slots is worth that.
func (t *Table) listening(p *Peer) (best *worker) {
	if !t.anybody() {
		return nil
	}
	if w := t.pick(p); w.endpoint != "" && !w.portless {
		return w
	}
	for _, c := range t.classes {
		for _, w := range c.members {
			if w.endpoint != "" && !w.portless && (best == nil || lighter(w, best)) {
				best = w
			}
		}
	}
	return best
}

// unbar sees whether who waits apart still has to.
func (t *Table) unbar(p *Peer) {
	p.phase.leave()
	switch {
	case t.now-p.ready >= t.cfg.QueueTimeout:
		t.endClient(p, QueueTimeout, true)
	case t.barred(p):
		t.bar(p, true)
	default:
		t.wait(p, true)
	}
}
