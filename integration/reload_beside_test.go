package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// reloadResult is what TestReloadBeside has seen, for the page.
type reloadResult struct {
	Date       time.Time
	Cores      int
	Idle, Busy int
	After      time.Duration // how long after the reload it was looked
	Proxies    []reloaded
}

// reloaded is what is left of a proxy that has been replaced.
type reloaded struct {
	Name, Version string
	Pairs         int // in the old processes
	Processes     int // old ones that are there
	Memory        int // theirs, in bytes
	Longest, P99  time.Duration
}

// reloadResultVariable names the file that TestReloadBeside writes what it has seen to.
const reloadResultVariable = "STREAMQ_RELOAD_RESULT"

// TestReloadBeside replaces the proxy, HAProxy and nginx in turn under the same load, the last two by their reload: of ours
// nothing is left in the old process, of theirs every pair that was open.
func TestReloadBeside(t *testing.T) {
	idle, busy := upgradeSize()
	withoutRaceAt(t, idle)
	after := 100 * time.Millisecond
	if idle > 1000 {
		after = time.Minute
	}
	r := reloadResult{Date: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Idle: idle, Busy: busy, After: after}
	for _, start := range []func(testing.TB, string) replaceable{replaceableProxy, reloadableHAProxy, reloadableNginx} {
		t.Run("", func(t *testing.T) {
			ctx, sec := newContext(t), newSecurity(t, "CURVE")
			p := start(t, echoAt(t, ctx, sec))
			load := startUpgradeLoad(t, ctx, sec, p.frontend, idle, busy)
			old := p.serving()
			var during spans
			from := time.Now()
			p.replace()
			during.add(from)
			load.goesOn(t)
			time.Sleep(time.Until(from.Add(after)))
			is := reloaded{Name: p.name, Version: p.version}
			ended := func() bool {
				is.Pairs, is.Processes, is.Memory = 0, 0, 0
				for _, pid := range old {
					if connections, memory, ok := left(t, pid); ok {
						is.Pairs, is.Processes, is.Memory = is.Pairs+connections/2, is.Processes+1, is.Memory+memory
					}
				}
				return is.Processes == 0
			}
			if p.version == "" {
				eventually(t, "the old process has ended", ended)
			} else if ended(); is.Pairs < (idle+busy)*9/10 {
				t.Errorf("%d pairs of %d are left: then the page is out of date", is.Pairs, idle+busy)
			}
			load.expectStill(t)
			load.stop()
			is.Longest, is.P99 = load.tellSilences(t, during)
			t.Logf("%+v", is)
			r.Proxies = append(r.Proxies, is)
		})
	}
	if path := os.Getenv(reloadResultVariable); path != "" && !t.Failed() && len(r.Proxies) == 3 {
		text, err := json.MarshalIndent(r, "", "\t")
		must(t, err)
		must(t, os.WriteFile(path, append(text, '\n'), 0o644))
	}
}

// table is the section of the page.
func (r *reloadResult) table() string {
	name := func(p reloaded) string { return strings.TrimSpace(p.Name + " " + p.Version) }
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores; %d pairs with CURVE, %d of them busy; %v after the reload.\n\n|", r.Date.Format(time.DateOnly), r.Cores, r.Idle+r.Busy, r.Busy, r.After)
	row := func(what string, cell func(reloaded) string) {
		fmt.Fprintf(&b, " %s |", what)
		for _, p := range r.Proxies {
			fmt.Fprintf(&b, " %s |", cell(p))
		}
		b.WriteString("\n|")
	}
	row("", name)
	b.WriteString(strings.Repeat("---|", 1+len(r.Proxies)) + "\n|")
	row("Pairs in the old process", func(p reloaded) string { return fmt.Sprint(p.Pairs) })
	row("Old processes", func(p reloaded) string { return fmt.Sprint(p.Processes) })
	row("Their memory", func(p reloaded) string { return fmt.Sprintf("%.1f MiB", float64(p.Memory)/(1<<20)) })
	row("Longest silence of a busy pair", func(p reloaded) string { return p.Longest.Round(time.Millisecond).String() })
	row("p99 of them", func(p reloaded) string { return p.P99.Round(100 * time.Microsecond).String() })
	return strings.TrimSuffix(b.String(), "|")
}

// TestReloadPage holds the page to the run that is in the repository.
func TestReloadPage(t *testing.T) {
	const page, begin, end = "../docs/operations/upgrade.md", "docs/bench/upgrade/result.json -->\n", "<!-- /reload -->"
	var r reloadResult
	text, err := os.ReadFile("../docs/bench/upgrade/result.json")
	must(t, err)
	must(t, json.Unmarshal(text, &r))
	text, err = os.ReadFile(page)
	must(t, err)
	before, rest, begun := strings.Cut(string(text), begin)
	is, behind, ended := strings.Cut(rest, end)
	switch table := r.table(); {
	case !begun || !ended:
		t.Fatal("the page has no place for the table")
	case os.Getenv("UPDATE_RELOAD") != "":
		must(t, os.WriteFile(page, []byte(before+begin+table+end+behind), 0o644))
	case is != table:
		t.Errorf("%s is out of date, `make docs` writes it\n%s", page, table)
	}
}
