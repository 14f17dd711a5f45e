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
	late Late             // nil when nobody takes anybody any more
	at   time.Duration    // when it is looked next who could go along
	end  []pairing.PeerID // that are ended
}

// lateEvery is how often it is looked who could follow.
const lateEvery = 10 * time.Millisecond

// retiredOver: nobody is left, and what they have counted is told.
func (l *loop) retiredOver() bool {
	return l.retired.on && l.figures.connections == 0 && l.dialler.idle() && len(l.held.heap) == 0 &&
		(l.retired.late == nil || !l.table.HasCounted())
}

// giveLate gives away who has become fit for it.
func (l *loop) giveLate() {
	r := &l.retired
	if !r.on || r.late == nil || l.clock < r.at || l.draining.on {
		return
	}
	r.at = l.clock + lateEvery
	some := l.table.HasCounted()
	l.table.EachPeer(func(p *pairing.Peer) bool {
		if f := p.Conn.(*conn).flow; f != nil && f.young {
			l.growUp(f)
		}
		some = some || along(p)
		return true
	})
	l.settle()
	if !some {
		return
	}
	h := &Handover{l: l}
	late := &LatePeers{Pool: l.fixed.Name, Peers: l.table.SavePeers(along), Counters: l.table.Counted(), Passed: l.passed()}
	var fds []int
	late.Conns, late.Flows, fds = h.savePeers(&late.Peers)
	var blob []byte
	late.Motions, blob = h.Stop()
	if err := r.late(late, blob, fds); err != nil {
		r.late = nil
		l.cfg.Log.Error("who was in a handshake stays in this process until it ends", "pool", l.fixed.Name, "error", err)
		l.goOn(h.flows)
		l.settle()
		return
	}
	l.given(h.peers)
	l.settle()
}
