package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/agent"
	"github.com/streamq/streamq-proxy/pairing"
)

// update has the pages be written that are out of date: `make docs`.
var update = flag.Bool("update", false, "write the pages of docs/reference")

// referencePages is where the pages are that nobody writes by hand.
const referencePages = "../../docs/reference"

// TestReference holds each page of the reference to what the program itself says.
func TestReference(t *testing.T) {
	all := settings(t)
	reloadable(t, all)
	for name, text := range map[string]string{
		"settings.md":               settingsPage(all),
		"streamq-proxy.schema.json": schemaPage(t, all),
		"commands.md":               commandsPage(),
		"agent-metrics.md":          agentMetricsPage(t),
		"reasons.md":                reasonsPage(),
		"log.md":                    logPage(t),
	} {
		t.Run(name, func(t *testing.T) { holdPage(t, name, text) })
	}
}

func holdPage(t *testing.T, name, want string) {
	t.Helper()
	file := filepath.Join(referencePages, name)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(is)); diff != "" {
		t.Errorf("docs/reference/%s is out of date, `make docs` writes it (-program +page)\n%s", name, diff)
	}
}

// tableCell is a text that may stand in a table.
func tableCell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

func codeCell(text string) string {
	if text == "" {
		return ""
	}
	return "`" + tableCell(text) + "`"
}

const madeByMake = "<!-- made by `make docs` from the program: change the program -->\n"

func settingsPage(all []*setting) string {
	var b strings.Builder
	b.WriteString("# Settings\n\n" + madeByMake + `
Every key of the configuration file, ` + "`streamq-proxy run --config FILE`" + `. A flag says the same on the command line, and replaces what the file says. ` + "`streamq-proxy check FILE`" + `
finds mistakes, and an editor that knows YAML schemas completes the file when its first line is

<!-- test: TestSchemaIsNamed -->
` + "```yaml\n" + schemaLine + "\n```" + `

A duration is written ` + "`250ms`, `25s` or `1m30s`" + `, a size ` + "`4194304`, `512KiB` or `4MiB`" + `. Reload says whether a new value comes into force by SIGHUP or
` + "`ctl reload`" + `; where it says no, a file with another value is refused as a whole and a restart is needed.
`)
	var sections []string
	rows := map[string]string{}
	for _, s := range all {
		at := sectionOf(s)
		if rows[at] == "" {
			sections = append(sections, at)
		}
		rows[at] += settingRow(s)
	}
	for _, at := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| Setting | Flag | Default | What may be said | Reload | What it does |\n|---|---|---|---|---|---|\n%s", at, rows[at])
	}
	return b.String()
}

func settingRow(s *setting) string {
	flag, reload, allowed := "", "no", tableCell(s.allowed)
	if s.flag != "" {
		flag = "--" + s.flag
	}
	if s.reload {
		reload = "yes"
	}
	key := s.path[len(s.path)-1]
	switch {
	case key == "workers" || key == "doors":
		allowed = "a list, of what is [below](#in-pools" + key + ")"
	case key == "frontend":
		allowed = "a list of endpoints, or of what is [below](#in-poolsfrontend)"
	case s.list && s.value == "":
		allowed = "a list"
	case s.list:
		allowed = "a list of " + codeCell(strings.TrimSuffix(s.value, ",..."))
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", codeCell(key), codeCell(flag), codeCell(s.usual), allowed, reload, tableCell(s.help))
}

func sectionOf(s *setting) string {
	switch at := s.path[:len(s.path)-1]; strings.Join(at, ".") {
	case "":
		return "The process"
	case "pools":
		return "A pool, in `pools`"
	default:
		return "In `" + strings.Join(at, ".") + "`"
	}
}

// commandsPage has every command with its flags.
func commandsPage() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" + madeByMake + "\nEach has a manual page, `man streamq-proxy-run` and so on, and says the same by `--help`.\n")
	var tell func(c *cobra.Command)
	tell = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || strings.HasPrefix(c.CommandPath(), "streamq-proxy completion ") {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n<!-- test: TestHelpSays -->\n```text\n%s\n```\n", c.CommandPath(), upper(c.Short), c.UseLine())
		if long := strings.TrimSpace(c.Long); long != "" {
			fmt.Fprintf(&b, "\n<!-- test: TestHelpSays -->\n```text\n%s\n```\n", long)
		}
		first := true
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			if first {
				b.WriteString("\n| Flag | Takes | Default | What it does |\n|---|---|---|---|\n")
				first = false
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", codeCell("--"+f.Name), codeCell(f.Value.Type()), codeCell(f.DefValue), tableCell(f.Usage))
		})
		for _, sub := range c.Commands() {
			tell(sub)
		}
	}
	tell(newRootCommand(2, io.Discard))
	fmt.Fprintf(&b, "\n## Exit codes\n\n`streamq-proxy ctl` ends with one of these, every other command with 0 or 1.\n\n| Code | Meaning |\n|---|---|\n")
	for n, meaning := range exits {
		fmt.Fprintf(&b, "| %d | %s |\n", n, meaning)
	}
	return b.String()
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func reasonsPage() string {
	var b strings.Builder
	b.WriteString("# Reasons\n\n" + madeByMake + `
Every client ends for exactly one reason. It is ` + "`reason`" + ` in the access log and in the events ` + "`pair.ended` and `client.ended`" + `, and a label of ` + "`streamq_clients_ended_total`" + `.
` + "`streamq-proxy reason NAME`" + ` says the same. What the stages and hints of a handshake mean is in [handshakes](../handshakes.md).

| Reason | Cause | Cure |
|---|---|---|
`)
	for _, r := range pairing.Reasons() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", codeCell(r.String()), tableCell(r.Cause()), tableCell(r.Cure()))
	}
	return b.String()
}

// agentMetricsPage has what an agent shows.
func agentMetricsPage(t *testing.T) string {
	t.Helper()
	a, err := agent.New(agent.Config{Proxy: "tcp://127.0.0.1:1", Worker: "tcp://127.0.0.1:2", Slots: 1, SlotsMax: 1, Descriptors: 256, Threads: 1, Label: "w1", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(a.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Metrics of an agent\n\n" + madeByMake + "\nWhat `/metrics` of `streamq-proxy agent --http` shows beside Go's own. The label `worker` is its name.\n\n| Metric | Type | What it is |\n|---|---|---|\n")
	for _, f := range families {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", codeCell(f.GetName()), strings.ToLower(f.GetType().String()), tableCell(f.GetHelp()))
	}
	return b.String()
}
