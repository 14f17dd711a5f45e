// Package metrics shows pools to Prometheus.
//
//	registry := metrics.NewRegistry(build, pools...)
//	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// Nothing of a pool is counted here. Each scrape asks each pool for one snapshot and turns
// it into samples, so that all samples of a pool are of the same moment and the
// loops pay for a scrape and for nothing in between. A pool that does not answer
// in time shows streamq_pool_up 0 and no other sample.
//
// Labels are bounded: pool and the names of states, reasons, directions and
// rules are known beforehand, and only a worker's name comes from outside: that
// of a worker that listens from the configuration, that of one that dials in
// from its address. No label ever names a client.
package metrics
