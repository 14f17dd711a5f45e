package stream

import (
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Ends of many pairs at once are spread over time: libzmq 4.3.5 with RECONNECT_IVL_MAX has
// no jitter, and whom one moment cuts come back in one moment. The first end is at once,
// the others follow 100 a second, or faster if it would take longer than 5 s.
const (
	partEach   = 10 * time.Millisecond
	partWithin = 5 * time.Second
	partEvery  = 2 * partEach
)

// partTime is how long it takes to end n pairs.
func partTime(n int) time.Duration { return min(partWithin, time.Duration(n)*partEach) }

// partings are the pairs that are being ended.
type partings struct {
	all []*parting
	at  time.Duration // of the next step, while there are any
}

type parting struct {
	worker string // "" for all
	why    pairing.Reason
	pairs  []pairing.PeerID // one peer of each; they may have ended by themselves since
	by     time.Duration
}

// part begins to end pairs, within a time at most.
func (l *loop) part(p parting, within time.Duration) {
	p.by = l.now() + min(within, partTime(len(p.pairs)))
	l.partings.all = append(l.partings.all, &p)
	l.partings.at = l.clock
	l.tendPartings()
}

// pairs are the clients of all pairs.
func (l *loop) pairs() (clients []pairing.PeerID) {
	l.table.EachPeer(func(p *pairing.Peer) bool {
		if p.Client() && p.Partner() != nil {
			clients = append(clients, p.ID)
		}
		return true
	})
	return clients
}

// stayTogether has the pairs of a worker go on that would have been ended for a reason.
func (l *loop) stayTogether(worker string, why pairing.Reason) {
	l.partings.all = slices.DeleteFunc(l.partings.all, func(p *parting) bool { return p.worker == worker && p.why == why })
}

// partAll ends at once who was to be ended in time: another process is to know of nobody else.
func (l *loop) partAll() {
	for _, p := range l.partings.all {
		p.by = l.clock
	}
	l.partings.at = l.clock
	l.tendPartings()
}

// next is when somebody is to be ended.
func (p *partings) next() (time.Duration, bool) { return p.at, len(p.all) > 0 }

func (l *loop) tendPartings() {
	if at, some := l.partings.next(); !some || l.clock < at {
		return
	}
	l.partings.at = l.clock + partEvery
	l.partings.all = slices.DeleteFunc(l.partings.all, l.partSome)
}

// partSome ends as many of the pairs as are due for all to have ended in time, and says whether none is left.
func (l *loop) partSome(p *parting) bool {
	n := len(p.pairs)
	if left := p.by - l.clock; left > partEvery {
		n = int((time.Duration(n)*partEvery + left - 1) / left)
	}
	for _, id := range p.pairs[:n] {
		l.act(l.table.End(l.clock, id, p.why))
	}
	p.pairs = p.pairs[n:]
	return len(p.pairs) == 0
}
