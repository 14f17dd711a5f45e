package pairing

import "time"

// NumBounds is the number of bounds of a [Histogram].
const NumBounds = 17

var histogramBounds = [NumBounds]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 25 * time.Second,
}

// HistogramBounds are the upper bounds, inclusive, of a [Histogram]'s counts.
func HistogramBounds() [NumBounds]time.Duration { return histogramBounds }

// Histogram counts durations.
type Histogram struct {
	// Counts[i] is the number of durations up to HistogramBounds()[i] and above
	// the bound before it; the last counts those above all bounds.
	Counts [NumBounds + 1]uint64
	Sum    time.Duration
	Count  uint64
}

// Observe counts d. It is made for one goroutine.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < NumBounds && d > histogramBounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += d
	h.Count++
}
