package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	unityLine  = regexp.MustCompile(`(?m)^(\S+)\.cpp:\d+:(\w+):(PASS|FAIL|IGNORE)`)
	pytestLine = regexp.MustCompile(`(?m)^(PASSED|FAILED|ERROR) (\S+)`)
	pytestSkip = regexp.MustCompile(`(?m)^SKIPPED \[(\d+)\] (\S+):`)
	goLine     = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL|SKIP): (\S+) `)
	junitLine  = regexp.MustCompile(`(?m)^RESULT (PASS|FAIL|SKIP) (.+)$`)
)

// unity reads what the framework of libzmq's tests prints.
func unity(out string) results {
	got := results{}
	for _, m := range unityLine.FindAllStringSubmatch(out, -1) {
		got[filepath.Base(m[1])+"/"+m[2]] = map[string]result{"PASS": passed, "FAIL": failed, "IGNORE": skipped}[m[3]]
	}
	return got
}

// pytest reads its summary. Of those that it skips it says how many, and where.
func pytest(out string) results {
	got := results{}
	for _, m := range pytestLine.FindAllStringSubmatch(out, -1) {
		name := strings.TrimPrefix(m[2], "tests/")
		if m[1] == "PASSED" {
			if got[name] == "" {
				got[name] = passed
			}
		} else {
			got[name] = failed // an ERROR, which comes in an end of a test that has passed, too
		}
	}
	for _, m := range pytestSkip.FindAllStringSubmatch(out, -1) {
		n := 0
		_, _ = fmt.Sscan(m[1], &n) // digits
		for i := range n {
			got[fmt.Sprintf("skipped %s %d", m[2], i)] = skipped
		}
	}
	return got
}

// goTest reads what a program of Go's tests prints, of the innermost ones.
func goTest(out string) results {
	got := results{}
	for _, m := range goLine.FindAllStringSubmatch(out, -1) {
		got[m[2]] = map[string]result{"PASS": passed, "FAIL": failed, "SKIP": skipped}[m[1]]
	}
	for name := range got {
		if i := strings.LastIndex(name, "/"); i >= 0 {
			delete(got, name[:i])
		}
	}
	return got
}

// junit reads what shim/Runner.java prints.
func junit(out string) results {
	got := results{}
	for _, m := range junitLine.FindAllStringSubmatch(out, -1) {
		name := strings.NewReplacer("org.zeromq.", "", "zmq.", "zmq.").Replace(m[2])
		got[name] = map[string]result{"PASS": passed, "FAIL": failed, "SKIP": skipped}[m[1]]
	}
	return got
}
