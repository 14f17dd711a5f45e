package pairing

import "math/bits"

// loads orders workers by load, and those of the same load by when they came to
// it. It is a tree of four levels in which a bit says that there is somebody
// below: putting in, taking out and finding the least are each a walk of four
// steps, whatever the number of workers and whatever their loads. A list of
// loads in order would be simpler, but a worker that returns from its maximum,
// or gets a slot again, would have to walk along it to its place.
type loads struct {
	top fan[*fan[*fan[*loadLeaf]]]
	// spare leaves have become empty. There are never more leaves than were in
	// use at once, which is at most one for each worker.
	spare *loadLeaf
}

const (
	fanBits = 6
	fanOut  = 1 << fanBits
	// loadMax is the greatest load that is told apart; beyond it all are equal.
	loadMax = 1<<(4*fanBits) - 1
)

// fan is a node: bit i of some says that there is somebody below kids[i].
type fan[K any] struct {
	some uint64
	kids [fanOut]K
}

type loadLeaf struct {
	fan[list[*worker]]
	nextSpare *loadLeaf
}

func digits(load int) (a, b, c, d int) {
	load = min(load, loadMax)
	const mask = fanOut - 1
	return load >> (3 * fanBits), load >> (2 * fanBits) & mask, load >> fanBits & mask, load & mask
}

func (l *loads) put(w *worker, load int) {
	a, b, c, d := digits(load)
	if l.top.kids[a] == nil {
		l.top.kids[a] = new(fan[*fan[*loadLeaf]])
	}
	x := l.top.kids[a]
	if x.kids[b] == nil {
		x.kids[b] = new(fan[*loadLeaf])
	}
	y := x.kids[b]
	if y.kids[c] == nil {
		y.kids[c] = l.leaf()
	}
	z := y.kids[c]
	z.kids[d].pushBack(&w.spot)
	z.some |= 1 << d
	y.some |= 1 << c
	x.some |= 1 << b
	l.top.some |= 1 << a
}

func (l *loads) remove(w *worker, load int) {
	a, b, c, d := digits(load)
	x := l.top.kids[a]
	y := x.kids[b]
	z := y.kids[c]
	w.spot.leave()
	if z.kids[d].head != nil {
		return
	}
	if z.some &^= 1 << d; z.some != 0 {
		return
	}
	y.kids[c] = nil
	z.nextSpare, l.spare = l.spare, z
	if y.some &^= 1 << c; y.some != 0 {
		return
	}
	if x.some &^= 1 << b; x.some != 0 {
		return
	}
	l.top.some &^= 1 << a
}

func (l *loads) leaf() *loadLeaf {
	z := l.spare
	if z == nil {
		return new(loadLeaf)
	}
	l.spare, z.nextSpare = z.nextSpare, nil
	return z
}

// least is the worker with the least load that came to it first; nil when empty.
func (l *loads) least() *worker {
	if l.top.some == 0 {
		return nil
	}
	x := l.top.kids[bits.TrailingZeros64(l.top.some)]
	y := x.kids[bits.TrailingZeros64(x.some)]
	z := y.kids[bits.TrailingZeros64(y.some)]
	return z.kids[bits.TrailingZeros64(z.some)].first()
}
