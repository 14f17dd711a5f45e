package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// snapshotTimeout bounds how long a scrape waits for a pool.
const snapshotTimeout = 2 * time.Second

// Collector is a [prometheus.Collector] over pools. It is safe for concurrent use.
type Collector struct {
	pools    []Source
	families *families
}

// NewCollector shows the pools, whose names must differ.
func NewCollector(pools ...Source) *Collector {
	return &Collector{pools: pools, families: newFamilies()}
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.families.all {
		to <- d
	}
}

// Collect implements [prometheus.Collector]. The pools are asked all at once, so
// that they all have the whole of the scrape's time.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range c.pools {
		all.Go(func() {
			s, err := p.Snapshot(ctx)
			sample := sampler{families: c.families, pool: p.Name(), to: to}
			sample.flag(sample.up, err == nil)
			if err == nil {
				sample.snapshot(&s)
			}
		})
	}
	all.Wait()
}
