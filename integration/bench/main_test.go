package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range allCases(false) {
		if seen[c.name] {
			t.Errorf("two cases are called %s", c.name)
		}
		seen[c.name] = true
	}
	for _, name := range quickCases() {
		if !seen[name] {
			t.Errorf("there is no case %s to be quick about", name)
		}
	}
	for _, c := range agentCases(false) {
		if seen[c.name] != (c.kind != oneShot) {
			t.Errorf("%s of an agent is another case than the proxy's", c.name)
		}
	}
	if quick := allCases(true); len(quick) != len(quickCases()) {
		t.Errorf("%d quick cases of %d", len(quick), len(quickCases()))
	}
}

func namesOf(cases []benchCase, rows []row) string {
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	for _, r := range rows {
		names = append(names, r.name)
	}
	return strings.Join(names, " ")
}

func TestSelected(t *testing.T) {
	cases, rows, err := selected(options{rows: "splice.*|direct", cases: "curve-64B|idle"})
	if err != nil {
		t.Fatal(err)
	}
	want := "throughput-curve-64B idle-curve-1000 idle-curve-4000 direct splice splice-dial-in"
	if got := namesOf(cases, rows); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// An agent has a run of its own, and is in no other.
func TestSelectedOfAnAgent(t *testing.T) {
	cases, rows, err := selected(options{agent: true, quick: true, cases: "curve"})
	if err != nil {
		t.Fatal(err)
	}
	want := "throughput-curve-64B roundtrip-curve-64 oneshot-curve direct splice splice-dial-in agent haproxy haproxy-twice"
	if got := namesOf(cases, rows); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, _, err := selected(options{rows: "agent"}); err == nil {
		t.Error("the agent is in the proxy's run")
	}
}

func TestSecondBuildHasRowsOfItsOwn(t *testing.T) {
	_, rows, err := selected(options{rows: ".*-2", proxy2: "x"})
	if err != nil || len(rows) != 4 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if _, _, err := selected(options{rows: ".*-2"}); err == nil {
		t.Error("rows of a second build without one")
	}
}

func TestBadCommandLines(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"extra", `what is "extra"?`},
		{"-rounds 0", "-rounds must be 1 or more"},
		{"-agent -proxy2 x", "-agent has no rows of another build"},
		{"-agent -readme doc.go", "doc.go: there is no <!-- bench agent -->"},
		{"-rows (", "-rows: error parsing regexp"},
		{"-cases (", "-cases: error parsing regexp"},
		{"-rows nothing", "-rows leaves none of: direct splice"},
		{"-cases nothing", "-cases leaves none of: throughput-curve-64B"},
		{"-readme doc.go", "doc.go: there is no <!-- bench -->"},
		{"-json /dev/null/x/result.json", "not a directory"},
		{"-from /nonexistent", "no such file"},
	} {
		err := run(t.Context(), strings.Fields(c.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

// A missing peer is told before anything is measured, with what to do.
func TestMissingPeer(t *testing.T) {
	t.Setenv("PATH", "")
	_, err := findPeer("no-such-proxy", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "no-such-proxy is missing: tools/setup.sh bench fetches it") {
		t.Errorf("%v", err)
	}
}

func TestUnpackedPeerGoesFirst(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "usr/sbin/sh")
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	for _, dir := range []string{filepath.Dir(path), libraries} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := findPeer("sh", root); err != nil || p.root != "" || p.env() != nil {
		t.Errorf("installed: %+v, %v", p, err)
	}
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := findPeer("sh", root)
	if err != nil || p.path != path || strings.Join(p.env(), " ") != "LD_LIBRARY_PATH="+libraries {
		t.Errorf("unpacked: %+v %v, %v", p, p.env(), err)
	}
}

func TestParseResult(t *testing.T) {
	got, err := parseResult("seconds=0.5 p50=12.25")
	if err != nil || got["seconds"] != 0.5 || got["p50"] != 12.25 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"seconds", "seconds=x"} {
		if _, err := parseResult(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestDerive(t *testing.T) {
	f := derive(benchCase{kind: throughput, size: 1000, count: 2000}, map[string]float64{"seconds": 0.5}, true, 10*time.Millisecond)
	if f[rateMessages.name] != 4000 || f[rateBytes.name] != 4 || f[cpuMessages.name] != 5 || f[cpuBytes.name] != 5 {
		t.Errorf("throughput: %v", f)
	}
	f = derive(benchCase{kind: roundtrip, size: 64, count: 500}, map[string]float64{"seconds": 2, "p50": 7}, true, time.Millisecond)
	if f[rateTrips.name] != 250 || f[p50.name] != 7 || f[cpuMessages.name] != 1 {
		t.Errorf("roundtrip: %v", f)
	}
	f = derive(benchCase{kind: connecting, count: 100}, map[string]float64{"seconds": 2}, false, 0)
	if _, there := f[cpuConnection.name]; there || f[rateConnections.name] != 50 {
		t.Errorf("connect, direct: %v", f)
	}
}

// Everything that is written can be made again from the file.
func TestFromFile(t *testing.T) {
	dir := t.TempDir()
	first, again := filepath.Join(dir, "a/result.json"), filepath.Join(dir, "b/result.json")
	if err := checkFiles(options{json: first}); err != nil {
		t.Fatal(err)
	}
	r := sample()
	r.Failures = nil
	if err := r.write(first); err != nil {
		t.Fatal(err)
	}
	args := []string{"-from", first, "-json", again, "-svg", filepath.Join(dir, "plots")}
	if err := run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(first)
	b, err := os.ReadFile(again)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("%v, or they differ", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "plots/ratios.svg")); err != nil {
		t.Error(err)
	}
}

// Who interrupts a run sees what it has found, and gets no file.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file := filepath.Join(t.TempDir(), "result.json")
	var out bytes.Buffer
	// The proxy's row fails, after the direct one was played: the first case is over by then.
	err := run(ctx, []string{"-quick", "-rows", "direct|stream", "-cases", "roundtrip", "-proxy", "/nonexistent", "-json", file}, &out, after("failed", cancel))
	if !errors.Is(err, errInterrupted) || !strings.Contains(out.String(), "roundtrip-curve-64\n") || strings.Contains(out.String(), "roundtrip-null-1\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a file: %v", err)
	}
}

// after calls something when a word is written.
func after(word string, do func()) io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte(word)) {
			do()
		}
		return len(b), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// The load generator and everything around it, for real, without a proxy.
func TestDirect(t *testing.T) {
	var out, progress bytes.Buffer
	if err := run(t.Context(), []string{"-quick", "-rows", "direct", "-proxy", "none"}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, want := range []string{"throughput-null-1MiB\n", "connect-curve\n", "roundtrip-curve-64\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// Where no reply comes, a client says so and ends, rather than hold up the run.
func TestClientGivesUp(t *testing.T) {
	client, _, err := buildLoad(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range allCases(true) {
		c.mechanism = null
		args := append(clientArgs(c, keys{}, "", silent.Addr().String()), "patience=50")
		p, err := spawn("client", nil, client, args...)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.hear(t.Context(), "ready")
		p.stop()
		if err == nil || !strings.HasSuffix(err.Error(), ": Resource temporarily unavailable") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A row that does not start is one line, and does not stop the others.
func TestARowThatFails(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("#!/bin/sh\necho wrong day >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"-quick", "-rows", "direct|stream", "-cases", "roundtrip-null-1", "-proxy", bad}, &out, &progress)
	if err == nil || err.Error() != "1 cell failed" {
		t.Errorf("%v", err)
	}
	if want := "failed: roundtrip-null-1 stream: streamq-proxy ended early: wrong day\n"; !strings.Contains(out.String(), want) || !strings.Contains(progress.String(), want) {
		t.Errorf("no %q in\n%s\nand\n%s", want, out.String(), progress.String())
	}
	if !strings.Contains(out.String(), "  direct  ") {
		t.Errorf("the other row is not there:\n%s", out.String())
	}
}

// tools/syscalls.sh divides by how many connections the connect cases have.
func TestSyscallsCountsAllConnections(t *testing.T) {
	script, err := os.ReadFile("../../tools/syscalls.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range allCases(false) {
		if n := c.count + c.warm; c.kind == connecting && !strings.Contains(string(script), fmt.Sprintf("\nconnections=%d ", n)) {
			t.Errorf("%s has %d connections, the script another number", c.name, n)
		}
	}
}
