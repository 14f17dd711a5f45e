package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// plot is a picture that -svg writes.
type plot struct {
	file  string
	title string
	kind  kind
	// show is the bar, and mark the circle on it where there is one.
	show, mark metric
	axis       string
}

func plots() []plot {
	return []plot{
		{file: "throughput.svg", title: "Throughput, one connection, one way", kind: throughput, show: rateBytes, axis: "MB/s (more is better)"},
		{file: "cpu.svg", title: "CPU time that the proxy takes for a gigabyte", kind: throughput, show: cpuBytes, axis: "s/GB (less is better)"},
		{file: "latency.svg", title: "Round trip of 64 bytes", kind: roundtrip, show: p50, mark: p99, axis: "microseconds (less is better); bar: median, circle: p99"},
		{file: "connections.svg", title: "Connections made, each with its handshake and one round trip", kind: connecting, show: rateConnections, axis: "connections a second (more is better)"},
		{file: "oneshot.svg", title: "REQ clients with one request each, 8 at once", kind: oneShot, show: rateOneShots, axis: "clients a second (more is better)"},
		{file: "memory.svg", title: "Memory of the proxy for an idle pair", kind: idle, show: memory, axis: "KiB a pair (less is better)"},
	}
}

// writePlots writes every picture for which there are figures into a directory that is there.
func writePlots(dir string, r result) error {
	pictures := map[string]picture{"ratios.svg": ratioPicture(r)}
	for _, p := range plots() {
		pictures[p.file] = p.of(r)
	}
	for file, p := range pictures {
		if len(p.panels) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(p.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ratioPicture shows how the splice relay compares with the better of its peers, or the agent with a proxy in front of
// a proxy: a panel for each metric, a bar for each case.
func ratioPicture(r result) picture {
	row, beside := "splice", isPeer
	title := "The splice relay beside the better of HAProxy and nginx in each line, as ratios"
	if r.Agent {
		row, beside = "agent", func(to string) bool { return to == "haproxy-twice" }
		title = "The proxy and an agent beside HAProxy in front of HAProxy, as ratios"
	}
	pic := picture{title: title, note: r.summary() + "; whiskers: smallest to largest"}
	for _, q := range r.Ratios {
		c, ok := r.caseNamed(q.Case)
		if !ok || q.Row != row || !beside(q.To) {
			continue
		}
		title := metricNamed(c.Kind, q.Metric).words
		at := slices.IndexFunc(pic.panels, func(p panel) bool { return p.title == title })
		if at < 0 {
			axis := "times theirs (less is better)"
			if q.More {
				axis = "times theirs (more is better)"
			}
			at = len(pic.panels)
			pic.panels = append(pic.panels, panel{title: title, axis: axis, goal: 1})
		}
		pic.panels[at].bars = append(pic.panels[at].bars, bar{label: c.what(), class: classOf(row), value: q.Value})
	}
	return pic
}

// of makes a panel of each case, those of one size or number of clients side by side.
func (p plot) of(r result) picture {
	pic := picture{title: p.title, note: r.summary() + "; whiskers: smallest to largest"}
	var first, second []panel // by mechanism
	for _, c := range r.Cases {
		if c.Kind != p.kind {
			continue
		}
		one := p.panel(c, r.Rows)
		switch {
		case len(one.bars) == 0:
		case c.Mechanism == curve:
			first = append(first, one)
		default:
			second = append(second, one)
		}
	}
	if len(first) != len(second) { // nothing to set side by side
		pic.panels = append(first, second...)
		return pic
	}
	for i := range first {
		pic.panels = append(pic.panels, first[i], second[i])
	}
	return pic
}

func (p plot) panel(c caseResult, rows []string) panel {
	one := panel{title: c.what(), axis: p.axis}
	for _, row := range rows {
		s, ok := c.Rows[row][p.show.name]
		if !ok {
			continue
		}
		b := bar{label: row, class: classOf(row), value: s}
		if p.mark.name != "" {
			b.mark = c.Rows[row][p.mark.name].Median
		}
		one.bars = append(one.bars, b)
	}
	return one
}

// what says in a person's words what a case is about.
func (c caseResult) what() string {
	switch {
	case c.Kind == throughput:
		return c.Mechanism + ", " + strings.NewReplacer("KiB", " KiB", "MiB", " MiB", "B", " B").Replace(sizeText(c.Size))
	case c.Kind == roundtrip && c.Clients == 1:
		return c.Mechanism + ", 1 client"
	case c.Kind == roundtrip:
		return fmt.Sprintf("%s, %d clients", c.Mechanism, c.Clients)
	case c.Kind == idle:
		return fmt.Sprintf("%s, %s pairs", c.Mechanism, decimal(float64(c.Count), 0))
	default:
		return c.Mechanism
	}
}

// classOf is the colour of a row.
func classOf(row string) string {
	switch {
	case strings.HasPrefix(row, "splice"), row == "agent":
		return "splice"
	case strings.HasPrefix(row, "stream"):
		return "stream"
	case row == "direct" || row == "broker":
		return row
	default:
		return "peer"
	}
}
