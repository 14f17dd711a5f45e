package pairing

import "time"

// A worker that has just come, or come back, has cold caches and no pairs, and by
// its load it would get every client at once. With [Config.SlowStart] its weight,
// and its maximum, count for more and more, from a sixteenth on, until they count
// in full after that time: a straight line, as HAProxy's slowstart has it.

const warmSteps = 16

// warmth is how much of a worker's weight counts.
type warmth struct {
	sixteenths int // warmSteps when it is warm
	from       time.Duration
	timer      node[*worker] // while it is not
}

// counts is the weight that counts of a worker, in sixteenths: those of the least
// weight are whole numbers so.
func (w *worker) counts() int { return w.weight * w.warmth.sixteenths }

// room says whether a worker may have one pair more.
func (w *worker) room() bool {
	if w.maxHandshakes > 0 && w.dialling+w.handshaking >= w.maxHandshakes {
		return false
	}
	return w.max == 0 || w.load() < scaled(w.max, w.warmth.sixteenths)
}

// scaled is so many sixteenths of a maximum, rounded up.
func scaled(most, sixteenths int) int {
	if sixteenths == warmSteps { // which may be too many to multiply
		return most
	}
	return (most*sixteenths + warmSteps - 1) / warmSteps
}

// warmUp has a worker that is ready begin slowly, if somebody else is there to take
// the clients meanwhile. One that was away for a moment only, to redial, does not;
// nor does anybody before the first client has come: that is the proxy's start.
func (t *Table) warmUp(w *worker) {
	if t.cfg.SlowStart == 0 || t.stats.clients == 0 || t.now < w.returning || t.now < w.wasHere {
		return
	}
	w.warmth.sixteenths, w.warmth.from = 1, t.now
	t.warming.start(&w.warmth.timer, t.now)
}

// warmer has more of a worker's weight count.
func (t *Table) warmer(w *worker) {
	steps := warmSteps
	if s := t.cfg.SlowStart; s > 0 {
		steps = min(1+int((t.now-w.warmth.from)*warmSteps/s), warmSteps)
	}
	if w.warmth.sixteenths = steps; steps < warmSteps {
		t.warming.start(&w.warmth.timer, t.now)
	} else {
		w.warmth.timer.leave()
	}
	t.place(w)
}

// stayCold ends the slow start of a worker that is not ready any more: when it is,
// it begins again.
func (w *worker) stayCold() {
	w.warmth.sixteenths = warmSteps
	w.warmth.timer.leave()
}

// warmLeft is how much longer it takes until a worker's weight counts in full.
func (t *Table) warmLeft(w *worker) time.Duration {
	if w.warmth.sixteenths == warmSteps {
		return 0
	}
	return max(0, w.warmth.from+t.cfg.SlowStart-t.now)
}
