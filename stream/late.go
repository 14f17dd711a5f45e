package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Late gives connections to the process that has the others already, and waits until it has
// taken them. An error says that it has not. It is called on the goroutine of [Pool.Run].
type Late func(late *LatePeers, blob []byte, descriptors []int) error

// retired is a pool that was handed over.
type retired struct {
	on   bool
	late Late          // nil when nobody takes anybody any more
	at   time.Duration // when it is looked next who could go along
	told time.Duration // when it was told last what has passed
}

const (
	// lateEvery is how often it is looked who could follow.
	lateEvery = 10 * time.Millisecond
	// tellEvery is how often it is told what passes on pairs that stay.
	tellEvery = time.Second
)

// retiredOver: nobody is left, and what they have counted is told.
func (l *loop) retiredOver() bool {
	return l.retired.on && l.figures.connections == 0 && l.dialler.idle() && len(l.held.heap) == 0 &&
		(l.retired.late == nil || !l.table.HasCounted() && !l.hasPassed())
}

// untold: something was counted that is to be told now. What passes is told from time to time, and at last.
func (l *loop) untold() bool {
	return l.table.HasCounted() || l.hasPassed() && (l.figures.connections == 0 || l.clock-l.retired.told >= tellEvery)
}

// giveLate gives away who has become fit for it.
func (l *loop) giveLate() {
	r := &l.retired
	if !r.on || r.late == nil || l.clock < r.at || l.draining.on {
		return
	}
	r.at = l.clock + lateEvery
	some := l.untold()
	l.table.EachPeer(func(p *pairing.Peer) bool {
		if f := p.Conn.(*conn).flow; f != nil && f.young {
			l.growUp(f)
		}
		return true
	})
	l.settle()
	asked := l.stopWaiting()
	l.table.EachPeer(func(p *pairing.Peer) bool {
		some = some || along(p)
		return !some
	})
	if some {
		l.sendLate()
	}
	l.readOn(asked)
	l.settle()
}

// sendLate has everybody go along who is fit for it.
func (l *loop) sendLate() {
	h := &Handover{l: l}
	h.passed, h.workers, l.retired.told = l.passed(), l.workersPassed(), l.clock
	late := &LatePeers{Pool: l.fixed.Name, Peers: l.table.SavePeers(along), Counters: l.table.Counted(), Passed: h.passed, Workers: h.workers}
	var fds []int
	late.Conns, late.Flows, fds = h.savePeers(&late.Peers)
	var blob []byte
	late.Motions, blob = h.Stop()
	if err := l.retired.late(late, blob, fds); err != nil {
		l.retired.late = nil
		l.cfg.Log.Error("who was in a handshake stays in this process until it ends", "pool", l.fixed.Name, "error", err)
		l.goOn(h.flows)
		l.endWaiting()
		return
	}
	l.given(h)
}

// stopWaiting has libzmq not read those any more who wait in it and have heard nothing yet. Of most of them the
// kernel and the loop have everything then, so that they can go along.
func (l *loop) stopWaiting() (asked []*streamLink) {
	l.table.EachPeer(func(p *pairing.Peer) bool {
		c := p.Conn.(*conn)
		if s, ok := c.link.(*streamLink); ok && c.phase == live && waits(p) {
			s.stop()
			asked = append(asked, s)
		}
		return true
	})
	return asked
}

// readOn has libzmq read those again who have not gone along.
func (l *loop) readOn(asked []*streamLink) {
	for _, s := range asked {
		if c := s.sock.peers[int32(s.fd)]; c != nil && c.link == s {
			s.stopped = false
			l.updateInterest(c)
		}
	}
}

// waits: it has no partner, and is getting none.
func waits(p *pairing.Peer) bool { return p.Partner() == nil && p.State() != pairing.PeerDialling }

// endWaiting ends those who wait for somebody who comes to another process, but for those who
// have said something that would be lost.
func (l *loop) endWaiting() {
	var all []pairing.PeerID
	l.table.EachPeer(func(p *pairing.Peer) bool {
		if waits(p) && !l.hasLastWords(p.Conn.(*conn)) {
			all = append(all, p.ID)
		}
		return true
	})
	for _, id := range all {
		l.act(l.table.End(l.clock, id, pairing.Drained))
	}
}
