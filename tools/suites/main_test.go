package main

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/tools/document"
)

// What each framework prints is read: a test by its name, and none twice.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		parse func(string) results
		out   string
		want  results
	}{
		{
			"unity", unity, "tests/test_a.cpp:52:test_x:PASS\ntests/test_a.cpp:60:test_y:FAIL: Expected 1 Was 2\ntests/test_a.cpp:70:test_z:IGNORE: none\n3 Tests 1 Failures 1 Ignored\n",
			results{"test_a/test_x": passed, "test_a/test_y": failed, "test_a/test_z": skipped},
		},
		{
			"pytest", pytest, "PASSED tests/test_a.py::T::test_x\nERROR tests/test_a.py::T::test_x - RuntimeError\nFAILED tests/test_a.py::test_y\nPASSED tests/test_a.py::test_z\nSKIPPED [2] tests/test_a.py:7: no\n",
			results{"test_a.py::T::test_x": failed, "test_a.py::test_y": failed, "test_a.py::test_z": passed, "skipped tests/test_a.py:7 0": skipped, "skipped tests/test_a.py:7 1": skipped},
		},
		{
			"go", goTest, "=== RUN TestX\n    --- PASS: TestX/a (0.01s)\n    --- FAIL: TestX/b (0.01s)\n--- FAIL: TestX (0.02s)\n--- SKIP: TestY (0.00s)\n",
			results{"TestX/a": passed, "TestX/b": failed, "TestY": skipped},
		},
		{
			"junit", junit, "noise\nRESULT PASS org.zeromq.A.x\nRESULT FAIL zmq.B.y\nRESULT SKIP zmq.B.z\nRESULT END\n",
			results{"A.x": passed, "zmq.B.y": failed, "zmq.B.z": skipped},
		},
	} {
		if got := c.parse(c.out); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func example() row {
	return row{suite{name: "a", title: "A 1"}, outcome{
		direct:   results{"x": passed, "y": passed, "z": failed, "s": skipped},
		through:  results{"x": passed, "y": failed, "z": passed},
		connects: 7,
	}}
}

// A suite that has run nothing, sent nothing through a proxy, or differs without a reason has not passed.
func TestWrong(t *testing.T) {
	r := example()
	leasts["a"] = 3
	defer delete(leasts, "a")
	if got := r.wrong(); len(got) != 2 { // 2 of 3 have passed directly, and y
		t.Errorf("%v", got)
	}
	leasts["a"], r.through["y"] = 2, passed
	if got := r.wrong(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	r.connects = 0
	if got := r.wrong(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestTable(t *testing.T) {
	reasons = append(reasons, &reason{"a", regexp.MustCompile("^y$"), "it is so."})
	defer func() { reasons = reasons[:len(reasons)-1] }()
	const want = "| suite | tests that pass directly | of these, through the proxy | connections through it | fail directly, too | run on |\n|---|---|---|---|---|---|\n" +
		"| A 1 | 2 | 1 | 7 | `z` | 2026-01-02 |\n| B 2 | no run of it is recorded yet: `make test-suites SUITE=b` | | | | |\n\n| passes directly and not through the proxy | why |\n|---|---|\n| `y` | it is so. |\n"
	if got := table([]record{example().record(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)), {Name: "b", Title: "B 2"}}); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

const tree = "../.."

// The document shows what is recorded, and every suite that was run is so with all its tests.
func TestDocument(t *testing.T) {
	all, err := readRecords(tree)
	if err != nil {
		t.Fatal(err)
	}
	known := (&runner{}).suites()
	if len(all) != len(known) {
		t.Fatalf("%d suites are recorded, and there are %d: run make test-suites", len(all), len(known))
	}
	for i, r := range all {
		if r.Name == known[i].name && r.On == "" {
			continue // no run is recorded yet
		}
		if r.Name != known[i].name || r.Title != known[i].title || r.Passed < leasts[r.Name] || r.Through+different(r) != r.Passed || r.Connects == 0 {
			t.Errorf("%s has not passed: %+v", known[i].name, r)
		}
	}
	text, err := os.ReadFile(documentFile(tree))
	if err != nil {
		t.Fatal(err)
	}
	if want := document.Made(made, "\n"+table(all)+"\n"); !strings.Contains(string(text), want) {
		t.Errorf("docs/suites.md has another table than docs/suites.json: want\n%s", want)
	}
}

func different(r record) (n int) {
	for _, d := range r.Differs {
		n += len(d.Tests)
	}
	return n
}

// fakeProxy is a program that says that it serves, as the proxy does.
func fakeProxy(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho \"$@\" >&2\necho '{\"msg\":\"serving\",\"frontend\":\"tcp://127.0.0.1:4711\"}' >&2\nexec sleep 100\n"), 0o755); err != nil { //nolint:gosec // it is to be executed
		t.Fatal(err)
	}
	return file
}

// The gateway has a proxy for each address, at most so many of them, and none is left at the end.
func TestGateway(t *testing.T) {
	g, err := startGateway(fakeProxy(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	if err := g.begin(log, []string{"--expect", "any"}); err != nil {
		t.Fatal(err)
	}
	ask := func(what string, port int) string {
		c, err := net.Dial("unix", g.socket())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "%s 127.0.0.1 %d\n", what, port)
		answer, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(answer)
	}
	for range 2 {
		if got := ask("connect", 5555); got != "4711" {
			t.Fatalf("the port is %q", got)
		}
	}
	for port := range most {
		ask("listen", 6000+port)
	}
	if g.count() != 2 || len(g.proxies) != most || g.proxies["127.0.0.1:5555"] != nil {
		t.Errorf("%d connections, %d proxies", g.count(), len(g.proxies))
	}
	var processes []*os.Process
	for _, p := range g.proxies {
		processes = append(processes, p.command.Process)
	}
	if err := g.close(); err != nil {
		t.Error(err)
	}
	if slices.ContainsFunc(processes, func(p *os.Process) bool { return p.Signal(os.Interrupt) == nil }) {
		t.Error("a proxy is left")
	}
	said, err := os.ReadFile(log)
	if want := "--worker tcp://127.0.0.1:5555 --retry-min 50ms --retry-max 100ms --expect any\n"; err != nil || !strings.Contains(string(said), want) {
		t.Errorf("%q is not in\n%s", want, said)
	}
}
