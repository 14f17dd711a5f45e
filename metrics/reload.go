package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Reloads count how often the configuration was read again. They are made by
// [NewReloads] and safe for concurrent use.
type Reloads struct {
	good, since prometheus.Gauge
	total       *prometheus.CounterVec
}

// Results of a reload.
const (
	reloaded    = "success"
	notReloaded = "failure"
)

// NewReloads begins with a configuration that came into force at now: the start's.
func NewReloads(now time.Time) *Reloads {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "streamq_config_" + name, Help: help})
	}
	r := &Reloads{
		good:  gauge("last_reload_successful", "1 when the last reload succeeded or there was none, 0 when it failed and changed nothing."),
		since: gauge("last_reload_success_timestamp_seconds", "When the configuration that is in force was read."),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamq_config_reloads_total", Help: "Reloads of the configuration, the start excluded.",
		}, []string{"result"}),
	}
	for _, result := range []string{reloaded, notReloaded} {
		r.total.WithLabelValues(result) // so that it is 0 and not missing
	}
	r.inForce(now)
	return r
}

// Done counts a reload that ended at now, with err or without.
func (r *Reloads) Done(now time.Time, err error) {
	if err != nil {
		r.good.Set(0)
		r.total.WithLabelValues(notReloaded).Inc()
		return
	}
	r.inForce(now)
	r.total.WithLabelValues(reloaded).Inc()
}

func (r *Reloads) inForce(now time.Time) {
	r.good.Set(1)
	r.since.Set(float64(now.UnixNano()) / 1e9)
}

// Describe implements [prometheus.Collector].
func (r *Reloads) Describe(to chan<- *prometheus.Desc) {
	for _, c := range r.collectors() {
		c.Describe(to)
	}
}

// Collect implements [prometheus.Collector].
func (r *Reloads) Collect(to chan<- prometheus.Metric) {
	for _, c := range r.collectors() {
		c.Collect(to)
	}
}

func (r *Reloads) collectors() []prometheus.Collector {
	return []prometheus.Collector{r.good, r.since, r.total}
}
