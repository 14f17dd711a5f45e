package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	// slow is how long a test takes to get a line of its own.
	slow = 2 * time.Second
	// quiet is after how long without a line one says what is running.
	quiet = 20 * time.Second
	// recalled are so many lines of what a failed test said, and so many bytes of each, under the sum.
	recalled, recalledBytes = 6, 240
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

func main() {
	r := newReport(os.Stdout, time.Now)
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewReaderSize(os.Stdin, 1<<16)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				if !r.finish() {
					os.Exit(1)
				}
				return
			}
			r.line(line)
		case <-tick.C:
			r.tick()
		}
	}
}

// report is what is known so far. Not safe for concurrent use.
type report struct {
	out     io.Writer
	now     func() time.Time
	started time.Time
	printed time.Time
	running map[string]time.Time        // top-level tests under way, "package test"
	output  map[string]*strings.Builder // by "package test", until it is known how the test ended

	passed, skipped, packages int
	failed                    []string            // what failed, to be named again under the sum
	why                       map[string][]string // what the failed tests said first, by their keys
}

func newReport(out io.Writer, now func() time.Time) *report {
	return &report{
		out: out, now: now, started: now(), printed: now(),
		running: map[string]time.Time{}, output: map[string]*strings.Builder{}, why: map[string][]string{},
	}
}

func (r *report) printf(format string, args ...any) {
	fmt.Fprintf(r.out, format, args...)
	r.printed = r.now()
}

func (r *report) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		r.printf("%s", line) // not of `go test -json`: a broken build of an older Go, a panic of the tool
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		r.printf("%s", e.Output)
	case "build-fail":
		r.failed = append(r.failed, e.ImportPath+" (does not build)")
	case "run":
		if !strings.Contains(e.Test, "/") {
			r.running[key] = r.now()
		}
	case "output":
		b := r.output[key]
		if b == nil {
			b = &strings.Builder{}
			r.output[key] = b
		}
		b.WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnded(e, key)
		} else {
			r.testEnded(e, key)
		}
	}
}

func (r *report) testEnded(e event, key string) {
	delete(r.running, key)
	top := !strings.Contains(e.Test, "/")
	switch e.Action {
	case "pass":
		r.passed++
		if took := time.Duration(e.Elapsed * float64(time.Second)); top && took >= slow {
			r.printf("      %-58s %6.1fs\n", e.Test, e.Elapsed)
		}
	case "skip":
		r.skipped++
		r.printf("skip  %s %s\n%s", e.Package, e.Test, r.said(key))
	case "fail":
		r.failed = append(r.failed, key)
		r.why[key] = beginning(r.said(key))
		r.printf("FAIL  %s\n%s", key, r.said(key))
	}
	delete(r.output, key)
}

// beginning is the first of what a failed test said; that it failed is known.
func beginning(said string) (lines []string) {
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\n")
		if len(lines) < recalled && !strings.Contains(line, "--- FAIL") {
			lines = append(lines, line[:min(len(line), recalledBytes)])
		}
	}
	return lines
}

// said is what a test printed, without the lines that only say that it runs.
func (r *report) said(key string) string {
	b := r.output[key]
	if b == nil {
		return ""
	}
	var kept strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "=== ") {
			kept.WriteString("      " + line)
		}
	}
	return kept.String()
}

func (r *report) packageEnded(e event, key string) {
	name := e.Package[strings.LastIndex(e.Package, "/")+1:]
	switch e.Action {
	case "pass":
		r.packages++
		r.printf("ok    %-58s %6.1fs\n", name, e.Elapsed)
	case "fail":
		r.failed = append(r.failed, e.Package)
		r.printf("FAIL  %s\n%s", e.Package, r.said(key))
		// A test that the package's end cut short (a panic, the timeout) never got an end of its own.
		for unfinished := range r.running {
			if strings.HasPrefix(unfinished, e.Package+" ") {
				r.failed = append(r.failed, unfinished+" (not finished)")
				r.printf("FAIL  %s (not finished)\n%s", unfinished, r.said(unfinished))
				delete(r.running, unfinished)
			}
		}
	}
	delete(r.output, key)
}

func (r *report) tick() {
	if r.now().Sub(r.printed) < quiet {
		return
	}
	oldest, since := "tests are being built", r.now()
	for key, at := range r.running {
		if at.Before(since) {
			oldest, since = key[strings.Index(key, " ")+1:], at
		}
	}
	r.printf("...   %s (%d tests passed so far, %.0fs)\n", oldest, r.passed, r.now().Sub(r.started).Seconds())
}

// finish prints the sum, with what failed and how it began once more (a log is often read from its end), and says whether
// all is well.
func (r *report) finish() bool {
	ok, verdict := len(r.failed) == 0 && r.passed > 0, "ok   "
	if !ok {
		verdict = "FAIL "
	}
	r.printf("%s %d passed, %d failed, %d skipped in %d packages, %.0fs\n",
		verdict, r.passed, len(r.failed), r.skipped, r.packages, r.now().Sub(r.started).Seconds())
	for _, name := range r.failed {
		r.printf("      failed: %s\n", name)
		for _, line := range r.why[name] {
			r.printf("      %s\n", line)
		}
	}
	return ok
}
