package pairing

import (
	"math"
	"time"
)

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
	// Fine counts the same durations more finely: Fine[0] those up to FineZero, and Fine[i]
	// those above FineZero times 2^((i-1)/4) and up to FineZero times 2^(i/4); the last
	// counts longer ones, too. They are the buckets of a native histogram of Prometheus
	// of schema 2.
	Fine [NumFine]uint64
}

const (
	// NumFine is the number of counts in [Histogram.Fine]: the last ends at 2^12 s.
	NumFine = 1 + FineSteps*(12-fineZeroExponent)
	// FineSteps is how many of them double a duration.
	FineSteps = 4
	// FineFirst is the index that the bucket Fine[1] has in a native histogram.
	FineFirst = FineSteps*fineZeroExponent + 1

	fineZeroExponent = -20
)

// FineZero is the bound, in seconds, up to which a duration counts as none.
const FineZero = 1.0 / (1 << -fineZeroExponent)

// fineBounds are 2^(i/4-1), the bounds between which a float's fraction lies.
var fineBounds = [FineSteps]float64{0.5, 0.5946035575013605, 0.7071067811865475, 0.8408964152537144}

// fine is the place in [Histogram.Fine] of a duration.
func fine(d time.Duration) int {
	seconds := d.Seconds()
	if seconds <= FineZero {
		return 0
	}
	fraction, exponent := math.Frexp(seconds)
	i := (exponent - 1) * FineSteps
	for _, bound := range fineBounds {
		if fraction > bound {
			i++
		}
	}
	return min(i-FineFirst+1, NumFine-1)
}

// Observe counts d. It is made for one goroutine.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < NumBounds && d > histogramBounds[i] {
		i++
	}
	h.Counts[i]++
	h.Fine[fine(d)]++
	h.Sum += d
	h.Count++
}
