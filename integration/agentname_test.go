package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestAgentNamesWorkers: the workers of an agent's file have their names, weights and maxima at a proxy that gives
// clients to named workers only, and are named again when it is restarted; a worker that says nothing gets none.
func TestAgentNamesWorkers(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	dir := shortDir(t)
	control := "ipc://" + dir + "/c"
	backend := "tcp://" + freePort(t, "127.0.0.1")
	file := filepath.Join(dir, "workers.yaml")
	text := "workers:\n"
	for i := range 2 {
		w := newWorker(t, ctx, zmq.REP, sec)
		text += fmt.Sprintf("  - {name: w%d, worker: %q, slots: 3, weight: %d, max: 9}\n", i, w.listen(t, "tcp://127.0.0.1:0"), i+2)
		w.serve(t, echo)
	}
	must(t, os.WriteFile(file, []byte(text), 0o600))
	flags := []string{"--frontend", "tcp://127.0.0.1:0", "--backend", backend, "--control", control, "--require-hello=workers"}
	p := startProxy(t, flags...)
	stranger := newWorker(t, ctx, zmq.REP, sec)
	must(t, stranger.SetImmediate(true))
	must(t, stranger.Connect(backend))
	stranger.serve(t, func(frames) frames { return frames{[]byte("stranger")} })
	runAgent(t, "--proxy", backend, "--workers", file, "--control", control)
	named := func() {
		t.Helper()
		eventually(t, "both workers are named", func() bool {
			out, _ := exec.Command(os.Getenv(binaryVariable), "ctl", "--control", control, "workers").Output() // none yet
			all := strings.Join(strings.Fields(string(out)), " ")
			return strings.Contains(all, "w0 ready 0 9 2 3") && strings.Contains(all, "w1 ready 0 9 3 3")
		})
		for i := range 8 {
			c := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, c.Connect(p.frontend[0]))
			c.send(t, fmt.Sprint(i))
			if got := c.recv(t); got[0] != fmt.Sprint(i) {
				t.Fatalf("got %q", got)
			}
			c.close()
		}
	}
	named()
	p.stop(t)
	p = startProxy(t, flags...)
	named()
}
