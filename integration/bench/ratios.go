package main

import (
	"slices"
	"strings"
)

// ratio is one figure of one row divided by another's: the median of what it was in each round.
type ratio struct {
	Case   string  `json:"case"`
	Metric string  `json:"metric"`
	Row    string  `json:"row"`
	To     string  `json:"to"` // the better of those it is to be compared with
	Value  summary `json:"value"`
	Goal   float64 `json:"goal,omitempty"` // 0 where there is none
	More   bool    `json:"more"`           // the goal is a lower bound, not an upper one
	Met    bool    `json:"met"`
}

// comparison is a question that the benchmark answers.
type comparison struct {
	kind   kind
	metric metric
	among  []string // only cases in whose names one of these is found; nil is all
	row    string
	to     []string // the better of these
	goal   float64
	more   bool
}

// peerRows are those that do what we do, and that we want to be as good as.
func peerRows() []string { return []string{"haproxy", "haproxy-splice", "nginx"} }

// comparisons are what the project wants to hold, and of the other metrics how they compare.
func comparisons() []comparison {
	peers := peerRows()
	direct := []string{"direct"}
	small, large := []string{"64B", "1KiB"}, []string{"64KiB", "1MiB"}
	return []comparison{
		{kind: throughput, metric: rateMessages, among: small, row: "splice", to: peers, goal: 1, more: true},
		{kind: throughput, metric: rateMessages, among: large, row: "splice", to: peers, goal: 1.1, more: true},
		{kind: throughput, metric: rateMessages, row: "splice", to: direct, goal: 0.9, more: true},
		{kind: throughput, metric: cpuBytes, among: small, row: "splice", to: peers, goal: 1},
		{kind: throughput, metric: cpuBytes, among: large, row: "splice", to: peers, goal: 0.8},
		{kind: throughput, metric: cpuBytes, row: "stream", to: []string{"splice"}, goal: 1.5},
		{kind: throughput, metric: cpuMessages, among: []string{"curve-64B"}, row: "broker", to: []string{"splice"}, goal: 30, more: true},
		{kind: roundtrip, metric: p50, row: "splice", to: peers, goal: 1},
		{kind: roundtrip, metric: p99, row: "splice", to: peers, goal: 1},
		{kind: roundtrip, metric: p999, row: "splice", to: peers},
		{kind: roundtrip, metric: rateTrips, row: "splice", to: direct, more: true},
		{kind: roundtrip, metric: cpuMessages, row: "splice", to: peers, goal: 1},
		{kind: connecting, metric: rateConnections, among: []string{"curve"}, row: "splice", to: peers, goal: 1, more: true},
		{kind: connecting, metric: rateConnections, among: []string{"null"}, row: "splice", to: peers, goal: 0.9, more: true},
		{kind: connecting, metric: rateConnections, row: "splice", to: direct, more: true},
		{kind: connecting, metric: cpuConnection, among: []string{"curve"}, row: "splice", to: peers, goal: 1.2},
		{kind: connecting, metric: cpuConnection, among: []string{"null"}, row: "splice", to: peers, goal: 1.5},
		{kind: idle, metric: memory, among: []string{"1000"}, row: "splice", to: peers, goal: 0.7},
		{kind: idle, metric: memory, among: []string{"4000"}, row: "splice", to: peers, goal: 0.5},
		{kind: throughput, metric: rateMessages, row: "splice-dial-in", to: direct, more: true},
		{kind: roundtrip, metric: p50, row: "splice-dial-in", to: peers},
		{kind: connecting, metric: rateConnections, row: "splice-dial-in", to: peers, more: true},
		{kind: idle, metric: memory, row: "splice-dial-in", to: peers},
	}
}

// secondBuild compares every figure of another build of the proxy with the first's.
func secondBuild() []comparison {
	var all []comparison
	for _, name := range []string{"splice", "stream", "splice-dial-in", "stream-dial-in"} {
		for _, k := range []kind{throughput, roundtrip, connecting, idle} {
			for _, m := range columns(k) {
				all = append(all, comparison{kind: k, metric: m, row: name + "-2", to: []string{name}, more: m.more})
			}
		}
	}
	return all
}

// agentComparisons are the same of an agent: beside a worker that the proxy dials itself, and beside a proxy in front of
// a proxy.
func agentComparisons() []comparison {
	twice := []string{"haproxy-twice"}
	return []comparison{
		{kind: oneShot, metric: rateOneShots, row: "agent", to: []string{"splice"}, goal: 0.9, more: true},
		{kind: oneShot, metric: rateOneShots, row: "agent", to: twice, more: true},
		// What a second proxy costs by itself, on this machine.
		{kind: oneShot, metric: rateOneShots, row: "haproxy-twice", to: []string{"haproxy"}, more: true},
		{kind: oneShot, metric: rateOneShots, row: "splice", to: []string{"haproxy"}, more: true},
		{kind: oneShot, metric: rateOneShots, row: "splice-dial-in", to: []string{"splice"}, more: true},
		{kind: oneShot, metric: cpuConnection, row: "agent", to: twice},
		{kind: throughput, metric: rateMessages, row: "agent", to: twice, goal: 0.9, more: true},
		{kind: throughput, metric: cpuBytes, row: "agent", to: twice, goal: 1},
		{kind: roundtrip, metric: rateTrips, row: "agent", to: twice, goal: 0.9, more: true},
		{kind: roundtrip, metric: p99, row: "agent", to: twice},
		{kind: roundtrip, metric: cpuMessages, row: "agent", to: twice},
	}
}

// ratiosOf answers those questions for which there are figures.
func ratiosOf(questions []comparison, cases []caseResult) []ratio {
	var all []ratio
	for _, q := range questions {
		for _, c := range cases {
			if !q.about(c) {
				continue
			}
			if r, ok := q.answer(&c); ok {
				all = append(all, r)
			}
		}
	}
	return all
}

func (q comparison) about(c caseResult) bool {
	found := func(part string) bool { return strings.Contains(c.Name, part) }
	return c.Kind == q.kind && (q.among == nil || slices.ContainsFunc(q.among, found))
}

// answer compares with the better of the others, which is the one that the row looks worst beside. To be it in the
// median makes a peer the better one, not to be lucky in a round.
func (q comparison) answer(c *caseResult) (ratio, bool) {
	worst := ratio{Case: c.Name, Metric: q.metric.name, Row: q.row, Goal: q.goal, More: q.more}
	for _, to := range q.to {
		values := pairwise(c.values(q.row, q.metric), c.values(to, q.metric))
		if len(values) == 0 {
			continue
		}
		s := summarise(values)
		if worst.To == "" || q.metric.more && s.Median < worst.Value.Median || !q.metric.more && s.Median > worst.Value.Median {
			worst.To, worst.Value = to, s
		}
	}
	worst.Met = q.goal == 0 || q.more && worst.Value.Median >= q.goal || !q.more && worst.Value.Median <= q.goal
	return worst, worst.To != ""
}
