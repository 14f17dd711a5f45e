package pairing

import (
	"container/heap"
	"time"
)

// queue holds the clients that wait, the longest-waiting first. New ones come to
// its end. A client whose dial failed comes back to the place that it had: those
// are kept apart in a heap, so that finding their place does not mean walking
// along the queue.
type queue struct {
	fresh list[*Peer]
	back  returned
	last  uint64 // place given last
}

func (q *queue) len() int { return q.fresh.n + len(q.back) }

// admit notes when p became ready, which is its place in the queue for good.
func (q *queue) admit(p *Peer, now time.Duration) {
	q.last++
	p.place, p.ready = q.last, now
}

func (q *queue) push(p *Peer)   { q.fresh.pushBack(&p.turn) }
func (q *queue) rejoin(p *Peer) { heap.Push(&q.back, p) }

// each calls f for all, those who were dialled for first, until it returns false.
func (q *queue) each(f func(*Peer) bool) {
	for _, p := range q.back {
		if !f(p) {
			return
		}
	}
	for x := q.fresh.head; x != nil && f(x.owner); x = x.next {
	}
}

// first is the longest-waiting client, nil when nobody waits.
func (q *queue) first() *Peer {
	p := q.fresh.first()
	if len(q.back) > 0 && (p == nil || q.back[0].place < p.place) {
		return q.back[0]
	}
	return p
}

func (q *queue) remove(p *Peer) {
	if p.heapAt >= 0 {
		heap.Remove(&q.back, p.heapAt)
		return
	}
	p.turn.leave()
}

// returned is a heap of peers by place, for container/heap.
type returned []*Peer

func (r returned) Len() int           { return len(r) }
func (r returned) Less(i, j int) bool { return r[i].place < r[j].place }
func (r returned) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].heapAt, r[j].heapAt = i, j
}

func (r *returned) Push(x any) {
	p := x.(*Peer)
	p.heapAt = len(*r)
	*r = append(*r, p)
}

func (r *returned) Pop() any {
	last := len(*r) - 1
	p := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	p.heapAt = -1
	return p
}

// wait puts a client into the queue: at its end, or where it was before.
func (t *Table) wait(p *Peer, again bool) {
	t.setState(p, PeerWaiting)
	if again {
		t.queue.rejoin(p)
	} else {
		t.queue.push(p)
	}
	t.awaitsPin(p)
}

// serve gives workers to those who wait, the longest-waiting first, for as long
// as there are both. It ends every event, so that nobody waits while a worker
// could take him.
func (t *Table) serve() {
	for p := t.queue.first(); p != nil && t.anybody(); p = t.queue.first() {
		t.queue.remove(p)
		if t.barred(p) {
			t.bar(p, true)
		} else {
			t.assign(p)
		}
	}
}

// queueDeadline is when the longest-waiting client has waited too long.
func (t *Table) queueDeadline() (time.Duration, bool) {
	if p := t.queue.first(); p != nil {
		return p.ready + t.cfg.QueueTimeout, true
	}
	return 0, false
}

// queueDue is the longest-waiting client if it has waited too long.
func (t *Table) queueDue(now time.Duration) (*Peer, bool) {
	p := t.queue.first()
	return p, p != nil && now-p.ready >= t.cfg.QueueTimeout
}

// whyUnserved is the reason for a client that got no worker in its time.
func (t *Table) whyUnserved(p *Peer) Reason {
	switch {
	case p.failedDials > 0:
		return DialFailed
	case p.portless:
		return NoSourcePort
	case t.able == 0:
		return NoWorker
	default:
		return QueueTimeout
	}
}
