package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestSlotsRecipe: the worker of docs/slots.md has all its slots again after clients with a wrong key.
func TestSlotsRecipe(t *testing.T) {
	text, err := os.ReadFile("../docs/slots.md")
	must(t, err)
	code := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(text)
	if code == nil {
		t.Fatal("docs/slots.md has no recipe")
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "worker.py"), code[1], 0o600))
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--mechanisms", "CURVE")
	served := exec.Command("/usr/bin/python3", "worker.py", p.backend[0])
	served.Dir, served.Stderr = dir, os.Stderr
	must(t, served.Start())
	t.Cleanup(func() {
		_ = served.Process.Kill() // it serves for ever
		_ = served.Wait()         // and says that it was killed
	})
	var key []byte
	eventually(t, "the worker has written its public key", func() bool {
		key, _ = os.ReadFile(filepath.Join(dir, "worker.pub")) // not there yet
		return len(key) == 40
	})
	ctx := newContext(t)
	ask := func(n int) {
		t.Helper()
		var all []*socket
		for i := range n { // at once, so that each has a slot
			c := newSocket(t, ctx, zmq.REQ)
			public, secret, err := zmq.NewCurveKeypair()
			must(t, err)
			must(t, c.ClientAuthCurve(string(key), public, secret))
			must(t, c.Connect(p.frontend[0]))
			c.send(t, fmt.Sprint(i))
			all = append(all, c)
		}
		for _, c := range all {
			c.recv(t)
		}
		for _, c := range all {
			c.close()
		}
	}
	ask(6)
	wrong := newSecurity(t, "CURVE")
	for begun := time.Now(); time.Since(begun) < 2*time.Second; time.Sleep(100 * time.Millisecond) {
		bad := newClient(t, ctx, zmq.DEALER, wrong, "")
		must(t, bad.Connect(p.frontend[0]))
	}
	ask(6)
}
