package control

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// manual is what users read of this package.
const manual = "../docs/control.md"

func readManual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The manual's table of verbs is the code's; with UPDATE_MANUAL set it is written.
func TestManualHasEveryVerb(t *testing.T) {
	const begin, end = "<!-- verbs -->\n", "<!-- /verbs -->"
	var table strings.Builder
	table.WriteString("| request | level | meaning |\n|---|---|---|\n")
	for _, v := range Verbs() {
		request := strings.TrimSpace(v.Name + " " + v.Args)
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", strings.ReplaceAll(request, "|", `\|`), v.Level, v.Help)
	}
	text := readManual(t)
	before, rest, found := strings.Cut(text, begin)
	is, after, found2 := strings.Cut(rest, end)
	if !found || !found2 {
		t.Fatal("the manual has no place for the table")
	}
	if is == table.String() {
		return
	}
	if os.Getenv("UPDATE_MANUAL") != "" {
		if err := os.WriteFile(manual, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the manual's table of verbs is not the code's, which is (UPDATE_MANUAL=1 go test ./control -run Manual writes it):\n%s", table.String())
}

// The manual names every code and topic.
func TestManualHasEveryWord(t *testing.T) {
	text := readManual(t)
	for _, c := range wire.Codes() {
		if want := fmt.Sprintf("\n| %d | %s |", int(c), c.Meaning()); !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, topic := range stream.Topics() {
		if !strings.Contains(text, "`"+topic+"`") {
			t.Errorf("topic %s is missing", topic)
		}
	}
}

// The manual states what bounds a flood, in the numbers of the code.
func TestManualHasEveryBound(t *testing.T) {
	const hintBytes = 4 << 10 // TestMemoryOfHints of package pairing holds it to that
	p := stream.DefaultConfig().Pairing
	thousands := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	text := strings.Join(strings.Fields(readManual(t)), " ")
	if p.HintMax != p.AffinityMax {
		t.Error("the manual says that there may be as many last workers as hints")
	}
	for _, bound := range []string{
		fmt.Sprintf("at most %d names and %d KiB", pairing.MaxPrefer, pairing.MaxList>>10),
		fmt.Sprintf("at most %s hints for connections to come", thousands(p.HintMax)),
		fmt.Sprintf("has at most %s; beyond", thousands(p.SourceMax)),
		fmt.Sprintf("takes at most %d KiB: %d MiB for one address, %d MiB for a pool",
			hintBytes>>10, p.SourceMax*hintBytes>>20, (p.HintMax*hintBytes+1<<20-1)>>20),
		fmt.Sprintf("the last %s connections", thousands(maxCallers)),
		fmt.Sprintf("%d in a pool, %d KiB each", maxNames, maxNames*(pairing.MaxName+1+32)>>10), // 16 bytes of a string twice, for room to grow
	} {
		if !strings.Contains(text, bound) {
			t.Errorf("it does not say %q", bound)
		}
	}
}

// snippet is a block of the manual that is marked as tested.
func snippet(t *testing.T, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(readManual(t), "<!-- test: "+name+" -->\n```python\n")
	code, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatalf("the manual has no %s", name)
	}
	return code
}

func python(t *testing.T, code string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("/usr/bin/python3")
	if err != nil || exec.Command(path, "-c", "import zmq").Run() != nil {
		t.Skip("python3-zmq is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, "-c", code)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestThreeLinesOfPython(t *testing.T) {
	r := newRig(t, nil)
	r.pair()
	code := strings.ReplaceAll(snippet(t, "three-lines"), "ipc:///run/streamq-proxy/control.sock", r.server.Bound()[0])
	out, err := python(t, code).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); !strings.HasPrefix(got, "[b'200', b'OK', b'{") || !strings.Contains(got, `"pairs":1,`) {
		t.Errorf("it prints %s", got)
	}
}

// The helper names each connection of a socket, also the one after a break.
func TestPythonHelper(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*") })
	frontend, _ := r.pool.Bound()
	code := snippet(t, "helper") + fmt.Sprintf(`
s = zmq.Context.instance().socket(zmq.DEALER)
s.linger = 0
hello(s, %q, "client", "alice", "prefer=w1,w2")
s.connect(%q)
import sys; sys.stdin.read()
s.disable_monitor()
s.close()
`, r.server.Bound()[1], frontend[0])
	cmd := python(t, code)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	named := func(after string) (endpoint string) {
		t.Helper()
		eventually(t, "alice is named", func() bool {
			info, err := r.pool.Identity(r.context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			if info == nil || len(info.Peers) == 0 || info.Peers[0].Origin.Endpoint == after || len(info.Prefer) != 2 {
				return false
			}
			endpoint = info.Peers[0].Origin.Endpoint
			return true
		})
		return endpoint
	}
	first := named("")
	r.say(r.dial(), wire.OK, "KICK", "client", first)
	named(first)
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// What the proxy refuses the helper prints, once, and goes on trying.
func TestPythonHelperPrintsRefusals(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*") })
	frontend, _ := r.pool.Bound()
	code := strings.ReplaceAll(snippet(t, "helper"), "poll(2500)", "poll(10)") + fmt.Sprintf(`
s = zmq.Context.instance().socket(zmq.DEALER)
s.linger = 0
hello(s, %q, "client", "alice", "weight=2")
s.connect(%q)
sys.stdin.read()
s.disable_monitor()
s.close()
`, r.server.Bound()[1], frontend[0])
	cmd := python(t, code)
	var printed bytes.Buffer
	cmd.Stderr = &printed
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has tried some times", func() bool {
		return slices.ContainsFunc(r.server.Stats().Requests, func(n RequestCount) bool {
			return n.Verb == "HELLO" && n.Code == wire.Malformed && n.Count > 3
		})
	})
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if want := r.server.Bound()[1] + ": 400: weight= is a worker's\n"; printed.String() != want {
		t.Errorf("it prints %q, want %q", printed.String(), want)
	}
}

// The manual tells the bound beyond which there is no reply.
func TestManualHasTheLongestFrame(t *testing.T) {
	if want := fmt.Sprintf("up to %d KiB", wire.MaxFrame>>10); !strings.Contains(readManual(t), want) {
		t.Errorf("%q is missing", want)
	}
}

// The manual names every reason for which a connection is refused.
func TestManualHasEveryRefusal(t *testing.T) {
	text := readManual(t)
	for r := range numRefusals {
		if want := fmt.Sprintf("\n| `%s` | %s |", r, refusals[r].text); !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
}
