package main

// metric is a column of the table.
type metric struct {
	name   string // in the JSON file; of times also in the client's result
	title  string
	digits int // after the point
	// more says that more is better.
	more bool
}

var (
	rateMessages    = metric{name: "messages_per_s", title: "msg/s", more: true}
	rateBytes       = metric{name: "megabytes_per_s", title: "MB/s", more: true, digits: 1}
	rateTrips       = metric{name: "round_trips_per_s", title: "trips/s", more: true}
	rateConnections = metric{name: "connections_per_s", title: "conn/s", more: true}
	p50             = metric{name: "p50", title: "p50 us", digits: 1}
	p99             = metric{name: "p99", title: "p99 us", digits: 1}
	p999            = metric{name: "p999", title: "p99.9 us", digits: 1}
	cpuBytes        = metric{name: "cpu_s_per_gb", title: "CPU s/GB", digits: 3}
	cpuMessages     = metric{name: "cpu_s_per_million_messages", title: "CPU s/M msg", digits: 3}
	cpuConnection   = metric{name: "cpu_us_per_connection", title: "CPU us/conn", digits: 1}
	memory          = metric{name: "memory_kib_per_pair", title: "KiB/pair", digits: 2}
	descriptors     = metric{name: "descriptors_per_pair", title: "fds/pair", digits: 2}
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
	default:
		return []metric{memory, descriptors}
	}
}
