package pairing

import "time"

// ClientConnected takes in a client's connection. It costs nobody anything until
// [Table.ClientReady]. If a limit is reached, or the table takes no more
// clients, it ends at once. A peer of the same id that is still known is taken
// to have closed.
func (t *Table) ClientConnected(now time.Duration, id PeerID, origin Origin, conn any) []Action {
	return t.ClientNamed(now, id, origin, conn, "")
}

// ClientNamed is [Table.ClientConnected] for a client whose identity is known from the
// beginning, whatever is said of where it comes from; "" for one of which it is not.
func (t *Table) ClientNamed(now time.Duration, id PeerID, origin Origin, conn any, identity string) []Action {
	t.begin(now)
	t.supersede(id)
	t.stats.clients++
	p := newClient(id, origin, conn)
	p.connected = t.now
	if why := t.refusal(origin); why != NoReason {
		t.abort(p, why)
		t.ended(p, why)
		return t.finish()
	}
	t.know(p)
	t.handshakes.start(&p.phase, t.now)
	if identity != "" {
		t.name(p, naming{identity: identity})
	}
	if origin.known() {
		t.claimHint(p)
	}
	return t.finish()
}

// ClientFrom says where a client comes from that connected with the zero [Origin], because a
// balancer is to say so. It may be too many of its address. Calls for other than a
// client that is not ready are ignored.
func (t *Table) ClientFrom(now time.Duration, id PeerID, origin Origin) []Action {
	t.begin(now)
	p := t.index.get(id)
	if p == nil || !p.client || p.state != PeerConnected || p.place > 0 || p.held || p.origin.known() {
		return t.finish()
	}
	most := t.cfg.MaxPerAddress
	full := most > 0 && t.clientsFrom(origin.Address) >= most
	t.leaveOrigin(p)
	p.origin = &origin
	t.joinOrigin(p)
	if origin.Endpoint != "" {
		t.byEndpoint[side(p)].put(p)
	}
	if full {
		t.endClient(p, QueueFull, true)
	} else {
		t.claimHint(p)
	}
	return t.finish()
}

// joinOrigin counts a client among those of its address.
func (t *Table) joinOrigin(p *Peer) {
	of := t.addresses[p.origin.Address]
	if of == nil {
		of = &addressed{}
		t.addresses[p.origin.Address] = of
	}
	of.clients++
	of.unnamed.pushBack(&p.among)
}

// leaveOrigin takes a client out of those of its address.
func (t *Table) leaveOrigin(p *Peer) {
	p.among.leave()
	of := t.addresses[p.origin.Address]
	if of.clients--; of.clients == 0 {
		delete(t.addresses, p.origin.Address)
	}
}

// clientsFrom is how many clients an address has.
func (t *Table) clientsFrom(address string) int {
	if of := t.addresses[address]; of != nil {
		return of.clients
	}
	return 0
}

// refusal is why a client from origin may not stay, NoReason if it may.
func (t *Table) refusal(origin Origin) Reason {
	c := &t.cfg
	if t.refuse != NoReason {
		return t.refuse
	}
	if c.MaxClients > 0 && t.clients >= c.MaxClients ||
		c.MaxPerAddress > 0 && origin.known() && t.clientsFrom(origin.Address) >= c.MaxPerAddress {
		return QueueFull
	}
	return NoReason
}

// supersede makes room for a new connection of a known id.
func (t *Table) supersede(id PeerID) {
	if p := t.index.get(id); p != nil {
		t.vanish(p, Closed)
	}
}

// ClientReady says that what the client has sent looks like ZMTP: it gets a
// worker, or waits for one. Calls for other than a client that just connected
// are ignored.
func (t *Table) ClientReady(now time.Duration, id PeerID) []Action {
	t.begin(now)
	p := t.index.get(id)
	if p == nil || !p.client || p.state != PeerConnected || p.held || p.asking {
		return t.finish()
	}
	p.phase.leave()
	if !t.holdUnnamed(p) {
		t.enter(p, t.now)
	}
	return t.finish()
}

// enter gives a client a worker, or has it wait for one. Others are asked of it since.
func (t *Table) enter(p *Peer, since time.Duration) {
	t.queue.admit(p, t.now)
	if !t.ask(p, since) {
		t.seek(p)
	}
}

// seek gives a client a worker that has its place in the queue, or has it wait there.
func (t *Table) seek(p *Peer) {
	t.wish(p)
	waiting := t.queue.len() + t.apart.n
	switch {
	case t.barred(p):
		if !t.bar(p, waiting < t.cfg.QueueMax) {
			t.endClient(p, QueueFull, true)
		}
	case t.anybody():
		t.assign(p)
	case waiting < t.cfg.QueueMax:
		t.wait(p, p.asked)
	case t.cfg.QueueMax == 0 && t.usable == 0: // there is no queue that could be full
		t.endClient(p, NoWorker, true)
	default:
		t.endClient(p, QueueFull, true)
	}
}

// assign gives a client a worker. Somebody must be choosable.
func (t *Table) assign(p *Peer) {
	w := t.pick(p)
	if s := w.slots.first(); s != nil {
		t.takeSlot(s)
		t.pair(p, s)
		return
	}
	t.dial(p, w)
}

// AskSilent has the table ask, by its connection, whether a client that is not ready and
// ends by its own going or by the time limit has never sent a byte: then it ends with [ProbeOnly].
func (t *Table) AskSilent(silent func(conn any) bool) { t.silent = silent }

// probed is why a client ends that has not been ready, if it ends for such a reason.
func (t *Table) probed(p *Peer, why Reason) Reason {
	switch why {
	case ClientClosed, ClientReset, HandshakeTimeout:
		if p.state == PeerConnected && p.place == 0 && t.silent != nil && t.silent(p.Conn) {
			return ProbeOnly
		}
	}
	return why
}

// endClient ends a client that is in no pair. abort is false when its connection
// no longer exists.
func (t *Table) endClient(p *Peer, why Reason, abort bool) {
	why = t.probed(p, why)
	switch p.state {
	case PeerWaiting:
		t.queue.remove(p)
	case PeerDialling:
		t.undial(p)
	}
	t.holdAgain(p, why)
	t.forget(p)
	if abort {
		t.abort(p, why)
	}
	t.ended(p, why)
}

func (t *Table) abort(p *Peer, why Reason) {
	t.emit(Action{Op: Abort, Peer: p.ID, Conn: p.Conn, Reason: why})
}

// ended tells of a client's stay.
func (t *Table) ended(p *Peer, why Reason) {
	t.stats.ended[why]++
	t.countFailure(p, why)
	t.disclaim(p)
	if p.inPair() {
		t.stats.pairsEnded[why]++
	}
	r := &Record{
		Client: p.ID, ClientConn: p.Conn, Origin: *p.origin, Identity: p.Identity(),
		Worker: p.Worker(), Reason: why, Total: t.now - p.connected, Dials: int(p.dials),
		Paired: p.inPair(), Opened: p.wasOpen,
	}
	a := Action{Op: Ended, Peer: p.ID, Conn: p.Conn, Worker: r.Worker, Reason: why, Record: r}
	switch s := p.partner; {
	case s != nil:
		r.WorkerPeer, r.WorkerConn, r.WorkerOrigin = s.ID, s.Conn, *s.origin
		a.Partner, a.PartnerConn = s.ID, s.Conn
		r.Waited = p.paired - p.ready
		r.Handshake = p.opened - p.paired
	case p.place > 0:
		r.Waited = t.now - p.ready
	}
	if r.Paired && !r.Opened {
		r.Handshake = p.over - p.paired
	}
	t.emit(a)
}
