package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestSlotsRecipe: the workers of docs/slots.md have all their slots again after clients with a wrong key.
func TestSlotsRecipe(t *testing.T) {
	t.Run("python", func(t *testing.T) {
		slotsRecipe(t, "python", func(file string) *exec.Cmd { return exec.Command("/usr/bin/python3", file) })
	})
	t.Run("go", func(t *testing.T) {
		slotsRecipe(t, "go", func(file string) *exec.Cmd {
			program := strings.TrimSuffix(file, ".go")
			out, err := exec.Command("go", "build", "-o", program, file).CombinedOutput() // with what this module requires
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return exec.Command(program)
		})
	})
}

// slotsRecipe runs the program that docs/slots.md has in a language.
func slotsRecipe(t *testing.T, language string, program func(file string) *exec.Cmd) {
	text, err := os.ReadFile("../docs/slots.md")
	must(t, err)
	code := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if code == nil {
		t.Fatal("docs/slots.md has no recipe in " + language)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "worker."+map[string]string{"python": "py", "go": "go"}[language])
	must(t, os.WriteFile(file, code[1], 0o600))
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--mechanisms", "CURVE")
	served := program(file)
	served.Args = append(served.Args, p.backend[0])
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
