package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// halfClosed is a loan of which one side has ended its sending.
type halfClosed struct {
	loan     *loan
	looked   time.Duration // when it was looked at last
	progress progress      // at that time
}

// progress is something else whenever a byte has moved.
type progress struct {
	taken     [2]uint64 // from each side, by the relay
	delivered [2]uint64 // to each side, see deliveryMark
}

func (loan *loan) progress() progress {
	return progress{
		taken:     [2]uint64{loan.Moved(0), loan.Moved(1)},
		delivered: [2]uint64{deliveryMark(loan.flow.client.link.descriptor()), deliveryMark(loan.flow.worker.link.descriptor())},
	}
}

// halfClose notes a loan of which one side has ended its sending. It is on the
// list until it ends, or is recalled.
func (l *loop) halfClose(loan *loan) {
	loan.half = l.halves.PushBack(&halfClosed{loan, l.clock, loan.progress()})
}

// nextHalfClosed is who is looked at next, and when; nil if there is none. The
// finish timeout is the present one: a reload can change it.
func (l *loop) nextHalfClosed() (h *halfClosed, at time.Duration) {
	if e := l.halves.Front(); e != nil {
		h = e.Value.(*halfClosed)
		return h, h.looked + l.cfg.Pairing.FinishTimeout
	}
	return nil, never
}

// endHalfClosed ends the pairs on which, a finish timeout after one side has
// ended, no byte has moved: otherwise a side that neither reads nor closes would
// hold a pair for good.
func (l *loop) endHalfClosed() {
	for h, at := l.nextHalfClosed(); h != nil && at <= l.clock; h, at = l.nextHalfClosed() {
		l.halves.Remove(h.loan.half)
		if h.loan.progress() != h.progress {
			l.halfClose(h.loan)
			continue
		}
		reason := counts(pairing.Closed, true, h.loan.End()).Reason(true)
		l.act(l.table.End(l.clock, h.loan.flow.client.id, reason))
	}
}
