package metrics

import "github.com/prometheus/client_golang/prometheus"

// WebStats are the figures of who is let in over HTTP by a web configuration.
type WebStats struct {
	// InForce: what the file says now is in force.
	InForce bool
	// Passwords by what became of them. They only ever grow.
	Right, Wrong, Limited uint64
}

// webCollector is a [prometheus.Collector] over a web configuration.
type webCollector struct {
	stats             func() WebStats
	inForce, password *prometheus.Desc
}

// NewWebCollector shows what stats returns, which may be called from any goroutine.
func NewWebCollector(stats func() WebStats) prometheus.Collector {
	return &webCollector{
		stats:   stats,
		inForce: prometheus.NewDesc("streamq_web_config_in_force", "1 when what the web-config says now is in force, 0 when it is wrong or would open something, and what it said before stays.", nil, nil),
		password: prometheus.NewDesc("streamq_web_passwords_total",
			"Passwords that came over HTTP: right, wrong, or limited, which were not looked at since there were too many wrong ones.", []string{"result"}, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *webCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.inForce
	to <- c.password
}

// Collect implements [prometheus.Collector].
func (c *webCollector) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	inForce := 0.0
	if s.InForce {
		inForce = 1
	}
	to <- prometheus.MustNewConstMetric(c.inForce, prometheus.GaugeValue, inForce)
	for _, p := range []struct {
		result string
		count  uint64
	}{{"right", s.Right}, {"wrong", s.Wrong}, {"limited", s.Limited}} {
		to <- prometheus.MustNewConstMetric(c.password, prometheus.CounterValue, float64(p.count), p.result)
	}
}
