package splice

// End is how a pair has come to its end.
type End struct {
	// Begun: one side has ended its sending, or is gone. Nothing else is set before.
	Begun bool
	// First is the side that did, 0 or 1 in the order that Start was given.
	First int
	// Reset: it did so by a reset, or the network lost it (ETIMEDOUT and its like).
	Reset bool
	// Abort: a side was reset at last, however the end began, so that the other
	// is owed a reset, too, behind what it has not received yet.
	Abort bool
	// Gone is the side that was reset, with Abort: not always the First.
	Gone int
	// Over: nothing more will be moved. After an end in order each side has
	// been sent a FIN behind all that was meant for it.
	Over bool
}

// The bits of Pair.state.
const (
	endBegun = 1 << iota
	endSecond
	endReset
	endAbort
	endGoneSecond
	endOver
)

// End tells how far the pair has come.
func (p *Pair) End() End {
	s := p.state.Load()
	e := End{Begun: s&endBegun != 0, Reset: s&endReset != 0, Abort: s&endAbort != 0, Over: s&endOver != 0}
	if s&endSecond != 0 {
		e.First = 1
	}
	if s&endGoneSecond != 0 {
		e.Gone = 1
	}
	return e
}

func (p *Pair) over() bool { return p.state.Load()&endOver != 0 }

// begin notes the first end, or that it was a reset after all.
func (p *Pair) begin(side int, reset bool) {
	s := p.state.Load()
	switch first := int(s&endSecond) / endSecond; {
	case s&endBegun == 0:
		s = endBegun | uint32(side)*endSecond
	case first != side || p.ways[side].eof:
		return
	}
	if reset {
		s |= endReset
	}
	p.state.Store(s)
}

// gone notes that a side was reset; only the first that was counts.
func (p *Pair) gone(side int) {
	p.begin(side, true)
	if p.state.Load()&endAbort == 0 {
		p.state.Or(endAbort | uint32(side)*endGoneSecond)
	}
}

// fail ends the pair by the reset of a side.
func (p *Pair) fail(side int) {
	p.gone(side)
	p.state.Or(endOver)
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
