package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/libzmq"
)

// result is a run: what -json writes and every table and plot is made of.
type result struct {
	Date     time.Time         `json:"date"`
	Machine  machine           `json:"machine"`
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Quick    bool              `json:"quick"`
	Agent    bool              `json:"agent,omitempty"` // it is the agent that was measured
	Rows     []string          `json:"rows"`
	Cases    []caseResult      `json:"cases"`
	Ratios   []ratio           `json:"ratios"`
	Failures []string          `json:"failures,omitempty"`
}

// questions are what a run like this answers.
func (r result) questions() []comparison {
	if r.Agent {
		return agentComparisons()
	}
	return slices.Concat(comparisons(), secondBuild())
}

type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	// Load is the load average of the minute before the run: what else the machine had to do.
	Load string `json:"load"`
	// Others is the share of all cores that went to processes other than the benchmark's while it ran, from 0 to 1.
	Others float64 `json:"others"`
}

// caseResult is what every row did in one case.
type caseResult struct {
	Name      string `json:"name"`
	Kind      kind   `json:"kind"`
	Mechanism string `json:"mechanism"`
	Size      int    `json:"size"`
	Clients   int    `json:"clients,omitempty"`
	Count     int    `json:"count"`
	// Rows has each row's figures by the metric's name. A row that failed in every round is not in it.
	Rows map[string]map[string]summary `json:"rows"`

	played map[string]map[int]figures // by row and round
}

func thisMachine() machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), Kernel: "unknown"}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = modelName(string(info))
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		// Behind the version comes whose build of it this is.
		m.Kernel, _, _ = strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	return m
}

// modelName finds the first processor's name in /proc/cpuinfo; not every architecture has one there.
func modelName(info string) string {
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// versions are of what plays in the rows.
func versions(ctx context.Context, p programs, rows []row) map[string]string {
	v := map[string]string{"libzmq": libzmq.Version()}
	for _, r := range rows {
		switch r.name {
		case "haproxy", "haproxy-splice", "haproxy-twice":
			v["haproxy"] = p.haproxy.version("-v")
		case "nginx":
			v["nginx"] = p.nginx.version("-v")
		case "splice", "stream", "splice-dial-in", "stream-dial-in", "agent":
			if out, err := exec.CommandContext(ctx, p.proxy, "version").Output(); err == nil {
				v["streamq-proxy"], _, _ = strings.Cut(string(out), "\n")
			}
		}
	}
	return v
}

func newCaseResult(c benchCase) caseResult {
	return caseResult{
		Name: c.name, Kind: c.kind, Mechanism: c.mechanism, Size: c.size, Clients: c.clients, Count: c.count,
		Rows: map[string]map[string]summary{}, played: map[string]map[int]figures{},
	}
}

func (c *caseResult) add(row string, round int, f figures) {
	if c.played[row] == nil {
		c.played[row] = map[int]figures{}
	}
	c.played[row][round] = f
}

// values are a row's figures of one metric by round.
func (c *caseResult) values(row string, m metric) map[int]float64 {
	values := map[int]float64{}
	for round, f := range c.played[row] {
		if v, ok := f[m.name]; ok {
			values[round] = v
		}
	}
	return values
}

// sum makes the summaries once all rounds are played.
func (c *caseResult) sum() {
	for row := range c.played {
		c.Rows[row] = map[string]summary{}
		for _, m := range columns(c.Kind) {
			values := c.values(row, m)
			if len(values) > 0 {
				c.Rows[row][m.name] = summarise(inOrder(values))
			}
		}
	}
}

func (r result) caseNamed(name string) (caseResult, bool) {
	for _, c := range r.Cases {
		if c.Name == name {
			return c, true
		}
	}
	return caseResult{}, false
}

func (r result) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func readResult(file string) (result, error) {
	var r result
	text, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}
