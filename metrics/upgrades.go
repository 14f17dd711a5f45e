package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Upgrades count how often another process was to go on in this one's place. They are made by
// [NewUpgrades] and safe for concurrent use.
type Upgrades struct {
	mu     sync.Mutex
	counts map[string]uint64
	total  *prometheus.Desc
}

// NewUpgrades begins with none.
func NewUpgrades() *Upgrades {
	return &Upgrades{
		counts: map[string]uint64{reloaded: 0, notReloaded: 0},
		total: prometheus.NewDesc("streamq_upgrades_total",
			"Times that another process was to go on in this one's place; counted on from process to process.", []string{"result"}, nil),
	}
}

// Done counts an upgrade of this process, with err or without.
func (u *Upgrades) Done(err error) {
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.counts[notReloaded]++
	}
}

// Succeeded begins where the process before this one has ended, with one more that succeeded.
func (u *Upgrades) Succeeded(before map[string]uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for result := range u.counts {
		u.counts[result] = before[result]
	}
	u.counts[reloaded]++
}

// Counts are those by result.
func (u *Upgrades) Counts() map[string]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[string]uint64{}
	for result, n := range u.counts {
		all[result] = n
	}
	return all
}

// Describe implements [prometheus.Collector].
func (u *Upgrades) Describe(to chan<- *prometheus.Desc) { to <- u.total }

// Collect implements [prometheus.Collector].
func (u *Upgrades) Collect(to chan<- prometheus.Metric) {
	for result, n := range u.Counts() {
		to <- prometheus.MustNewConstMetric(u.total, prometheus.CounterValue, float64(n), result)
	}
}
