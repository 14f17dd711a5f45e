package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/streamq/streamq-proxy/stream"
)

// Source is a pool as far as metrics are concerned.
type Source interface {
	// Name is the value of the label pool.
	Name() string
	// Snapshot answers before ctx ends, or fails.
	Snapshot(ctx context.Context) (stream.Snapshot, error)
}

// Build says what is running.
type Build struct {
	Version   string
	Revision  string
	GoVersion string
}

// NewRegistry is a registry of its own with everything that the program shows:
// the pools, the build, the Go runtime and the process. The names of the pools
// must differ.
func NewRegistry(build Build, pools ...Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "streamq_build_info",
		Help:        "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": build.GoVersion},
	})
	info.Set(1)
	refused := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "streamq_accepts_refused_total",
		Help: "Connections closed as they came, because too few descriptors were left in the process.",
	}, func() float64 { return float64(stream.Refused()) })
	r.MustRegister(
		NewCollector(pools...),
		info,
		refused,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}
