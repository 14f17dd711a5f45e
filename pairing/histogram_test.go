package pairing

import (
	"math"
	"testing"
	"time"
)

// Each duration is in the bucket whose bounds are around it, and all buckets have all of them.
func TestFineBuckets(t *testing.T) {
	t.Parallel()
	bound := func(i int) float64 { return FineZero * math.Pow(2, float64(i)/FineSteps) }
	for d := time.Duration(1); d < 2*time.Hour; d += 1 + d/97 {
		i := fine(d)
		const rounding = 1e-12
		if above := d.Seconds() > bound(i-1)*(1-rounding); i > 0 && !above {
			t.Errorf("%v is in bucket %d, which begins above it", d, i)
		}
		if below := d.Seconds() <= bound(i)*(1+rounding); i < NumFine-1 && !below {
			t.Errorf("%v is in bucket %d, which ends below it", d, i)
		}
	}
	if fine(-time.Second) != 0 || fine(0) != 0 || fine(math.MaxInt64) != NumFine-1 {
		t.Error("the ends are elsewhere")
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	for i := range b.N {
		h.Observe(time.Duration(i&1023) * 10 * time.Microsecond)
	}
}
