package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/stream"
)

// readme is README.md as a user has it, with free endpoints in the place of its own.
type readme struct {
	snippets map[string]snippet
	commands [][]string // what follows "streamq-proxy run" in its shell blocks
	files    []string   // its YAML blocks
}

// snippet is a block of Python that the comment "<!-- test: NAME -->" stands before.
type snippet struct {
	file string // named by the block's first line
	code string
}

// block is a fenced block, with the comment before it if there is one.
var block = regexp.MustCompile("(?m)(?:^<!-- test: ([a-z-]+) -->\n)?^```([a-z]+)\n((?:.*\n)*?)```$")

func readReadme(t testing.TB) readme {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	must(t, err)
	text := string(b)
	// All of 127.0.0.0/8 is this machine (RFC 1122). At an address of its own a port that is free now stays so: those that
	// the system gives to other connections are at 127.0.0.1.
	for i, port := range []string{"5555", "5556", "6000"} {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(255), 1+i)
		text = strings.ReplaceAll(text, "tcp://127.0.0.1:"+port, "tcp://"+freePort(t, address))
	}
	r := readme{snippets: map[string]snippet{}}
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		name, language, body := m[1], m[2], m[3]
		switch {
		case language == "python" && name != "":
			first, _, _ := strings.Cut(body, "\n")
			r.snippets[name] = snippet{file: strings.TrimPrefix(first, "# "), code: body}
		case language == "sh":
			for line := range strings.Lines(body) {
				if _, flags, ok := strings.Cut(line, "streamq-proxy run "); ok {
					r.commands = append(r.commands, strings.Fields(flags))
				}
			}
		case language == "yaml":
			r.files = append(r.files, body)
		}
	}
	return r
}

// freePort is a port that nobody listens on at an address of this machine.
func freePort(t testing.TB, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// command is the first command with this flag.
func (r readme) command(t testing.TB, flag string) []string {
	t.Helper()
	for _, c := range r.commands {
		if strings.Contains(strings.Join(c, " "), flag+" ") {
			return c
		}
	}
	t.Fatalf("no command in the README has %s", flag)
	return nil
}

// write puts a snippet into its file and returns how to run it there.
func (r readme) write(t testing.TB, name, dir string) *exec.Cmd {
	t.Helper()
	s, ok := r.snippets[name]
	if !ok || !strings.HasSuffix(s.file, ".py") {
		t.Fatalf("the README has no snippet %s, or its first line names no file", name)
	}
	must(t, os.WriteFile(filepath.Join(dir, s.file), []byte(s.code), 0o600))
	run := exec.Command("/usr/bin/python3", s.file)
	run.Dir = dir
	return run
}

// promised is what the client's last line says that it prints.
func (r readme) promised(t testing.TB) string {
	t.Helper()
	_, promise, ok := cutLast(strings.TrimSpace(r.snippets["client"].code), "# ")
	if !ok || !strings.Contains(promise, "reply") {
		t.Fatalf("the client of the README does not say what it prints: %q", promise)
	}
	return promise
}

// TestReadmeSnippets does what the README tells a user to do, for both kinds of worker, and has what it promises.
func TestReadmeSnippets(t *testing.T) {
	for flag, name := range map[string]string{"--worker": "worker-listen", "--backend": "worker-dial-in"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := readReadme(t)
			dir := t.TempDir()
			startProxy(t, r.command(t, flag)...)
			served := r.write(t, name, dir)
			var complaint strings.Builder
			served.Stderr = &complaint
			must(t, served.Start())
			t.Cleanup(func() {
				_ = served.Process.Kill() // it serves for ever
				_ = served.Wait()         // and says that it was killed
				if t.Failed() {
					t.Logf("the worker said: %s", complaint.String())
				}
			})
			eventually(t, "the worker has written its public key", func() bool {
				key, _ := os.ReadFile(filepath.Join(dir, "worker.pub")) // not there yet
				return len(key) == 40
			})
			for range 2 { // the second on a connection that the worker has made anew
				said, err := r.write(t, "client", dir).CombinedOutput()
				if got := strings.TrimSpace(string(said)); err != nil || got != r.promised(t) {
					t.Fatalf("the client printed %q, %v; want %q", got, err, r.promised(t))
				}
			}
		})
	}
}

// TestReadmeFiles has every YAML file of the README checked by the program.
func TestReadmeFiles(t *testing.T) {
	r := readReadme(t)
	if len(r.files) == 0 {
		t.Fatal("the README has no file")
	}
	for i, text := range r.files {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.yaml", i))
		must(t, os.WriteFile(path, []byte(text), 0o600))
		if said, err := exec.Command(os.Getenv(binaryVariable), "check", path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
	}
}

// TestReadmeHalfClosed has a half-closed pair on which nothing moves end when the setting says so that the README names,
// whatever the others are, and the README say how long that is by default.
func TestReadmeHalfClosed(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	must(t, err)
	sentence := regexp.MustCompile("A half-closed pair on which nothing moves is ended after 30 s to a minute \\(one to two `(--[a-z-]+)`\\)").FindStringSubmatch(string(b))
	if sentence == nil {
		t.Fatal("the README does not say when a half-closed pair is ended")
	}
	if once := stream.DefaultConfig().Pairing.FinishTimeout; once != 30*time.Second {
		t.Errorf("a half-closed pair is ended after %v to %v by default", once, 2*once)
	}
	flags := []string{"--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--drain-timeout", "1h"}
	p := startOperated(t, append(flags, sentence[1], "300ms")...)
	client, _ := joinRaw(t, p, nil)
	must(t, client.tcp().CloseWrite())
	p.expectEnds(t, 1, "client-closed")
}
