package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// halfClosed is a loan of which one side has ended its sending.
type halfClosed struct {
	lent     *loan
	at       time.Duration // when it is looked at next
	progress progress      // at the last look
}

// progress is something else whenever a byte has moved.
type progress struct {
	taken     [2]uint64 // from each side, by the relay
	delivered [2]uint64 // to each side, see deliveryMark
}

func (lent *loan) progress() progress {
	return progress{
		taken:     [2]uint64{lent.Moved(0), lent.Moved(1)},
		delivered: [2]uint64{deliveryMark(lent.flow.client.fd), deliveryMark(lent.flow.worker.fd)},
	}
}

// halfClose notes a loan of which one side has ended its sending. It is on the
// list until it ends, or is recalled.
func (l *loop) halfClose(lent *loan) {
	lent.half = l.halfClosed.PushBack(&halfClosed{lent, l.clock + l.cfg.Pairing.DrainTimeout, lent.progress()})
}

// nextHalfClosed is whose time comes next, nil if there is none.
func (l *loop) nextHalfClosed() *halfClosed {
	if e := l.halfClosed.Front(); e != nil {
		return e.Value.(*halfClosed)
	}
	return nil
}

// endHalfClosed ends the pairs on which, a drain timeout after one side has
// ended, no byte has moved: otherwise a side that neither reads nor closes would
// hold a pair for good.
func (l *loop) endHalfClosed() {
	for h := l.nextHalfClosed(); h != nil && h.at <= l.clock; h = l.nextHalfClosed() {
		l.halfClosed.Remove(h.lent.half)
		if h.lent.progress() != h.progress {
			l.halfClose(h.lent)
			continue
		}
		reason := pairing.ClientClosed
		if h.lent.End().First == 1 {
			reason = pairing.WorkerClosed
		}
		l.act(l.table.End(l.clock, h.lent.flow.client.id, reason))
	}
}
