package integration

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/internal/freeport"
	"github.com/streamq/streamq-proxy/stream"
)

// readme is README.md, and behind it the page on kinds of worker, as a user has them, with free endpoints in the place of their own.
type readme struct {
	snippets map[string]snippet
	commands [][]string // what follows "streamq-proxy" in its shell blocks
}

// snippet is a block of Python or Go that the comment "<!-- test: NAME -->" stands before.
type snippet struct {
	file string // named by the block's first line
	code string
}

// block is a fenced block, with the comment before it if there is one.
var block = regexp.MustCompile("(?m)(?:^<!-- test: ([a-z-]+) -->\n)?^```([a-z]+)\n((?:.*\n)*?)```$")

func readReadme(t testing.TB) readme {
	t.Helper()
	text := ""
	for _, document := range []string{"../README.md", "../docs/guide/modes.md"} {
		b, err := os.ReadFile(document)
		must(t, err)
		text += string(b)
	}
	// All of 127.0.0.0/8 is this machine (RFC 1122).
	for i, port := range []string{"5555", "5556", "6000"} {
		address := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(255), 1+i)
		text = strings.ReplaceAll(text, "tcp://127.0.0.1:"+port, "tcp://"+freePort(t, address))
	}
	r := readme{snippets: map[string]snippet{}}
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		name, language, body := m[1], m[2], m[3]
		switch {
		case (language == "python" || language == "go") && name != "":
			first, _, _ := strings.Cut(body, "\n")
			r.snippets[name] = snippet{file: strings.TrimLeft(first, "#/ "), code: body}
		case language == "sh":
			for line := range strings.Lines(body) {
				if command, ok := strings.CutPrefix(line, "streamq-proxy "); ok {
					r.commands = append(r.commands, strings.Fields(command))
				}
			}
		}
	}
	return r
}

// freePort is a port that nobody listens on at an address of this machine, and nobody else is given.
func freePort(t testing.TB, address string) string {
	t.Helper()
	port, err := freeport.Next(1)
	must(t, err)
	return net.JoinHostPort(address, strconv.Itoa(port))
}

// flags are those of the first command with this verb and this flag.
func (r readme) flags(t testing.TB, verb, flag string) []string {
	t.Helper()
	for _, c := range r.commands {
		if c[0] == verb && slices.Contains(c, flag) {
			return c[1:]
		}
	}
	t.Fatalf("no %s in the documents has %s", verb, flag)
	return nil
}

// write puts a snippet into its file and returns how to run it there.
func (r readme) write(t testing.TB, name, dir string) *exec.Cmd {
	t.Helper()
	s, ok := r.snippets[name]
	if !ok || !strings.HasSuffix(s.file, ".py") && !strings.HasSuffix(s.file, ".go") {
		t.Fatalf("the documents have no snippet %s, or its first line names no file", name)
	}
	file := filepath.Join(dir, s.file)
	must(t, os.WriteFile(file, []byte(s.code), 0o600))
	run := exec.Command("/usr/bin/python3", s.file)
	if program, isGo := strings.CutSuffix(file, ".go"); isGo {
		said, err := exec.Command("go", "build", "-o", program, file).CombinedOutput() // with what this module requires
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		run = exec.Command(program)
	}
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

// TestReadmeSnippets does what the documents tell a user to do, for each kind of worker, and has what it promises.
func TestReadmeSnippets(t *testing.T) {
	for _, way := range []struct {
		name, flag, worker string
		agent              bool
	}{
		{"worker-listen", "--worker", "worker-listen", false},
		{"worker-listen-go", "--worker", "worker-listen-go", false},
		{"worker-dial-in", "--backend", "worker-dial-in", false},
		{"agent", "--backend", "worker-listen", true},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			r := readReadme(t)
			dir := t.TempDir()
			startProxy(t, r.flags(t, "run", way.flag)...)
			r.serve(t, way.worker, dir)
			if way.agent {
				runAgent(t, r.flags(t, "agent", "--slots")...)
			}
			for range 2 { // the second on a connection that the worker has made anew
				said, err := r.write(t, "client", dir).CombinedOutput()
				if got := strings.TrimSpace(string(said)); err != nil || got != r.promised(t) {
					t.Fatalf("the client printed %q, %v; want %q", got, err, r.promised(t))
				}
			}
		})
	}
}

// serve runs a worker until the end of the test, and returns when clients can know its key.
func (r readme) serve(t testing.TB, worker, dir string) {
	t.Helper()
	served := r.write(t, worker, dir)
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
}

// TestReadmeMakes has both of the README's first commands be steps of what must pass before a change is taken.
func TestReadmeMakes(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	must(t, err)
	steps, err := os.ReadFile("../.ci/run")
	must(t, err)
	commands := regexp.MustCompile(`(?m)^make [a-z-]+`).FindAllString(string(readme), -1)
	if len(commands) < 2 {
		t.Fatalf("the README has only %q", commands)
	}
	for _, command := range commands {
		if !regexp.MustCompile(`(?m)^step \w+ ` + command + `$`).Match(steps) {
			t.Errorf("%s is no step", command)
		}
	}
}

// TestReadmeTree has every package of the tree that docs/architecture.md shows be there, and every package be in it.
func TestReadmeTree(t *testing.T) {
	shown := map[string]bool{}
	for _, f := range blocks(t, "docs/architecture.md") {
		if f.mark != "<!-- test: "+t.Name()+" -->" {
			continue
		}
		for line := range strings.Lines(f.body) {
			directory, _, _ := strings.Cut(line, " ")
			shown[directory] = true
			if _, err := os.Stat(filepath.Join("..", directory, "doc.go")); err != nil {
				t.Errorf("%s: %v", directory, err)
			}
		}
	}
	packages := 0
	for _, pattern := range []string{"../*/doc.go", "../*/*/doc.go"} {
		found, err := filepath.Glob(pattern)
		must(t, err)
		for _, file := range found {
			directory := strings.TrimPrefix(filepath.Dir(file), "../")
			packages++
			if !shown[directory] && !strings.HasPrefix(directory, "tools/") {
				t.Errorf("%s is not in the tree of docs/architecture.md", directory)
			}
		}
	}
	if packages < 12 {
		t.Errorf("only %d packages were found", packages)
	}
}

// TestReadmeHalfClosed has a half-closed pair on which nothing moves end when the setting says so that docs/limits.md names,
// whatever the others are, and that page say how long that is by default.
func TestReadmeHalfClosed(t *testing.T) {
	b, err := os.ReadFile("../docs/limits.md")
	must(t, err)
	sentence := regexp.MustCompile("A half-closed pair on which nothing moves is ended after 30 s to a minute \\(one to two `(--[a-z-]+)`\\)").FindStringSubmatch(string(b))
	if sentence == nil {
		t.Fatal("docs/limits.md does not say when a half-closed pair is ended")
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
