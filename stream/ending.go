package stream

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// finishGently closes a connection once everything that was sent to it has been
// delivered. What it sends meanwhile is dropped.
func (l *loop) finishGently(c *conn) {
	if c.phase != live {
		return
	}
	l.takeBack(c.flow)
	c.phase = closing
	c.paused = false
	l.updateInterest(c)
	l.finishWhenHanded(c)
}

// finishWhenHanded ends our side of a connection that is being closed when nothing
// of ours is left outside the kernel. The other side then closes, and its end is
// announced like any other.
func (l *loop) finishWhenHanded(c *conn) {
	switch {
	case !c.broken && (!c.out.empty() || !c.handed()):
	case c.owedReset:
		l.resets.add(c, l.clock)
	case c.ended: // it has had everything, and has said that it says no more
		l.ended(c, pairing.Closed)
	default:
		c.link.finish()
		c.phase = finished
	}
}

// abort ends a connection at once, unless it is refused. The table has forgotten it already.
func (l *loop) abort(c *conn, why pairing.Reason) {
	if c.phase == dead {
		return
	}
	l.takeBack(c.flow)
	if c.phase == live && l.hold(c, why) {
		return
	}
	l.forget(c, !c.out.empty() || c.owedReset)
}

// forget lets go of a connection and of all that is kept for it.
func (l *loop) forget(c *conn, reset bool) {
	if c.phase == dead {
		return
	}
	l.takeBack(c.flow)
	l.notHalf(c.flow)
	l.unknow(c)
	l.count(-1)
	l.dropBacklog(c)
	c.link.drop(reset)
	l.leave(c)
	c.phase, c.paused = dead, false
	c.unsay()
}

// count keeps the number of connections and of the descriptors that they use.
func (l *loop) count(n int) {
	l.figures.connections += n
	l.ctx.descriptors.Add(int64(n))
}

// resets are connections that are owed a reset, once it can cost them nothing that
// was sent to them before. The kernel announces nobody's last acknowledgement, so
// they are looked at again and again, first soon, then more slowly.
type resets struct{ owed []*owedReset }

type owedReset struct {
	c      *conn
	unread int // bytes that were not acknowledged at the last look
	pause  time.Duration
	at     time.Duration // of the next look
}

const (
	resetLookMin = time.Millisecond
	resetLookMax = 50 * time.Millisecond
)

func (r *resets) add(c *conn, now time.Duration) {
	for _, o := range r.owed {
		if o.c == c {
			return
		}
	}
	r.owed = append(r.owed, &owedReset{c: c, pause: resetLookMin, at: now})
}

// next is when there is somebody to look at.
func (r *resets) next() (at time.Duration, ok bool) {
	at = never
	for _, o := range r.owed {
		at = min(at, o.at)
	}
	return at, len(r.owed) > 0
}

// passResets passes resets on to those who have all that was sent to them.
func (l *loop) passResets() {
	if len(l.resets.owed) == 0 {
		return
	}
	kept := l.resets.owed[:0]
	for _, o := range l.resets.owed {
		if o.c.phase != dead && (o.at > l.clock || !l.resetWhenAcknowledged(o)) {
			kept = append(kept, o)
		}
	}
	clear(l.resets.owed[len(kept):])
	l.resets.owed = kept
}

func (l *loop) resetWhenAcknowledged(o *owedReset) (done bool) {
	fd := o.c.link.descriptor()
	unread, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil || unread == 0 || o.c.broken || wasReset(fd) {
		l.lose(o.c, pairing.Closed, true)
		return true
	}
	if o.pause = min(2*o.pause, resetLookMax); unread != o.unread {
		o.pause = resetLookMin
		l.table.Delivering(l.clock, o.c.id)
	}
	o.unread, o.at = unread, l.clock+o.pause
	return false
}

// maxDeadline keeps sums of times from wrapping.
const maxDeadline = 365 * 24 * time.Hour

// draining is the end of a pool's service.
type draining struct {
	on     bool
	at     time.Duration // when who is left is ended
	parts  time.Duration // for how long before that the ends may be spread
	parted bool          // they are
}

// drain refuses who comes and lets pairs end by themselves until the deadline.
func (l *loop) drain(deadline time.Duration) {
	if l.closed {
		return
	}
	if err := l.resume(); err != nil {
		l.cfg.Log.Error("drain", "pool", l.fixed.Name, "error", err)
	}
	deadline = max(0, min(deadline, maxDeadline))
	at := l.now() + deadline
	if l.draining.on {
		l.draining.at = min(l.draining.at, at)
		return
	}
	l.draining = draining{on: true, at: at, parts: deadline / 4}
	l.shutDoors()
	for _, s := range l.sockets() {
		if err := s.cease(); err != nil {
			l.cfg.Log.Error("drain: closing a listener", "pool", l.fixed.Name, "error", err)
		}
	}
	l.act(l.table.StopWaiting(l.now(), pairing.Shutdown))
}

// drainNext is when the ends begin, or when whoever is left then is ended.
func (l *loop) drainNext() time.Duration {
	if d := &l.draining; !d.parted {
		return d.at - min(d.parts, partTime(l.figures.connections/2))
	}
	return l.draining.at
}

// drainOver: nobody is left, or the time is up.
func (l *loop) drainOver() bool {
	if !l.draining.on {
		return false
	}
	if l.figures.connections == 0 && l.dialler.idle() {
		return true
	}
	if l.now() >= l.drainNext() && !l.draining.parted {
		l.draining.parted = true
		l.part(parting{why: pairing.Drained, pairs: l.pairs()}, l.draining.at-l.clock)
		l.settle()
	}
	if l.clock < l.draining.at {
		return false
	}
	l.act(l.table.EndAll(l.now(), pairing.Drained))
	l.settle()
	return true
}
