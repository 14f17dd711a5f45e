package metrics

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/streamq/streamq-proxy/pairing"
)

// written is what a histogram of ours is for Prometheus.
func written(t *testing.T, h *pairing.Histogram) *dto.Histogram {
	t.Helper()
	d := prometheus.NewDesc("x_seconds", "X.", nil, nil)
	var m dto.Metric
	if err := (histogram{d, nil, *h}).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram()
}

// A histogram of ours says the same as client_golang's own of the same buckets, in both forms.
func TestHistogramIsPrometheusOwn(t *testing.T) {
	t.Parallel()
	var bounds []float64
	for _, b := range pairing.HistogramBounds() {
		bounds = append(bounds, b.Seconds())
	}
	source := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		own := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "x_seconds", Help: "X.", Buckets: bounds,
			NativeHistogramBucketFactor: 1.2, NativeHistogramZeroThreshold: pairing.FineZero,
		})
		var ours pairing.Histogram
		for range n {
			d := time.Duration(math.Exp(source.Float64() * math.Log(float64(time.Hour)))) // 1 ns to 1 h
			own.Observe(d.Seconds())
			ours.Observe(d)
		}
		var want dto.Metric
		if err := own.Write(&want); err != nil {
			t.Fatal(err)
		}
		got := written(t, &ours)
		if !maps.Equal(classicOf(got), classicOf(want.Histogram)) || !maps.Equal(nativeOf(got), nativeOf(want.Histogram)) {
			t.Fatalf("%d durations: %v\nwant %v", n, got, want.Histogram)
		}
		if got.GetSampleCount() != uint64(n) || got.GetSchema() != want.Histogram.GetSchema() || got.GetZeroThreshold() != want.Histogram.GetZeroThreshold() ||
			got.GetZeroCount() != want.Histogram.GetZeroCount() || math.Abs(got.GetSampleSum()-want.Histogram.GetSampleSum()) > 1e-6 {
			t.Fatalf("%d durations: %v\nwant %v", n, got, want.Histogram)
		}
	}
}

// classicOf are the counts by their bounds.
func classicOf(h *dto.Histogram) map[float64]uint64 {
	all := map[float64]uint64{}
	for _, b := range h.GetBucket() {
		all[b.GetUpperBound()] = b.GetCumulativeCount()
	}
	return all
}

// nativeOf are the counts by the buckets' indices, without empty ones.
func nativeOf(h *dto.Histogram) map[int32]int64 {
	all := map[int32]int64{}
	at, n, i := int32(0), int64(0), 0
	for _, span := range h.GetPositiveSpan() {
		at += span.GetOffset()
		for range span.GetLength() {
			if n += h.GetPositiveDelta()[i]; n > 0 {
				all[at] = n
			}
			at, i = at+1, i+1
		}
	}
	return all
}

// What is longer than the last bucket is in it, and an empty histogram is known to be native.
func TestHistogramsEdges(t *testing.T) {
	t.Parallel()
	empty := written(t, &pairing.Histogram{})
	if len(empty.PositiveSpan) != 1 || empty.PositiveSpan[0].GetLength() != 0 || len(empty.PositiveDelta) != 0 {
		t.Errorf("an empty one is %v", empty)
	}
	var h pairing.Histogram
	h.Observe(1000 * time.Hour)
	h.Observe(0)
	long := written(t, &h)
	if long.GetZeroCount() != 1 || long.GetSampleCount() != 2 || len(long.PositiveSpan) != 1 || long.PositiveSpan[0].GetOffset() != 48 {
		t.Errorf("the longest is in %v", long) // 2^(48/4) s is the last bound
	}
}
