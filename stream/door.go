package stream

import (
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// notice is libzmq's word that a peer of a socket has come, or has gone. The two
// follow each other at once for a connection that was taken at its birth.
func (l *loop) notice(s *socket, r *run) {
	id := peerID(s.side, r.peer)
	if _, second := s.due[r.peer]; second {
		delete(s.due, r.peer)
		if c := l.find(id); c != nil && c.own() == nil {
			l.failed(c, howEnded(c))
		}
		return
	}
	s.due[r.peer] = struct{}{}
	l.born(s, r.peer, r.birth())
}

// born takes in a connection that a socket has announced.
func (l *loop) born(s *socket, number uint32, b birth) {
	claim, err := s.owner.Claim(b.fd)
	if err != nil { // it came before the listener was followed, or was not
		l.cfg.Log.Error("a connection that nobody has", "pool", l.fixed.Name, "from", b.address)
		return
	}
	l.guardWrap(s, number)
	id, ok := l.numberTaken(s, number, b.fd, claim.Taken)
	if !ok {
		return
	}
	c := &conn{id: id, origin: originOf(b.address, claim.Peer)}
	if claim.Taken {
		c.link = &ownLink{fd: int32(b.fd), accepted: true}
	} else {
		c.link = newStreamLink(s, l.poller, number, b.fd, l.fixed.PairBuffer)
		s.peers[int32(b.fd)] = c
	}
	if s.side == frontendSide {
		l.heed(c, claim)
	}
	entrance := l.doors.marked[claim.Mark]
	refused := l.refusal()
	if entrance == nil && claim.Mark != 0 && claim.Mark&endpointMark == 0 { // its door has gone
		refused = pairing.Shutdown
	}
	l.count(+1)
	l.arrived()
	if entrance != nil {
		l.enter(c, entrance)
	} else if s.side == frontendSide {
		l.act(l.table.ClientConnected(l.clock, c.id, *c.origin, c))
	} else {
		l.act(l.table.WorkerConnected(l.clock, c.id, workerName(b.address, c.origin), *c.origin, c))
	}
	l.share(c)
	if refused != 0 {
		l.act(l.table.End(l.clock, c.id, refused))
		return
	}
	if l.cfg.ExpectAny && c.via == nil {
		l.greeted(c)
	}
	l.settle()
	l.hearEnd(c) // of which there was news when nobody knew of it
	if c.phase == live && claim.Taken {
		l.updateInterest(c)
		l.readOwn(c) // a peer's first bytes follow its connect at once
	}
}

// refusal says why a connection is not served, zero if it is.
func (l *loop) refusal() pairing.Reason {
	switch {
	case l.draining.on:
		return pairing.Shutdown
	case l.ctx.scarce():
		return pairing.QueueFull
	}
	return 0
}

// workerName is what a worker that dials in is called as long as nobody has
// said its name: by its address, so that all slots of a machine (over ipc: of a
// process) are one worker.
func workerName(address string, origin *pairing.Origin) string {
	if origin.Endpoint == "" {
		return address
	}
	return HostOf(origin.Endpoint)
}

// greetingOf gathers what a connection sends before its pair has begun. What is
// too much for that stays with its sender until then.
func (l *loop) greetingOf(c *conn, data []byte) {
	c.say(data)
	if !l.headerRead(c) { // which has its own bound
		return
	}
	if len(c.said()) > 0 || l.cfg.ExpectAny {
		l.noteSpoken(c)
		l.inspect(c)
	}
	if len(c.said()) >= maxEarly {
		l.pause(c)
	}
}

// noteSpoken: a connection is more than a probe.
func (l *loop) noteSpoken(c *conn) {
	if !c.spoke {
		c.spoke = true
		l.tellConnected(c)
	}
}

// inspect decides whether a connection's first bytes look like ZMTP, and those of a
// client are what a pair could begin with. Only then may it cost anyone anything.
func (l *loop) inspect(c *conn) {
	verdict := zmtp.ZMTP
	if !c.ready && !l.cfg.ExpectAny {
		verdict = zmtp.Inspect(c.said())
	}
	switch {
	case verdict == zmtp.NotZMTP:
		c.early.stranger = strangerOf(c.early.said)
		l.act(l.table.End(l.clock, c.id, l.notZMTP(c)))
	case verdict == zmtp.ZMTP && !l.misfits(c):
		l.greeted(c)
	}
}

// greeted: a connection's greeting is there, or none is expected.
func (l *loop) greeted(c *conn) {
	if c.ready {
		return
	}
	c.ready = true
	l.noteSpoken(c)
	if c.client() {
		l.act(l.table.ClientReady(l.clock, c.id))
	} else {
		l.act(l.table.WorkerReady(l.clock, c.id))
	}
}

// guardWrap keeps routing ids from meeting themselves. libzmq numbers
// connections with 32 bits and aborts the process when a number comes round to
// a connection that is still alive, so such a survivor of four thousand million
// connections is ended in good time.
func (l *loop) guardWrap(s *socket, number uint32) {
	const every, ahead = 1 << 20, 1 << 21
	if number%every != 0 {
		return
	}
	var old []pairing.PeerID
	l.table.EachPeer(func(p *pairing.Peer) bool {
		// Taken ones, too: libzmq has forgotten the number, the table has not.
		if side(p.ID>>32) == s.side && !p.Conn.(*conn).inherited && soon(number, uint32(p.ID), ahead) {
			old = append(old, p.ID)
		}
		return true
	})
	for _, id := range old {
		l.act(l.table.End(l.clock, id, pairing.Drained))
	}
}

// soon says whether numbering that has come to next reaches number within ahead steps.
func soon(next, number, ahead uint32) bool {
	distance := number - next // wraps as the numbering does
	return distance > 0 && distance <= ahead
}

// takes says whether connections are taken from libzmq at their birth, so that the
// kernel can move their bytes.
func (r Relay) takes() bool { return r != RelayStream }

// setTaking has the listeners do so from now on.
func (l *loop) setTaking() {
	for _, s := range l.sockets() {
		for _, fd := range s.listeners {
			seam.Take(fd, l.cfg.Relay.takes())
		}
	}
}
