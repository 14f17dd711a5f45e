package agent

import "github.com/prometheus/client_golang/prometheus"

// State is what an agent has at a moment.
type State struct {
	Worker bool // it is there
	Idle   int  // slots that the proxy has
	Wanted int  // slots that there are to be
	Pairs  int
	Over   bool // it takes no more clients
	// Refused is how the proxy refused the slots' name, nil while it takes it, or was not reached. Where it gives
	// clients to named workers only, slots without one get none.
	Refused error
}

// Ready says whether a client that comes to the proxy can get to the worker by this agent.
func (s State) Ready() bool { return s.Worker && s.Idle > 0 && !s.Over && s.Refused == nil }

// Collectors are the agent's metrics.
func (a *Agent) Collectors() (all []prometheus.Collector) {
	gauge := func(name, help string, f func(State) float64) {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: prometheus.Labels{"worker": a.cfg.Label}}, func() float64 { return f(a.State()) }))
	}
	count := func(name, help string, labels prometheus.Labels, f func() float64) {
		if labels == nil {
			labels = prometheus.Labels{}
		}
		labels["worker"] = a.cfg.Label
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, f))
	}
	gauge("streamq_agent_worker_up", "1 when the worker is there.", func(s State) float64 {
		if s.Worker {
			return 1
		}
		return 0
	})
	gauge("streamq_agent_slots", "Idle connections at the proxy.", func(s State) float64 { return float64(s.Idle) })
	gauge("streamq_agent_slots_wanted", "How many there are to be: --slots, or more when clients come fast.", func(s State) float64 { return float64(s.Wanted) })
	gauge("streamq_agent_pairs", "Clients that have the worker.", func(s State) float64 { return float64(s.Pairs) })
	count("streamq_agent_pairs_total", "Clients that have had the worker.", nil, func() float64 { return float64(a.figures.served.Load()) })
	count("streamq_agent_slots_renewed_total", "Idle connections that the proxy closed, as it does at slot-max-age.", nil, func() float64 { return float64(a.figures.renewed.Load()) })
	const failures = "streamq_agent_failures_total"
	const help = "What failed: to reach the worker, to keep a slot at the proxy, a worker whose signature was another than the slot had shown, to tell the proxy the name of a slot's worker, or to find an address for a client."
	count(failures, help, prometheus.Labels{"of": "worker"}, func() float64 { return float64(a.figures.workerFailed.Load()) })
	count(failures, help, prometheus.Labels{"of": "proxy"}, func() float64 { return float64(a.figures.proxyFailed.Load()) })
	count(failures, help, prometheus.Labels{"of": "signature"}, func() float64 { return float64(a.figures.otherSignature.Load()) })
	count(failures, help, prometheus.Labels{"of": "name"}, func() float64 { return float64(a.figures.unnamed.Load()) })
	count(failures, help, prometheus.Labels{"of": "address"}, func() float64 { return float64(a.figures.unaddressed.Load()) })
	for way, from := range []string{"client", "worker"} {
		count("streamq_agent_bytes_total", "Bytes moved, by the side that sent them.", prometheus.Labels{"from": from}, func() float64 { return float64(a.passed[way].Bytes.Load()) })
	}
	return all
}
