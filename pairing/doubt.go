package pairing

// unopenedMax bounds how far a worker falls back in the choice.
const unopenedMax = 64

// doubt takes note that a pair with a worker ended before it opened, and why.
// Such pairs in a row count like pairs when a worker is chosen by its load:
// otherwise one that greets and closes, or says nothing, or says what is not
// ZMTP, would always be the least loaded and get every client although a good
// one stands beside it.
//
// They take preference away and nothing else. The worker stays in service, and
// its maximum counts real pairs only. For clients without a key can cause such
// ends as well: theirs hit all good workers alike, and the next pair that opens
// with one of them clears it, so they shift no load between good workers for
// long and take none out of service. Nor does a worker that has recovered need
// an operator: when Config.RetryMax has passed without a further such end, it
// is tried again.
func (t *Table) doubt(w *worker, why Reason) {
	if !why.doubtful() {
		return
	}
	w.unopened = min(w.unopened+1, unopenedMax)
	w.doubt.owner = w
	w.doubt.start(&t.doubts, t.now)
	t.place(w)
}

// doubtful says whether a pair that ended so before it opened may have done so
// because of its worker. It may not if the client, its identity, an operator or
// the proxy itself ended it.
func (r Reason) doubtful() bool {
	switch r {
	case WorkerClosed, WorkerReset, HandshakeTimeout, IdleExpired, TTLExpired, Overflow, NotZMTP, MechanismRefused:
		return true
	default:
		return false
	}
}

// forgive ends the doubt about a worker; place is to follow.
func (t *Table) forgive(w *worker) {
	w.unopened = 0
	w.doubt.stop()
}

// expireDoubts forgives those who have given no cause for long enough. It is
// done before each event, so that no choice is made by a doubt that is over.
func (t *Table) expireDoubts() {
	for x := t.doubts.due(t.now); x != nil; x = t.doubts.due(t.now) {
		t.forgive(x.owner)
		t.place(x.owner)
	}
}
