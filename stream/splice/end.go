package splice

// End is how a pair has come to its end.
type End struct {
	// First is the side that ended first, 0 or 1 in the order that Start was given.
	First int8
	// Gone is the side that was reset, with Abort: not always the First.
	Gone int8
	// Begun: one side has ended its sending, or is gone. Nothing else is set before.
	Begun bool
	// InOrder: its FIN has been read.
	InOrder bool
	// Reset: it was reset before that, or the network lost it (ETIMEDOUT and its like).
	Reset bool
	// Abort: a side was reset at last, however the end began, so that the other
	// is owed a reset, too, behind what it has not received yet.
	Abort bool
	// Over: nothing more will be moved. After an end in order each side has
	// been sent a FIN behind all that was meant for it.
	Over bool
}

// End tells how far the pair has come.
func (p *Pair) End() End {
	if e := p.end.Load(); e != nil {
		return *e
	}
	return End{}
}

func (p *Pair) over() bool {
	e := p.end.Load()
	return e != nil && e.Over
}

// begin notes the first end, and once it is known whether it was in order or a reset.
func (p *Pair) begin(side int, inOrder, reset bool) {
	e := p.End()
	if !e.Begun {
		e.Begun, e.First = true, int8(side)
	}
	if int(e.First) == side && !e.InOrder && !e.Reset {
		e.InOrder, e.Reset = inOrder, reset
		p.end.Store(&e)
	}
}

// gone notes that a side was reset; only the first that was counts.
func (p *Pair) gone(side int) {
	p.begin(side, false, true)
	if e := p.End(); !e.Abort {
		e.Abort, e.Gone = true, int8(side)
		p.end.Store(&e)
	}
}

// fail ends the pair by the reset of a side.
func (p *Pair) fail(side int) {
	p.gone(side)
	p.finish()
}

// finish: nothing more will be moved.
func (p *Pair) finish() {
	e := p.End()
	e.Over = true
	p.end.Store(&e)
}

// resume takes up the end that another pair of the same sockets had come to.
func (p *Pair) resume(end End) {
	if end.Begun {
		p.end.Store(&end)
		p.ways[1-end.Gone].done = end.Abort // as broken left it
	}
}

// broken: the sink of a way is no more. What that side has sent before is still
// read and passed on; only then the reset is.
func (p *Pair) broken(side int) {
	w, back := &p.ways[side], &p.ways[1-side]
	_ = w.leftover(&p.relay.pipes)
	w.done = true
	p.gone(1 - side)
	back.readable, back.thorough = true, true
}
