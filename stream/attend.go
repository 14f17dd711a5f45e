package stream

import "time"

// STREAM sockets announce too little: not that a slow peer has room again, not
// that the kernel has taken everything, and an end not always. A connection for
// which one of these is awaited is looked after again and again, first soon,
// then more slowly, and costs nothing otherwise.
const (
	retryMin = time.Millisecond
	retryMax = 50 * time.Millisecond
	// noticeGrace is how long libzmq's own notice has, after the kernel's, until
	// the loop looks for it.
	noticeGrace = 20 * time.Millisecond
)

// attendAfter has c looked after when the delay has passed, or earlier if that
// was arranged already.
func (l *loop) attendAfter(c *conn, delay time.Duration) {
	at := l.clock + delay
	if c.attending {
		c.retryAt = min(c.retryAt, at)
		return
	}
	c.attending, c.retryAt, c.retry = true, at, retryMin
	l.attending = append(l.attending, c)
}

// attend looks after the connections whose time has come.
func (l *loop) attend() {
	// Looking after one connection may add others, which wait for the next turn
	// unless they come behind the place where this one stands.
	for i := 0; i < len(l.attending); i++ {
		c := l.attending[i]
		if c.phase == dead || c.retryAt > l.clock {
			continue
		}
		c.retryAt = l.clock + retryMax // lookAfter may wish for less
		if l.lookAfter(c) {
			c.retry = retryMin
		} else {
			c.retry = max(retryMin, min(2*c.retry, retryMax))
		}
		if c.phase == adopting && l.clock < c.adoptingSince+adoptionHurried {
			c.retry = adoptionLook
		}
		c.retryAt = min(c.retryAt, l.clock+c.retry)
	}
	kept := l.attending[:0]
	for _, c := range l.attending {
		if c.attending = l.needsAttention(c); c.attending {
			kept = append(kept, c)
		}
	}
	clear(l.attending[len(kept):])
	l.attending = kept
}

// flushSlow sends on to those who were out of room only a moment ago: a command
// that a socket has worked off may have been about their room. Who has had none
// for longer is left to attend, so that many of them cost little.
func (l *loop) flushSlow() {
	if !l.mayHaveRoom {
		return
	}
	l.mayHaveRoom = false
	for _, c := range l.attending {
		if c.phase != dead && c.phase != severed && c.sock != nil && !c.out.empty() && c.retry <= 2*retryMin {
			l.flush(c)
		}
	}
}

// needsAttention: something is awaited that no event will tell.
func (l *loop) needsAttention(c *conn) bool {
	if c.phase == dead {
		return false
	}
	if c.sock == nil {
		return c.phase == closing && c.out.empty()
	}
	return c.phase == fresh || c.phase == adopting || c.phase == closing || c.phase == severed ||
		c.hungUp || c.told || !c.out.empty()
}

// lookAfter does what can be done for c now; true when that was progress.
func (l *loop) lookAfter(c *conn) (progress bool) {
	if c.phase == fresh {
		l.admit(c)
		return false
	}
	if c.phase == adopting {
		return l.adopted(c)
	}
	if c.phase == severed && c.sent == 0 {
		l.dismiss(c)
		return false
	}
	if !c.out.empty() && c.phase != severed {
		progress = l.flush(c)
	}
	if c.phase == closing {
		progress = l.finishWhenHanded(c) || progress
	}
	if progress {
		// Whoever still swallows what is left is given the time for it.
		l.table.Delivering(l.clock, c.id)
	}
	if c.phase != dead && c.sock != nil && (c.hungUp || c.told || c.phase == severed) {
		l.checkReleased(c)
	}
	return progress
}

// checkReleased finds connections that have ended without a notice: libzmq's
// descriptor no longer is the connection's, and everything that libzmq had to
// say since has been read.
func (l *loop) checkReleased(c *conn) {
	if !c.released {
		if Cookie(c.zmqFD) == c.cookie {
			return
		}
		c.released, c.releaseAt = true, c.sock.attempts
	}
	switch {
	case c.told: // libzmq announces no end that it was asked for
		l.ended(c, howEnded(c))
	case c.certain(c.releaseAt):
		l.lostNotices++
		l.ended(c, howEnded(c))
	}
}
