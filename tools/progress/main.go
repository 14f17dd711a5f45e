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

	passed, failed, skipped, packages int
}

func newReport(out io.Writer, now func() time.Time) *report {
	return &report{
		out: out, now: now, started: now(), printed: now(),
		running: map[string]time.Time{}, output: map[string]*strings.Builder{},
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
		r.failed++
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
		r.failed++
		r.printf("FAIL  %s %s\n%s", e.Package, e.Test, r.said(key))
	}
	delete(r.output, key)
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
		r.failed++
		r.printf("FAIL  %s\n%s", e.Package, r.said(key))
		// A test that the package's end cut short (a panic, the timeout) never got an end of its own.
		for unfinished := range r.running {
			if strings.HasPrefix(unfinished, e.Package+" ") {
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

// finish prints the sum and says whether all is well.
func (r *report) finish() bool {
	verdict := "ok   "
	if r.failed > 0 || r.passed == 0 {
		verdict = "FAIL "
	}
	r.printf("%s %d passed, %d failed, %d skipped in %d packages, %.0fs\n",
		verdict, r.passed, r.failed, r.skipped, r.packages, r.now().Sub(r.started).Seconds())
	return r.failed == 0 && r.passed > 0
}
