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

// TestSlotsRecipe: the workers of docs/slots.md have all their slots again after every offender. They are given a
// MAXMSGSIZE, without which none of them offends by a long message.
func TestSlotsRecipe(t *testing.T) {
	t.Parallel()
	t.Run("python", func(t *testing.T) {
		slotsRecipe(t, "python", "s.immediate = 1", "s.maxmsgsize = 10_000", func(file string) *exec.Cmd { return exec.Command("/usr/bin/python3", file) })
	})
	t.Run("go", func(t *testing.T) {
		slotsRecipe(t, "go", "check(s.SetImmediate(true))", "check(s.SetMaxmsgsize(10_000))", func(file string) *exec.Cmd {
			program := strings.TrimSuffix(file, ".go")
			out, err := exec.Command("go", "build", "-o", program, file).CombinedOutput() // with what this module requires
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return exec.Command(program)
		})
	})
}

// slotsRecipe runs the program that docs/slots.md has in a language, with one more option before the line immediate.
func slotsRecipe(t *testing.T, language, immediate, option string, program func(file string) *exec.Cmd) {
	text, err := os.ReadFile("../docs/slots.md")
	must(t, err)
	code := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if code == nil {
		t.Fatal("docs/slots.md has no recipe in " + language)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "worker."+map[string]string{"python": "py", "go": "go"}[language])
	whole := strings.Replace(string(code[1]), immediate, option+"; "+immediate, 1)
	if !strings.Contains(whole, option) {
		t.Fatalf("the recipe has no line %q", immediate)
	}
	must(t, os.WriteFile(file, []byte(whole), 0o600))
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
	sec := newSecurity(t, "CURVE")
	sec.serverPublic = string(key)
	ask := func(n int) {
		t.Helper()
		var all []*socket
		for i := range n { // at once, so that each has a slot
			c := newClient(t, ctx, zmq.REQ, sec, "")
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
	for _, bad := range offenders(t) {
		var leave []func()
		for begun := time.Now(); time.Since(begun) < offendersFor(t)/2; time.Sleep(100 * time.Millisecond) {
			leave = append(leave, bad.once(t, ctx, p.frontend[0], sec))
		}
		for _, l := range leave {
			l()
		}
	}
	ask(6)
}
