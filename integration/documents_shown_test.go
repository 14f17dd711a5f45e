package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestExplainShown has a client be as the manual's is, and `ctl explain` say of it what is shown.
func TestExplainShown(t *testing.T) {
	shown := manualBlock(t, "docs/guide/identities.md", "TestExplainShown")
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 2, 1)
	control := "ipc://" + filepath.Join(shortDir(t), "c")
	flags := []string{"--frontend", "tcp://127.0.0.1:0", "--control", control}
	for i, c := range ws.configs() {
		flags = append(flags, "--worker", []string{"w1", "w2"}[i]+"="+c.Endpoint)
	}
	p := startProxy(t, flags...)
	ws.serve()
	c := dialControl(t, control)
	say(t, c, nil, "DRAIN", "w1")
	say(t, c, nil, "HINT", "alice", "address=127.0.0.1", "prefer=w1,w2")
	s := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, s.Connect(p.frontend[0]))
	ask(t, s)
	line, want, _ := strings.Cut(strings.TrimPrefix(shown, "$ streamq-proxy "), "\n")
	explain := exec.Command(os.Getenv(binaryVariable), strings.Fields(line)...)
	explain.Env = append(explain.Environ(), "STREAMQ_CONTROL="+control)
	said, err := explain.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	at := 0
	all := strings.Split(string(said), "\n")
	for line := range strings.Lines(want) {
		words := strings.Fields(line)
		if i := slices.IndexFunc(all[at:], func(s string) bool { return slices.Equal(strings.Fields(s), words) }); i >= 0 {
			at += i + 1
		} else if line != "...\n" {
			t.Errorf("%q is shown, and said in this place is\n%s", line, strings.Join(all[at:], "\n"))
		}
	}
}

// TestUpgradeShown puts a new program in the place of one that serves, by the lines of the manual: the old process ends well, and
// there is one at its port and its control socket.
func TestUpgradeShown(t *testing.T) {
	runAlone(t, `
		mount -t tmpfs tmpfs /usr/local/bin
		cp /run/bin/streamq-proxy /usr/local/bin
		cp /run/bin/streamq-proxy streamq-proxy.new
		PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		hash -r
		/usr/local/bin/streamq-proxy run --frontend tcp://127.0.0.1:5555 --worker tcp://127.0.0.1:5556 --control ipc:///run/streamq-proxy/control.sock &
		serves
		`+manualBlock(t, "docs/operations/upgrade.md", "TestUpgradeShown")+`
		wait $served
		: </dev/tcp/127.0.0.1/5555
		streamq-proxy ctl status
		streamq-proxy ctl shutdown
	`)
}
