package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamq/streamq-proxy/stream/shared"
)

// sharedCollector is a [prometheus.Collector] over what is remembered together with other proxies.
type sharedCollector struct {
	stats                                           func() (shared.Stats, bool)
	state, changes, lookups, times, writes, pending *prometheus.Desc
	nonsense, names, leftOut                        *prometheus.Desc
}

// NewSharedCollector shows what stats returns, which may be called from any goroutine; false for nothing.
func NewSharedCollector(stats func() (shared.Stats, bool)) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("streamq_shared_"+name, help, labels, nil)
	}
	return &sharedCollector{
		stats:    stats,
		state:    desc("state", "1 for the state that the store is in in which proxies remember together, 0 for the others.", "state"),
		changes:  desc("state_changes_total", "Times that the store has come into another state."),
		lookups:  desc("lookups_total", "Clients of which the store was to tell which worker they had, by what came of it.", "result"),
		names:    desc("name_lookups_total", "Clients without an identity of which the store was to tell who they are, by what came of it.", "result"),
		times:    desc("lookup_seconds", "Time that look-ups took which were answered."),
		writes:   desc("writes_total", "What the store was to be told, by what came of it.", "result"),
		nonsense: desc("nonsense_total", "Values that were read in the store and are nothing that a proxy writes."),
		leftOut:  desc("loads_left_out", "Workers of whose pairs the other proxies are not told, and other proxies that are not read, because it would be too much.", "what"),
		pending:  desc("writes_pending", "Keys that wait to be written to the store."),
	}
}

func (c *sharedCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{c.state, c.changes, c.lookups, c.times, c.writes, c.pending, c.nonsense, c.names, c.leftOut} {
		to <- d
	}
}

func (c *sharedCollector) Collect(to chan<- prometheus.Metric) {
	s, on := c.stats()
	if !on {
		return
	}
	for _, state := range shared.StateNames() {
		is := 0.0
		if state == s.State.String() {
			is = 1
		}
		to <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, is, state)
	}
	to <- prometheus.MustNewConstMetric(c.changes, prometheus.CounterValue, float64(s.Changes))
	to <- prometheus.MustNewConstMetric(c.pending, prometheus.GaugeValue, float64(s.Pending))
	to <- prometheus.MustNewConstMetric(c.nonsense, prometheus.CounterValue, float64(s.Nonsense))
	to <- histogram{desc: c.times, from: s.Times}
	for result, n := range s.Lookups {
		to <- prometheus.MustNewConstMetric(c.lookups, prometheus.CounterValue, float64(n), result)
	}
	for what, n := range s.LeftOut {
		to <- prometheus.MustNewConstMetric(c.leftOut, prometheus.GaugeValue, float64(n), what)
	}
	for result, n := range s.Names {
		to <- prometheus.MustNewConstMetric(c.names, prometheus.CounterValue, float64(n), result)
	}
	for result, n := range s.Writes {
		to <- prometheus.MustNewConstMetric(c.writes, prometheus.CounterValue, float64(n), result)
	}
}
