package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/streamq/streamq-proxy/pairing"
)

// histogram is a classic and a native histogram in one, which client_golang has for what
// it has observed itself only. Whoever scrapes by protobuf gets both, all others the
// classic one.
type histogram struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	from   pairing.Histogram
}

// schema says that four buckets double a duration.
const schema = 2

// Desc implements [prometheus.Metric].
func (h histogram) Desc() *prometheus.Desc { return h.desc }

// Write implements [prometheus.Metric].
func (h histogram) Write(to *dto.Metric) error {
	to.Label = h.labels
	to.Histogram = &dto.Histogram{
		SampleCount:   new(h.from.Count),
		SampleSum:     new(h.from.Sum.Seconds()),
		Bucket:        h.classic(),
		Schema:        new(int32(schema)),
		ZeroThreshold: new(pairing.FineZero),
		ZeroCount:     new(h.from.Fine[0]),
	}
	to.Histogram.PositiveSpan, to.Histogram.PositiveDelta = h.native()
	return nil
}

// classic has cumulative counts.
func (h histogram) classic() (all []*dto.Bucket) {
	below := uint64(0)
	for i, bound := range pairing.HistogramBounds() {
		below += h.from.Counts[i]
		all = append(all, &dto.Bucket{CumulativeCount: new(below), UpperBound: new(bound.Seconds())})
	}
	return all
}

// native has runs of buckets that are not empty: of each run how far it is from the one
// before, and of each bucket how much it has more than the one before. A histogram without
// any has a run of none, by which it is known to be native.
func (h histogram) native() (runs []*dto.BucketSpan, deltas []int64) {
	before, end := int64(0), 1-pairing.FineFirst // so that the first offset is the bucket's own index
	for i, n := range h.from.Fine[1:] {
		if n == 0 {
			continue
		}
		at := i + 1
		if len(runs) == 0 || at != end {
			runs = append(runs, &dto.BucketSpan{Offset: new(int32(at - end)), Length: new(uint32(0))})
		}
		*runs[len(runs)-1].Length++
		deltas = append(deltas, int64(n)-before)
		before, end = int64(n), at+1
	}
	if len(runs) == 0 {
		runs = []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}
	}
	return runs, deltas
}
