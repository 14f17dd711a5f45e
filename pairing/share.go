package pairing

import (
	"cmp"
	"math"
	"slices"
)

// A scale is how many sixteenths of a worker's weight and maximum count.
type scale func(w *worker) int

// inFull is the scale of workers that have all warmed up, and byNow that of the present.
func inFull(*worker) int  { return warmSteps }
func byNow(w *worker) int { return w.warmth.sixteenths }

// A count is which pairs of a worker count.
type count func(w *worker) int

// everybody is all pairs, dials included; opened are those whose handshake has finished, since the others
// may be bad clients', and then nothing is left of them.
func everybody(w *worker) int { return w.load() }
func opened(w *worker) int    { return w.paired.n - w.handshaking }

// shares is how many pairs each worker that is ready should have of those that they
// have together, those of clients that are expected back included, so that no more need
// to move than must: as its weight says, up to its maximum and, where it only dials in, to
// the slots that it offers.
func (t *Table) shares(by scale, of count) map[*worker]int {
	var open []*worker
	// Those who are on their way to a worker may be those who are expected.
	pairs := t.expected()
	for _, w := range t.workers {
		pairs -= of(w) - opened(w)
	}
	pairs = max(0, pairs)
	for _, w := range t.workers {
		if w.ready {
			open = append(open, w)
			pairs += of(w)
		}
	}
	// Those that cannot take what their weight says take what they can, and the
	// others share the rest: whoever has the least room for its weight is first.
	room := func(w *worker) float64 { return float64(w.capacity(by)) / float64(w.weight*by(w)) }
	slices.SortFunc(open, func(a, b *worker) int {
		return cmp.Or(cmp.Compare(room(a), room(b)), cmp.Compare(a.name, b.name))
	})
	weight := 0
	for _, w := range open {
		weight += w.weight * by(w)
	}
	shares := make(map[*worker]int, len(open))
	for i, w := range open {
		if room(w) >= float64(pairs)/float64(weight) {
			deal(shares, open[i:], by, of, pairs, weight)
			break
		}
		shares[w] = w.capacity(by)
		pairs -= shares[w]
		weight -= w.weight * by(w)
	}
	return shares
}

// deal gives out pairs by weight in whole numbers. What is left of rounding goes to
// those who have more already, so that they need not give it away.
func deal(shares map[*worker]int, to []*worker, by scale, of count, pairs, weight int) {
	left := pairs
	over := func(w *worker) float64 {
		return float64(of(w)) - float64(pairs)*float64(w.weight*by(w))/float64(weight)
	}
	for _, w := range to {
		shares[w] = pairs * w.weight * by(w) / weight
		left -= shares[w]
	}
	slices.SortStableFunc(to, func(a, b *worker) int { return cmp.Compare(over(b), over(a)) })
	for _, w := range to[:left] {
		shares[w]++
	}
}

// capacity is how many pairs a worker can have.
func (w *worker) capacity(by scale) int {
	most := math.MaxInt
	if w.max > 0 {
		most = scaled(w.max, by(w))
	}
	if w.endpoint == "" {
		most = min(most, w.paired.n+w.slots.n)
	}
	return most
}
