package stream

import "github.com/streamq/streamq-proxy/pairing"

// What comes in: the poller's events, the seam's news, the messages of the STREAM sockets.

// event is one of the poller's.
func (l *loop) event(t token, mask uint32) {
	switch t {
	case wakeToken:
		l.pool.wake.reset()
	case newsToken:
		l.hear()
	case frontendToken:
		l.frontend.signalled, l.frontend.settled = true, false
	case backendToken:
		l.backend.signalled, l.backend.settled = true, false
	default:
		if c := l.find(pairing.PeerID(t)); c != nil {
			l.ownEvent(c, mask)
		} else if x := l.dialler.dials[pairing.PeerID(t)]; x != nil {
			l.dialler.event(x)
		}
	}
}

// ownEvent is about a connection's descriptor.
func (l *loop) ownEvent(c *conn, mask uint32) {
	mask = c.link.wanted(mask)
	if mask == 0 || c.lent() { // in this very turn
		return
	}
	if mask&pollOut != 0 {
		l.flush(c)
		l.settle()
	}
	switch {
	case c.phase == dead, c.lent(), mask&^pollOut == 0:
	case c.left():
		l.failedLeft(c, mask)
	case c.paused, c.own() == nil:
		l.leaves(c, mask&pollError != 0)
	default:
		l.readOwn(c)
	}
}

// hear takes the seam's news: peers of STREAM sockets that have room, or everything,
// or have come to their end. What is left is announced anew.
func (l *loop) hear() {
	for _, fd := range l.owner.News(l.told[:]) {
		for _, s := range l.sockets() {
			if c := s.peers[fd]; c != nil {
				l.room(c)
				l.hearEnd(c)
				l.settle()
			}
		}
	}
}

// hearOfRoom is hear for those who had room before it could be waited for.
func (l *loop) hearOfRoom(s *socket) {
	roomy := s.roomy
	s.roomy = nil
	for _, fd := range roomy {
		if c := s.peers[fd]; c != nil {
			l.room(c)
			l.settle()
		}
	}
}

// receive takes what a socket brings in one turn.
func (l *loop) receive(s *socket) error {
	for left := receiveBatch; left > 0; {
		messages, done, err := s.receive(l.batch, left)
		if err != nil {
			return err
		}
		for i := range l.batch.runs() {
			r := l.batch.run(i)
			if len(r.data) == 0 {
				l.notice(s, &r)
			} else if c := l.find(peerID(s.side, r.peer)); c != nil {
				l.heard(c, &r)
			}
			l.settle()
		}
		if done {
			return nil
		}
		left -= max(messages, 1)
	}
	l.gathering.due = false // there is a whole batch to be had already
	return nil
}

// heard is what a peer of a STREAM socket has sent.
func (l *loop) heard(c *conn, r *run) {
	link, ok := c.link.(*streamLink)
	if !ok {
		return // libzmq has nothing to tell of what was taken from it
	}
	link.heard(r.messages)
	l.data(c, r.data)
	l.gathering.due = l.gathering.due || c.flow != nil && l.gathering.many(c, r)
	l.updateInterest(c)
	l.endHeard(c, link)
}
