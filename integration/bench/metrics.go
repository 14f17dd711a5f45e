package main

// metric is a column of the table.
type metric struct {
	name   string // in the JSON file; of times also in the client's result
	title  string // of its column
	words  string // in a sentence
	digits int    // after the point
	// more says that more is better.
	more bool
}

var (
	rateMessages    = metric{name: "messages_per_s", title: "msg/s", words: "Throughput", more: true}
	rateBytes       = metric{name: "megabytes_per_s", title: "MB/s", words: "Throughput in bytes", more: true, digits: 1}
	rateTrips       = metric{name: "round_trips_per_s", title: "trips/s", words: "Round trips a second", more: true}
	rateConnections = metric{name: "connections_per_s", title: "conn/s", words: "Connections a second", more: true}
	rateOneShots    = metric{name: "clients_per_s", title: "clients/s", words: "One-shot REQ clients a second, 8 at once", more: true}
	p50             = metric{name: "p50", title: "p50 us", words: "Median round trip", digits: 1}
	p99             = metric{name: "p99", title: "p99 us", words: "P99 round trip", digits: 1}
	p999            = metric{name: "p999", title: "p99.9 us", words: "P99.9 round trip", digits: 1}
	cpuBytes        = metric{name: "cpu_s_per_gb", title: "CPU s/GB", words: "CPU per GB", digits: 3}
	cpuMessages     = metric{name: "cpu_s_per_million_messages", title: "CPU s/M msg", words: "CPU per message", digits: 3}
	cpuConnection   = metric{name: "cpu_us_per_connection", title: "CPU us/conn", words: "CPU per connection", digits: 1}
	memory          = metric{name: "memory_kib_per_pair", title: "KiB/pair", words: "Memory per idle pair", digits: 2}
	descriptors     = metric{name: "descriptors_per_pair", title: "fds/pair", words: "Descriptors per pair", digits: 2}
)

// columns are the metrics of a kind, in the order of the table.
func columns(k kind) []metric {
	switch k {
	case throughput:
		return []metric{rateMessages, rateBytes, cpuBytes, cpuMessages}
	case roundtrip:
		return []metric{p50, p99, p999, rateTrips, cpuMessages}
	case connecting:
		return []metric{rateConnections, p50, p99, cpuConnection}
	case oneShot:
		return []metric{rateOneShots, p50, p99, cpuConnection}
	default:
		return []metric{memory, descriptors}
	}
}

// metricNamed is the metric of a kind by the name that it has in the JSON file.
func metricNamed(k kind, name string) metric {
	for _, m := range columns(k) {
		if m.name == name {
			return m
		}
	}
	return metric{name: name, words: name}
}
