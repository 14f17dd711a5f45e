package pairing

import (
	"container/heap"
	"time"
)

// dial has a worker dialled for a client.
func (t *Table) dial(p *Peer, w *worker) {
	t.setState(p, PeerDialling)
	p.worker = w
	p.dials++
	p.dialled = t.now
	w.dialling++
	t.stats.dials++
	t.place(w)
	t.emit(Action{Op: Dial, Peer: p.ID, Conn: p.Conn, Worker: w.name, Endpoint: w.endpoint, Source: w.source})
}

// undial takes note that a client's dial is over, or does not matter any more.
// The client is for the moment nowhere.
func (t *Table) undial(p *Peer) {
	w := p.worker
	t.setState(p, PeerConnected)
	p.worker = nil
	w.dialling--
	t.place(w)
}

// dialled takes in how long a dial took: the newest counts for an eighth, as with a round trip of TCP
// (RFC 6298).
func (w *worker) dialled(took time.Duration) {
	if w.dialTime == 0 {
		w.dialTime = took
		return
	}
	w.dialTime += (took - w.dialTime) / 8
}

// Dialled answers [Dial]: id is the connection to the worker, whose pair with
// the client begins. If the client has gone, or its worker has been taken out
// or is not dialled any more, id is aborted; a client that is still there goes on to the next
// worker.
func (t *Table) Dialled(now time.Duration, client, id PeerID, conn any) []Action {
	t.begin(now)
	t.supersede(id)
	s := &Peer{ID: id, Conn: conn, origin: &t.nowhere}
	p := t.dialling(client)
	if p == nil {
		t.abort(s, ClientClosed)
		return t.finish()
	}
	t.stats.dialsDone.Observe(t.now - p.dialled)
	w := p.worker
	w.dialled(t.now - p.dialled)
	if !w.accepts() || w.endpoint == "" {
		t.abort(s, Drained)
		t.undial(p)
		t.requeue(p)
		return t.finish()
	}
	s.worker = w
	t.know(s)
	// Only now, so that it is for the record and not for hints: all connections
	// that are dialled to a worker have the same far end.
	s.origin = w.farEnd()
	w.dialling--
	t.pair(p, s)
	return t.finish()
}

// DialFailed answers [Dial]: the worker is set aside, and the client goes to the
// next worker or back to its place in the queue. It is ignored when the client
// has ended, since then the caller may have given the dial up by itself.
func (t *Table) DialFailed(now time.Duration, client PeerID, worker string) []Action {
	t.begin(now)
	p := t.dialling(client)
	if p == nil || p.worker.name != worker {
		return t.finish()
	}
	w := p.worker
	p.failedDials++
	w.failures++
	t.stats.dialFailures++
	t.stats.dialsFailed.Observe(t.now - p.dialled)
	t.undial(p)
	t.setAside(w)
	t.requeue(p)
	return t.finish()
}

// portlessFor is how long a worker is not dialled for want of a port of this machine.
const portlessFor = time.Second

// NoPort answers [Dial]: this machine has no port for one more connection to the worker,
// which is no fault of the worker's. It counts as busy for a moment; the client goes to
// the next worker or back to its place in the queue. It is ignored when the client has ended.
func (t *Table) NoPort(now time.Duration, client PeerID, worker string) []Action {
	t.begin(now)
	p := t.dialling(client)
	if p == nil || p.worker.name != worker {
		return t.finish()
	}
	w := p.worker
	p.portless, w.portless = true, true
	t.portless.start(&w.ports, t.now)
	t.stats.noPort++
	t.undial(p)
	t.requeue(p)
	return t.finish()
}

// tryPorts has a worker dialled again.
func (t *Table) tryPorts(w *worker) {
	w.ports.leave()
	w.portless = false
	t.place(w)
}

func (t *Table) dialling(client PeerID) *Peer {
	if p := t.index.get(client); p != nil && p.state == PeerDialling {
		return p
	}
	return nil
}

// requeue puts a client back to where it was before its dial; finish gives it
// the next worker if there is one.
func (t *Table) requeue(p *Peer) {
	if !t.anybody() && t.cfg.QueueMax == 0 {
		t.endClient(p, t.whyUnserved(p), true)
		return
	}
	t.wait(p, true)
}

// setAside keeps clients from a listening worker that fails. Further failures
// of dials that were under way at the same time do not count.
func (t *Table) setAside(w *worker) {
	if w.failing || w.endpoint == "" {
		return
	}
	t.stopRetrying(w)
	w.failing = true
	t.scheduleProbe(w)
	t.place(w)
}

func (t *Table) scheduleProbe(w *worker) {
	w.retryAt = t.now + jitter(t.backOff(w), t.random.Float64())
	heap.Push(&t.retries, w)
}

// jitter is d within 10 % either way, by r in [0, 1).
func jitter(d time.Duration, r float64) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*r))
}

// probe has a worker probed whose back-off is over.
func (t *Table) probe(w *worker) {
	heap.Remove(&t.retries, w.retryIndex)
	w.probing = true
	t.stats.probes++
	t.emit(Action{Op: Probe, Worker: w.name, Endpoint: w.endpoint, Source: w.source})
}

// Probed answers [Probe]: the worker takes clients again, or its back-off is
// doubled. An answer that nobody waits for is ignored.
func (t *Table) Probed(now time.Duration, worker string, ok bool) []Action {
	t.begin(now)
	w := t.workers[worker]
	if w == nil || !w.probing {
		return t.finish()
	}
	w.probing = false
	if ok {
		// attempt stays until a pair has opened: a worker that accepts probes
		// but cannot serve is left alone for longer and longer.
		w.failing = false
		t.endStreak(w)
		t.place(w)
	} else {
		w.failures++
		t.scheduleProbe(w)
		for s := w.paired.first(); s != nil && t.cfg.EndOnDown; s = w.paired.first() {
			t.endPair(s.partner, Drained)
		}
	}
	return t.finish()
}

// clearFailures forgets all that speaks against a worker.
func (t *Table) clearFailures(w *worker) {
	t.stopRetrying(w)
	t.endStreak(w)
	w.failing, w.attempt = false, 0
}

func (t *Table) stopRetrying(w *worker) {
	w.probing = false
	switch {
	case w.ejected:
		w.ejected = false
		heap.Remove(&t.ejected, w.retryIndex)
	case w.retryIndex >= 0:
		heap.Remove(&t.retries, w.retryIndex)
	}
}

// retries is a heap of workers by when they are to be tried again, for container/heap.
type retries []*worker

// due is the first if its time has come by now.
func (r *retries) due(now time.Duration) (*worker, bool) {
	if len(*r) == 0 || (*r)[0].retryAt > now {
		return nil, false
	}
	return (*r)[0], true
}

func (r *retries) deadline() (time.Duration, bool) {
	if len(*r) == 0 {
		return 0, false
	}
	return (*r)[0].retryAt, true
}

func (r retries) Len() int           { return len(r) }
func (r retries) Less(i, j int) bool { return r[i].retryAt < r[j].retryAt }
func (r retries) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].retryIndex, r[j].retryIndex = i, j
}

func (r *retries) Push(x any) {
	w := x.(*worker)
	w.retryIndex = len(*r)
	*r = append(*r, w)
}

func (r *retries) Pop() any {
	last := len(*r) - 1
	w := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	w.retryIndex = -1
	return w
}
