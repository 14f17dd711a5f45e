package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update has the table of docs/operations/capacity.md be written when it is out of date: `make docs`.
var update = flag.Bool("update", false, "write the table of docs/operations/capacity.md")

// capacityRows are what a planner asks, and which figure of which case answers.
var capacityRows = []struct {
	what, of string
	show     func(map[string]summary) string
}{
	{"Memory for an idle pair, of 4,000", "idle-curve-4000", figure("memory_kib_per_pair", "%.1f KiB")},
	{"Descriptors for a pair", "idle-curve-4000", figure("descriptors_per_pair", "%.0f")},
	{"CPU for a gigabyte, in messages of 64 B", "throughput-curve-64B", figure("cpu_s_per_gb", "%.1f s")},
	{"CPU for a gigabyte, in messages of 64 KiB", "throughput-curve-64KiB", figure("cpu_s_per_gb", "%.1f s")},
	{"Messages of 64 B a second, one pair", "throughput-curve-64B", figure("messages_per_s", "%.0f")},
	{"Megabytes a second, one pair, messages of 64 KiB", "throughput-curve-64KiB", figure("megabytes_per_s", "%.0f")},
	{"CPU for a new client, its handshake and its end", "connect-curve", figure("cpu_us_per_connection", "%.0f us")},
	{"New clients a second", "connect-curve", figure("connections_per_s", "%.0f")},
}

func figure(name, format string) func(map[string]summary) string {
	return func(of map[string]summary) string { return fmt.Sprintf(format, of[name].Median) }
}

// TestCapacityPage holds the page to the run that is in the repository.
func TestCapacityPage(t *testing.T) {
	const page, begin, end = "../../docs/operations/capacity.md", "docs/bench/result.json -->\n", "<!-- /capacity -->"
	r, err := readResult("../../docs/bench/result.json")
	if err != nil {
		t.Fatal(err)
	}
	table := r.summary() + ". CURVE.\n\n| | The proxy |\n|---|---|\n"
	for _, row := range capacityRows {
		c, ok := r.caseNamed(row.of)
		if !ok {
			t.Fatalf("there is no %s", row.of)
		}
		table += fmt.Sprintf("| %s | %s |\n", row.what, row.show(c.Rows["splice"]))
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), begin)
	is, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatal("the page has no place for the table")
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table, is); diff != "" {
		t.Errorf("%s is out of date, `make docs` writes it (-result +page)\n%s", page, diff)
	}
}
