package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FinderStats are the figures of a finder that finds workers: a name, or a file.
type FinderStats struct {
	Pool, Kind, Name string
	// Workers in the last good answer, and the Age of that; of a finder that has never
	// had one, since it was made.
	Workers  int
	Age      time.Duration
	Interval time.Duration // the longest time between two look-ups
	// Good and Failed look-ups. They only ever grow.
	Good, Failed uint64
}

// finderCollector is a [prometheus.Collector] over finders.
type finderCollector struct {
	stats                           func() []FinderStats
	workers, age, interval, lookups *prometheus.Desc
}

// NewFinderCollector shows what stats returns, which may be called from any goroutine.
func NewFinderCollector(stats func() []FinderStats) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("streamq_finder_"+name, help, append([]string{"pool", "kind", "finder"}, labels...), nil)
	}
	return &finderCollector{
		stats:    stats,
		workers:  desc("workers", "Workers in the last good answer of a finder."),
		age:      desc("age_seconds", "Time since the last good answer of a finder, without any since it was made."),
		interval: desc("interval_seconds", "Longest time between two look-ups of a finder."),
		lookups:  desc("lookups_total", "Look-ups of a finder.", "result"),
	}
}

// Describe implements [prometheus.Collector].
func (c *finderCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.workers, c.age, c.interval, c.lookups} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *finderCollector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c.stats() {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, more ...string) {
			to <- prometheus.MustNewConstMetric(d, kind, v, append([]string{s.Pool, s.Kind, s.Name}, more...)...)
		}
		send(c.workers, prometheus.GaugeValue, float64(s.Workers))
		send(c.age, prometheus.GaugeValue, s.Age.Seconds())
		send(c.interval, prometheus.GaugeValue, s.Interval.Seconds())
		send(c.lookups, prometheus.CounterValue, float64(s.Good), "success")
		send(c.lookups, prometheus.CounterValue, float64(s.Failed), "failure")
	}
}
