package pairing

import (
	"slices"
	"time"
)

// failbackRate is how many pairs a second go back to whom they prefer.
const failbackRate = 100

// failback is a worker whose identities come back to it.
type failback struct {
	worker *worker
	after  PeerID // up to which connections have been looked at
}

// comeBack begins to have identities come back to a worker that they prefer, and
// that has been ready for long enough.
func (t *Table) comeBack(w *worker) {
	w.comeback.leave()
	if t.refuse != NoReason {
		return
	}
	t.move(t.now)
	t.moves.back = append(t.moves.back, failback{worker: w})
}

// stepBack ends some of the pairs whose identities prefer a worker that is back to
// the one that they have.
func (t *Table) stepBack() {
	ended := 0
	for looked := 0; len(t.moves.back) > 0 && looked < pageScan && ended < failbackRate*int(moveEvery)/int(time.Second); {
		b := &t.moves.back[0]
		if !b.worker.ready {
			t.moves.back = t.moves.back[1:]
			continue
		}
		if b.worker.at < 0 { // it has no room now
			return
		}
		var found *Peer
		more := false
		t.index.eachAfter(b.after, func(p *Peer) bool {
			if more = looked == pageScan; more {
				return false
			}
			looked++
			b.after = p.ID
			if t.prefersTo(p, b.worker) {
				found = p
			}
			return found == nil
		})
		switch {
		case found != nil:
			ended++
			t.endPair(found, Moved)
		case !more:
			t.moves.back = t.moves.back[1:]
		}
	}
}

// prefersTo says whether a client has a worker that its identity prefers less than w.
func (t *Table) prefersTo(c *Peer, w *worker) bool {
	if !c.client || c.state != PeerOpen || c.identity == nil || c.worker == w {
		return false
	}
	preferred, _ := t.preference(c.identity.name)
	at, has := slices.Index(preferred, w.name), slices.Index(preferred, c.worker.name)
	return at >= 0 && (has < 0 || at < has)
}
