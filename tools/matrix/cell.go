package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// cell is what came of one library under the proxy and one under the peers.
type cell struct {
	proxy, peers library
	passed       int      // tests, the innermost ones
	failed       []string // their names
}

func (c cell) outcome() string {
	if len(c.failed) == 0 {
		return fmt.Sprintf("all %d", c.passed)
	}
	return fmt.Sprintf("%d of %d", c.passed, c.passed+len(c.failed))
}

// limit ends a test program that hangs, with the stacks of all that it does.
const limit = "15m"

func (m *matrix) play(ctx context.Context, proxy, peers library) (cell, error) {
	c := cell{proxy: proxy, peers: peers}
	// The tests start the proxy by one name, so that is a script.
	script := filepath.Join(m.work, "proxy.sh")
	text := "#!/bin/sh\n"
	for _, variable := range proxy.environment() {
		text += "export " + quote(variable) + "\n"
	}
	if proxy.path == "" {
		text += "unset LD_LIBRARY_PATH\n"
	}
	text += "exec"
	for _, word := range proxy.command(m.proxy()) {
		text += " " + quote(word)
	}
	if err := os.WriteFile(script, []byte(text+" \"$@\"\n"), 0o755); err != nil { //nolint:gosec // it is to be executed
		return c, err
	}
	tests := allTests
	if m.quick {
		tests = quickTests
	}
	line := peers.command(m.tests(), "-test.v", "-test.timeout", limit, "-test.run", tests)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Dir = filepath.Join(m.root, "integration")
	cmd.Env = append(append(os.Environ(), peers.environment()...), "STREAMQ_TEST_BINARY="+script)
	out, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return c, err
	}
	c.passed, c.failed = count(out)
	if c.passed == 0 || err != nil && len(c.failed) == 0 {
		return c, fmt.Errorf("proxy on %s, peers on %s: %w\n%s", proxy.title(), peers.title(), err, tail(out))
	}
	for _, name := range c.failed {
		fmt.Printf("%s\n", said(out, name))
	}
	return c, nil
}

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// tail is as much of an output as a person reads.
func tail(out []byte) []byte { return out[max(0, len(out)-8000):] }

// said is what a test printed: from its line "=== RUN" or "=== NAME" to the next.
func said(out []byte, name string) string {
	var lines []string
	own := false
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "=== ") {
			own = strings.HasSuffix(line, " "+name)
		}
		if own || strings.Contains(line, "--- FAIL: "+name+" ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

var ended = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL): (\S+) `)

// count reads what a test program says with -test.v: how many of its innermost tests
// passed, and which failed. One whose subtests all passed can fail itself.
func count(out []byte) (passed int, failed []string) {
	results := map[string]string{}
	inner := map[string][]string{} // by the outer test's name
	for _, m := range ended.FindAllSubmatch(bytes.ReplaceAll(out, []byte("\r"), nil), -1) {
		name := string(m[2])
		results[name] = string(m[1])
		if i := strings.LastIndex(name, "/"); i >= 0 {
			inner[name[:i]] = append(inner[name[:i]], name)
		}
	}
	for name, result := range results {
		below := inner[name]
		switch {
		case result == "PASS" && len(below) == 0:
			passed++
		case result == "FAIL" && !slices.ContainsFunc(below, func(n string) bool { return results[n] == "FAIL" }):
			failed = append(failed, name)
		}
	}
	slices.Sort(failed)
	return passed, failed
}
