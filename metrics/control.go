package metrics

import "github.com/prometheus/client_golang/prometheus"

// ControlStats are the figures of a control socket. They only ever grow.
type ControlStats struct {
	// Requests are those over HTTP, too, of a verb and a code once: [ControlStats.Count].
	Requests []ControlRequests
	// Refused connections were not let in, by reason.
	Refused map[string]uint64
	// Unread replies were dropped because their caller did not read; EventsLost were
	// too many to be published.
	Unread, EventsLost uint64
}

// ControlRequests is how often a verb, of a bounded set, was answered by a code.
type ControlRequests struct {
	Verb, Code string
	Count      uint64
}

// Count adds so many requests for a verb that were answered by a code.
func (s *ControlStats) Count(verb, code string, n uint64) {
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Verb == verb && r.Code == code {
			r.Count += n
			return
		}
	}
	s.Requests = append(s.Requests, ControlRequests{verb, code, n})
}

// controlCollector is a [prometheus.Collector] over a control socket.
type controlCollector struct {
	stats                             func() ControlStats
	requests, refused, unread, events *prometheus.Desc
}

// NewControlCollector shows what stats returns, which may be called from any goroutine.
func NewControlCollector(stats func() ControlStats) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("streamq_control_"+name, help, labels, nil)
	}
	return &controlCollector{
		stats:    stats,
		requests: desc("requests_total", "Requests to the control socket, and to steer over HTTP.", "verb", "code"),
		refused:  desc("connections_refused_total", "Connections to the control socket that were not let in.", "reason"),
		unread:   desc("replies_dropped_total", "Replies that were dropped because the caller did not read."),
		events:   desc("events_dropped_total", "Events that were too many to be published."),
	}
}

func (c *controlCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{c.requests, c.refused, c.unread, c.events} {
		to <- d
	}
}

func (c *controlCollector) Collect(to chan<- prometheus.Metric) {
	s := c.stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, r := range s.Requests {
		count(c.requests, r.Count, r.Verb, r.Code)
	}
	for reason, n := range s.Refused {
		count(c.refused, n, reason)
	}
	count(c.unread, s.Unread)
	count(c.events, s.EventsLost)
}
