package pairing

import "time"

// Gone is how a connection came to its end.
type Gone uint8

// The ways to go.
const (
	Closed   Gone = iota // in order, or nobody can tell
	Reset                // by a reset
	Followed             // in whatever way, after its partner: Followed|Reset when that was reset
)

// Reason is why a client's stay ends when it, or its worker's connection, has gone so
// and there was no handshake under way; in a handshake it is ClientGaveUp or RefusedByWorker.
func (g Gone) Reason(client bool) Reason {
	if g&Followed != 0 {
		client = !client
	}
	reset := g&Reset != 0
	switch {
	case client && reset:
		return ClientReset
	case client:
		return ClientClosed
	case reset:
		return WorkerReset
	default:
		return WorkerClosed
	}
}

// of is why a pair ends whose side p has gone so.
func (g Gone) of(p *Peer) Reason {
	why := g.Reason(p.client)
	if p.state == PeerPaired {
		why = why.inHandshake()
	}
	return why
}

// pair makes a client and a worker's connection, which is in no list, a pair.
func (t *Table) pair(c, s *Peer) {
	w := s.worker
	s.hasCome()
	w.paired.pushBack(&s.among)
	w.served++
	w.handshaking++
	c.worker, c.partner, s.partner = w, s, c
	c.paired = t.now
	t.setState(c, PeerPaired)
	t.setState(s, PeerPaired)
	t.stats.handshaking++
	t.stats.pairs++
	t.stats.waits.Observe(t.now - c.ready)
	t.handshakes.start(&c.phase, t.now)
	t.watchSilence(c)
	t.startLease(c)
	t.place(w)
	t.emit(Action{Op: Join, Peer: c.ID, Partner: s.ID, Conn: c.Conn, PartnerConn: s.Conn, Worker: w.name})
}

// Opened says that the handshake of a pair, named by either peer, has finished.
// Calls for other than a pair that shakes hands are ignored.
func (t *Table) Opened(now time.Duration, id PeerID) []Action {
	t.begin(now)
	p := t.index.get(id)
	if p == nil || p.state != PeerPaired {
		return t.finish()
	}
	c := clientOf(p)
	c.opened, c.wasOpen = t.now, true
	t.setState(c, PeerOpen)
	t.setState(c.partner, PeerOpen)
	t.shookHands(c)
	t.stats.open++
	t.stats.opened++
	t.stats.handshakeTimes.Observe(c.opened - c.paired)
	t.remember(c)
	t.cameBack(c)
	t.succeeded(c)
	c.hasCome()
	return t.finish()
}

// Gone says that a connection no longer exists. The other side of a pair is to
// be closed when it has received everything. Unknown ids are ignored.
func (t *Table) Gone(now time.Duration, id PeerID, how Gone) []Action {
	t.begin(now)
	if p := t.index.get(id); p != nil {
		t.vanish(p, how)
	}
	return t.finish()
}

func (t *Table) vanish(p *Peer, how Gone) {
	switch {
	case p.inPair() && p.partner.gone:
		t.forget(p)
		t.finishPair(clientOf(p))
	case p.inPair():
		t.drain(p, how.of(p))
	case p.client:
		t.endClient(p, how.Reason(true), false)
	default:
		if p.state == PeerSlot {
			t.stats.slotsClosed++
		}
		t.loseWorkerPeer(p)
	}
}

// drain begins the end of a pair of which p has gone.
func (t *Table) drain(p *Peer, why Reason) {
	c, rest := clientOf(p), p.partner
	t.over(c, why)
	t.stats.draining++
	t.forget(p)
	c.stopTimes()
	t.setState(p, PeerDraining)
	t.setState(rest, PeerDraining)
	t.finishes.start(&rest.span, t.now)
	t.emit(Action{Op: Close, Peer: rest.ID, Partner: p.ID, Conn: rest.Conn, PartnerConn: p.Conn, Worker: c.worker.name, Reason: why})
}

// maxFinishes is how many finish timeouts a pair may take in all, however slowly:
// who takes a byte at a time must not hold its worker's load for ever.
const maxFinishes = 10

// Delivering says that the remaining side of a pair still takes what the other
// has sent: its time for that (Config.FinishTimeout) begins anew, maxFinishes times
// at most. For other than a pair that drains it means nothing.
func (t *Table) Delivering(now time.Duration, id PeerID) {
	t.at(now)
	p := t.index.get(id)
	if p != nil && p.state == PeerDraining && t.now-clientOf(p).over < (maxFinishes-1)*t.finishes.after {
		t.finishes.start(&p.span, t.now)
	}
}

// shookHands: the handshake of a pair is over, well or not.
func (t *Table) shookHands(c *Peer) {
	t.stats.handshaking--
	c.worker.handshaking--
	c.turn.leave()
	if c.worker.maxHandshakes > 0 { // there is room for another
		t.place(c.worker)
	}
}

// over notes why and when a pair came to its end; only the first cause counts.
func (t *Table) over(c *Peer, why Reason) {
	switch c.state {
	case PeerPaired:
		t.shookHands(c)
		t.failed(c, why)
		t.holdAgain(c, why)
	case PeerOpen:
		t.stats.open--
	default: // it drains, its cause is known
		t.stats.draining--
		return
	}
	c.reason, c.partner.reason, c.over = why, why, t.now
}

// finishPair ends a pair of which nothing is left.
func (t *Table) finishPair(c *Peer) {
	t.over(c, c.reason)
	c.partner.among.leave()
	t.place(c.worker)
	t.ended(c, c.reason)
}

// endPair ends a pair, or what is left of it, at once.
func (t *Table) endPair(c *Peer, why Reason) {
	t.over(c, why)
	for _, p := range [...]*Peer{c, c.partner} {
		if !p.gone {
			t.forget(p)
			t.abort(p, c.reason)
		}
	}
	c.partner.among.leave()
	t.place(c.worker)
	t.ended(c, c.reason)
}

func clientOf(p *Peer) *Peer {
	if p.client {
		return p
	}
	return p.partner
}

// End ends a peer, with its pair if it has one: both sides are aborted and what
// is still on its way to them may be lost. Unknown ids are ignored.
func (t *Table) End(now time.Duration, id PeerID, why Reason) []Action {
	t.begin(now)
	if p := t.index.get(id); p != nil {
		t.end(p, why)
	}
	return t.finish()
}

func (t *Table) end(p *Peer, why Reason) {
	switch {
	case p.inPair():
		t.endPair(clientOf(p), why)
	case p.client:
		t.endClient(p, why, true)
	default:
		t.dropWorkerPeer(p, why)
	}
}

// EndAll ends every client and every connection of a worker.
func (t *Table) EndAll(now time.Duration, why Reason) []Action {
	t.begin(now)
	t.index.each(func(p *Peer) bool {
		t.end(p, why)
		return true
	})
	return t.finish()
}

// EndWaiting ends the clients that wait for a worker, with the reason why.
func (t *Table) EndWaiting(now time.Duration, why Reason) []Action {
	t.begin(now)
	for p := t.queue.first(); p != nil; p = t.queue.first() {
		t.endClient(p, why, true)
	}
	return t.finish()
}

// StopWaiting ends everyone who is in no pair, and from now on everyone who
// comes, with the reason why. Pairs go on. There is no way back.
func (t *Table) StopWaiting(now time.Duration, why Reason) []Action {
	t.begin(now)
	t.refuse = why
	t.moves.back = nil // nobody whose pair were ended would be let in
	t.endRebalance(RebalanceInterrupted)
	t.index.each(func(p *Peer) bool {
		if !p.inPair() {
			t.end(p, why)
		}
		return true
	})
	return t.finish()
}
