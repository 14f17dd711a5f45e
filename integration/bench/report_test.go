package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample is a small run with something of everything.
func sample() result {
	r := result{
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Rounds: 2,
		Machine:  machine{CPU: "A CPU <fast>", Cores: 2, Kernel: "6.1", Load: "0.10", Others: 0.12},
		Versions: map[string]string{"haproxy": "HAProxy version 2.6.12-1+deb12u4 2026/01/01 - x", "nginx": "nginx version: nginx/1.22.1", "libzmq": "4.3.4"},
		Rows:     []string{"direct", "splice", "nginx", "broker"},
		Failures: []string{"a b: it broke"},
	}
	for _, mechanism := range []string{curve, null} {
		for _, c := range []benchCase{
			{kind: throughput, size: 64, count: 10},
			{kind: roundtrip, size: 64, clients: 64, count: 10},
			{kind: idle, size: 64, count: 4000},
		} {
			c.mechanism = mechanism
			c.name = c.title()
			one := newCaseResult(c)
			for i, row := range r.Rows {
				for round := range r.Rounds {
					f := figures{}
					for j, m := range columns(c.kind) {
						f[m.name] = float64(1000*(i+1) + 100*j + round)
					}
					one.add(row, round, f)
				}
			}
			one.sum()
			r.Cases = append(r.Cases, one)
		}
	}
	r.Ratios = ratiosOf(r.questions(), r.Cases)
	return r
}

// aligned is what a table puts between its columns.
var aligned = regexp.MustCompile(` +`)

func TestTables(t *testing.T) {
	var out bytes.Buffer
	printTables(&out, sample(), false)
	for _, want := range []string{
		"A CPU <fast>, 2 cores, Linux 6.1, HAProxy 2.6.12, nginx 1.22.1, libzmq 4.3.4; medians of 2 rounds (smallest..largest)\n",
		"other processes used 12% of the machine meanwhile; its load was 0.10 before\n",
		"throughput-curve-64B\n",
		" nginx 3,000 (3,000..3,001) 3,100.5 (3,100.0..3,101.0)",
		" splice nginx throughput-curve-64B messages_per_s 0.667 (0.67..0.67) >= 1 no\n",
		" splice nginx idle-null-4000 memory_kib_per_pair 0.667 (0.67..0.67) <= 0.5 no\n",
		"failed: a b: it broke\n",
	} {
		if !strings.Contains(aligned.ReplaceAllString(out.String(), " "), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colour where there is to be none")
	}
}

func TestColourMarksWhatFallsShort(t *testing.T) {
	var out bytes.Buffer
	printTables(&out, sample(), true)
	for _, want := range []string{"\x1b[31mno\x1b[0m", "\x1b[32myes\x1b[0m", "\x1b[31mfailed: a b: it broke\x1b[0m"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{
		{0, 0, "0"}, {999, 0, "999"}, {1000, 0, "1,000"}, {1234567.891, 2, "1,234,567.89"}, {-1234.5, 1, "-1,234.5"}, {0.126, 2, "0.13"},
	} {
		if got := decimal(c.v, c.digits); got != c.want {
			t.Errorf("decimal(%v, %d) = %q, want %q", c.v, c.digits, got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.257: "0.26", 9.5: "9.5", 12.34: "12.3", 456.7: "457", 1000: "1k", 1540: "1.5k", 25_400: "25k", 999_600: "1M", 2_340_000: "2.34M",
	} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestScaleHoldsEveryBar(t *testing.T) {
	step, end := panel{bars: []bar{{value: summary{Median: 1, Max: 100}}}}.scale()
	if end > 2 {
		t.Errorf("a lone whisker makes the axis end at %v in steps of %v", end, step)
	}
	for _, most := range []float64{0, 0.013, 0.9, 1, 1.1, 2, 4.9, 5.1, 9.99, 10, 37, 99, 1234567} {
		step, end := panel{bars: []bar{{value: summary{Median: most / 1.2, Max: most}}}}.scale()
		if lines := end / step; end < most*0.999 || lines < 0.99 || lines > 6.01 {
			t.Errorf("up to %v: step %v, end %v", most, step, end)
		}
	}
	if _, end := (panel{bars: []bar{{value: summary{Median: 30}, mark: 70}}}).scale(); end < 70 {
		t.Errorf("a mark at 70 is beyond %v", end)
	}
	if _, end := (panel{bars: []bar{{value: summary{Median: 1}, mark: 70}}}).scale(); end > 10 {
		t.Errorf("a lone mark makes the axis end at %v", end)
	}
}

// Every picture is XML that a browser takes, has its axes named, and every row's bar in its colour.
func TestPlots(t *testing.T) {
	dir := t.TempDir()
	if err := writePlots(dir, sample()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(dir + "/*.svg")
	if err != nil || len(files) != 5 { // there are no connections in the sample
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(text))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", file, err)
		}
		for _, want := range []string{"is better", "A CPU &lt;fast&gt;", ">CURVE, ", ">NULL, ", `class="splice"`, "prefers-color-scheme: dark"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
	ratios, err := os.ReadFile(filepath.Join(dir, "ratios.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(ratios), `class="goal"`); n != 7 {
		t.Errorf("%d goals, want one for each of 7 metrics", n)
	}
	latency, err := os.ReadFile(filepath.Join(dir, "latency.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(latency), "<circle"); n != 8 {
		t.Errorf("%d marks of p99, want one for each of 4 rows in 2 panels", n)
	}
}

func TestMarkdown(t *testing.T) {
	text := markdown(sample())
	for _, want := range []string{
		"2026-01-02, A CPU <fast>, 2 cores, Linux 6.1, HAProxy 2.6.12, nginx 1.22.1, libzmq 4.3.4; medians of 2 rounds (smallest..largest).\n",
		"| Throughput, 64 B: splice to the better of HAProxy and nginx | >= 1 | **0.667** (0.67..0.67) nginx | **0.667** (0.67..0.67) nginx |\n",
		"| Throughput, 64 B: splice to direct | >= 0.9 | 2.000 (2.00..2.00) | 2.000 (2.00..2.00) |\n",
		"| CPU per message, 64 B: broker to splice | >= 30 | **1.869** (1.87..1.87) |  |\n",
		"| Memory per idle pair, 4,000 pairs: splice to the better of HAProxy and nginx | <= 0.5 | **0.667** (0.67..0.67) nginx | **0.667** (0.67..0.67) nginx |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestReadmeChangesBetweenTheMarksOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(file, []byte("before\n"+proxyMarks.begin+"\nold\n"+proxyMarks.end+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := proxyMarks.update(file, markdown(sample())); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + proxyMarks.begin + "\n" + markdown(sample()) + proxyMarks.end + "\nafter\n"; string(got) != want {
		t.Error(cmp.Diff(want, string(got)))
	}
	for _, bad := range []string{"", proxyMarks.begin, proxyMarks.end + proxyMarks.begin} {
		if _, err := proxyMarks.between(bad, "x"); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestResultIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	want := sample()
	if err := want.write(file); err != nil {
		t.Fatal(err)
	}
	got, err := readResult(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(caseResult{})); diff != "" {
		t.Error(diff)
	}
	if markdown(got) != markdown(want) {
		t.Error("what is read makes another table")
	}
}
