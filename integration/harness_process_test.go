package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is a peer in a language of its own: how to start its client and its worker.
type program struct {
	name       string
	mechanisms []string
	client     []string
	worker     []string
	env        []string
	lacks      map[string]string // parts of tests' names, and why the library fails there directly, too
}

// python is pyzmq of the system's own Python.
func python() program {
	return program{
		name:       "pyzmq",
		mechanisms: mechanisms(),
		client:     []string{"/usr/bin/python3", "peers/py/client.py"},
		worker:     []string{"/usr/bin/python3", "peers/py/worker.py"},
	}
}

// czmq compiles a peer of peers/c with the system's own czmq.
func czmq(t *testing.T, name string) string {
	t.Helper()
	if err := exec.Command("pkg-config", "--exists", "libczmq", "libsodium").Run(); err != nil {
		t.Skip("czmq with its headers is missing: it is in Debian's package libczmq-dev")
	}
	to := filepath.Join(t.TempDir(), name)
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libczmq", "libzmq", "libsodium").Output()
	must(t, err)
	if said, err := exec.Command("gcc", append([]string{"-o", to, filepath.Join("peers/c", name+".c")}, strings.Fields(string(flags))...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return to
}

// said is a line that a peer prints.
type said struct {
	Event      string
	Endpoint   string
	Received   int
	Wrong      int
	Digest     string
	Messages   int
	Identities []string
}

// process is a peer at work.
type process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	lines   chan said
	stderr  complaint
	ended   bool
}

// complaint is what a process says in its standard error, which can be read while it runs.
type complaint struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *complaint) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *complaint) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func startProcess(t testing.TB, p program, command []string, flags ...string) *process {
	t.Helper()
	c := &process{lines: make(chan said, 16)}
	c.command = exec.Command(command[0], append(command[1:], flags...)...)
	c.command.Env = append(c.command.Environ(), p.env...)
	c.command.Stderr = &c.stderr
	stdout, err := c.command.StdoutPipe()
	must(t, err)
	c.stdin, err = c.command.StdinPipe()
	must(t, err)
	if err := c.command.Start(); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	go func() {
		defer close(c.lines)
		in := bufio.NewScanner(stdout)
		for in.Scan() {
			var line said
			if json.Unmarshal(in.Bytes(), &line) == nil {
				c.lines <- line
			}
		}
	}()
	t.Cleanup(func() {
		if !c.ended {
			_ = c.command.Process.Kill()
			_ = c.command.Wait()
		}
	})
	return c
}

// hear waits for an event.
func (c *process) hear(t testing.TB, event string) said {
	t.Helper()
	limit := time.After(2 * patience)
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.ended = true
				t.Fatalf("the peer ended before %q: %v\n%s", event, c.command.Wait(), c.stderr.String())
			}
			if line.Event == event {
				return line
			}
		case <-limit:
			t.Fatalf("the peer never said %q\n%s", event, c.stderr.String())
		}
	}
}

// finish tells a worker to end, and returns what it says at the end.
func (c *process) finish(t testing.TB) said {
	t.Helper()
	_, err := io.WriteString(c.stdin, "\n") // JeroMQ's worker cannot see the end of its input
	must(t, err)
	must(t, c.stdin.Close())
	return c.end(t)
}

// end waits for the last words and the end.
func (c *process) end(t testing.TB) said {
	t.Helper()
	last := c.hear(t, "done")
	for range c.lines { // nothing comes after them, but a pipe must be read to its end before Wait
	}
	c.ended = true
	if err := c.command.Wait(); err != nil {
		t.Fatalf("the peer ended with %v after %+v\n%s", err, last, c.stderr.String())
	}
	return last
}

// processWorker is a worker in another language.
type processWorker struct {
	*process
	program program
	kind    string
	sec     security
	slots   int
	beat    time.Duration // between its heartbeats, 0 for none
}

// heartbeatFlags have a peer end a connection from which nothing has come for 20 heartbeats.
func heartbeatFlags(every time.Duration) []string {
	if every == 0 {
		return nil
	}
	return []string{"--heartbeat", strconv.Itoa(int(every.Milliseconds()))}
}

func (w *processWorker) start(t testing.TB, flags ...string) string {
	t.Helper()
	flags = append(append(flags, "--kind", w.kind), heartbeatFlags(w.beat)...)
	w.process = startProcess(t, w.program, w.program.worker, append(flags, w.sec.serverFlags()...)...)
	return w.hear(t, "ready").Endpoint
}

func (w *processWorker) listen(t testing.TB, endpoint string) string {
	t.Helper()
	return w.start(t, "--bind", endpoint)
}

func (w *processWorker) dialIn(t testing.TB, endpoint string) {
	t.Helper()
	w.start(t, "--connect", endpoint, "--slots", strconv.Itoa(w.slots))
}

// task is what a client of any peer does: the same messages in the same order in every language.
type task struct {
	kind, to string // its socket and the worker's
	connect  string
	identity string
	requests int
	atOnce   int // requests under way at a time; the first of each such round is multipart
	size     int // bytes of the last frame of a multipart request
	sec      security
	beat     time.Duration // between its heartbeats, 0 for none
}

func (p program) startClient(t testing.TB, k task) *process {
	t.Helper()
	flags := append([]string{
		"--kind", k.kind, "--to", k.to, "--connect", k.connect, "--identity", k.identity,
		"--requests", strconv.Itoa(k.requests), "--at-once", strconv.Itoa(k.atOnce), "--size", strconv.Itoa(k.size),
	}, k.sec.clientFlags()...)
	return startProcess(t, p, p.client, append(flags, heartbeatFlags(k.beat)...)...)
}
