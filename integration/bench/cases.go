package main

import (
	"fmt"
	"slices"
	"time"
)

// kind is what a case measures, and what the client is told to do.
type kind string

const (
	throughput kind = "throughput" // one connection, one way
	roundtrip  kind = "roundtrip"  // one request under way at each client
	connecting kind = "connect"    // connections with their whole handshake, one round trip, and close
	oneShot    kind = "oneshot"    // the same by REQ clients, as scripts have them
	idle       kind = "idle"       // connections that do nothing
)

const (
	null  = "NULL"
	curve = "CURVE"
)

// benchCase is one line of the table's left side. All rows do the same work in it.
type benchCase struct {
	name      string
	kind      kind
	mechanism string
	size      int // bytes of a message
	clients   int // connections at once, unless idle
	count     int // messages, round trips or connections that are measured
	warm      int // of the same, before the clock starts
}

// hwm is the high-water mark of every socket: libzmq's default, but no more than some megabytes of large messages.
func (c benchCase) hwm() int {
	return max(8, min(1000, 16<<20/c.size))
}

// limit is how long a cell may take before it has failed.
func (c benchCase) limit() time.Duration {
	if c.kind == idle {
		return 90 * time.Second
	}
	return 45 * time.Second
}

// slots is how many a worker that dials in must offer.
func (c benchCase) slots() int {
	switch c.kind {
	case throughput:
		return 1
	case roundtrip:
		return c.clients
	case connecting, oneShot:
		return 8 * c.clients // the slot of a client that left takes a moment to be back
	default:
		return c.count
	}
}

// volumes are the throughput cases: so much work that a direct connection takes half a second or so on a core of 2025.
var volumes = []struct {
	size, null, curve int
}{
	{64, 2_000_000, 600_000},
	{1 << 10, 500_000, 200_000},
	{64 << 10, 16_000, 6_000},
	{1 << 20, 1_200, 400},
}

// allCases are those of a full run, or for quick some of them with next to no work.
func allCases(quick bool) []benchCase {
	var cases []benchCase
	for _, mechanism := range []string{curve, null} {
		for _, v := range volumes {
			count := v.null
			if mechanism == curve {
				count = v.curve
			}
			cases = append(cases, benchCase{kind: throughput, size: v.size, clients: 1, count: count, warm: count / 10})
		}
		cases = append(cases,
			benchCase{kind: roundtrip, size: 64, clients: 1, count: 10_000, warm: 1000},
			benchCase{kind: roundtrip, size: 64, clients: 64, count: 50_000, warm: 5000},
			benchCase{kind: connecting, size: 64, clients: 32, count: 2000, warm: 100})
		if mechanism == curve {
			cases = append(cases,
				benchCase{kind: idle, size: 64, count: 1000},
				benchCase{kind: idle, size: 64, count: 4000})
		}
		for i := range cases {
			c := &cases[i]
			if c.name == "" {
				c.mechanism = mechanism
				c.name = c.title()
			}
		}
	}
	if quick {
		cases = slices.DeleteFunc(cases, func(c benchCase) bool { return !slices.Contains(quickCases(), c.name) })
		for i := range cases {
			cases[i].shrink()
		}
	}
	return cases
}

// agentCases are those in which an agent is measured, or for quick one of each kind with next to no work.
func agentCases(quick bool) []benchCase {
	cases := slices.DeleteFunc(allCases(quick), func(c benchCase) bool { return c.kind == connecting || c.kind == idle })
	for _, mechanism := range []string{curve, null} {
		c := benchCase{kind: oneShot, mechanism: mechanism, size: 64, clients: 8, count: 2000, warm: 100}
		c.name = c.title()
		if quick {
			c.shrink()
		}
		cases = append(cases, c)
	}
	return cases
}

// quickCases are one of each kind, and in them both mechanisms, the smallest and the largest messages.
func quickCases() []string {
	return []string{
		"throughput-curve-64B", "throughput-null-1MiB", "roundtrip-null-1", "roundtrip-curve-64", "connect-curve", "idle-curve-1000",
	}
}

// shrink leaves the name, by which -cases finds it, as it is.
func (c *benchCase) shrink() {
	switch c.kind {
	case idle:
		c.count /= 100
	case connecting, oneShot:
		c.count, c.warm = 40, 8
	default:
		c.count = max(10, c.count/200)
		c.warm = max(1, c.warm/200)
	}
}

func (c *benchCase) title() string {
	name := string(c.kind) + "-" + map[string]string{null: "null", curve: "curve"}[c.mechanism]
	switch c.kind {
	case throughput:
		return name + "-" + sizeText(c.size)
	case roundtrip:
		return fmt.Sprintf("%s-%d", name, c.clients)
	case idle:
		return fmt.Sprintf("%s-%d", name, c.count)
	default:
		return name
	}
}

func sizeText(bytes int) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%dMiB", bytes>>20)
	case bytes >= 1<<10:
		return fmt.Sprintf("%dKiB", bytes>>10)
	default:
		return fmt.Sprintf("%dB", bytes)
	}
}
