package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proxy is a running streamq-proxy.
type proxy struct {
	frontend, backend []string // bound endpoints

	command *exec.Cmd
	exited  chan struct{} // closed once the child is gone; then err is set
	err     error
	killed  bool

	mu    sync.Mutex
	lines []string // everything it has said
}

// startProxy runs the proxy with these flags and returns when it listens. It is ended with the test, which fails when the
// proxy did not end well, raced, or panicked. Use port 0 for endpoints.
func startProxy(t testing.TB, flags ...string) *proxy {
	t.Helper()
	return startProxyOn(t, nil, flags...)
}

// startProxyOn is startProxy on a host, nil for this machine.
func startProxyOn(t testing.TB, h *host, flags ...string) *proxy {
	t.Helper()
	command := h.of(program{worker: []string{os.Getenv(binaryVariable)}}).worker
	return startProxyBy(t, command, nil, flags...)
}

// startProxyBy is startProxy by a command, which finds more descriptors from 3 on.
func startProxyBy(t testing.TB, command []string, descriptors []*os.File, flags ...string) *proxy {
	t.Helper()
	p := &proxy{exited: make(chan struct{})}
	args := append([]string{"run", "--http", "", "--log-format", "json", "--drain-timeout", "50ms"}, flags...)
	p.command = exec.Command(command[0], append(command[1:], args...)...)
	p.command.ExtraFiles = descriptors
	// The race detector would have every process sleep for a second before it ends.
	p.command.Env = append(p.command.Environ(), "GORACE=atexit_sleep_ms=0")
	stderr, err := p.command.StderrPipe()
	must(t, err)
	must(t, p.command.Start())
	listening := make(chan struct{})
	go p.watch(stderr, listening)
	t.Cleanup(func() { p.stop(t) })
	select {
	case <-listening:
	case <-p.exited:
		t.Fatalf("the proxy ended at once: %v\n%s", p.err, p.said())
	case <-time.After(patience):
		t.Fatalf("the proxy never said that it listens:\n%s", p.said())
	}
	return p
}

// watch reads the child's log to its end.
func (p *proxy) watch(stderr io.Reader, listening chan struct{}) {
	defer close(p.exited)
	in := bufio.NewScanner(stderr)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, in.Text())
		frontend, backend, ok := parseListening(in.Text())
		if ok && p.frontend == nil {
			p.frontend, p.backend = frontend, backend
			close(listening)
		}
		p.mu.Unlock()
	}
	p.err = p.command.Wait()
}

// parseListening reads the line that the proxy logs for each pool when it is ready.
func parseListening(line string) (frontend, backend []string, ok bool) {
	var record struct {
		Msg               string
		Frontend, Backend endpoints
	}
	if json.Unmarshal([]byte(line), &record) != nil || record.Msg != "serving" {
		return nil, nil, false
	}
	return record.Frontend, record.Backend, true
}

// endpoints are a list in JSON, or one string with spaces between.
type endpoints []string

func (e *endpoints) UnmarshalJSON(b []byte) error {
	var list []string
	if json.Unmarshal(b, &list) == nil {
		*e = list
		return nil
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*e = strings.Fields(one)
	return nil
}

func (p *proxy) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

func (p *proxy) stop(t testing.TB) {
	_ = syscall.Kill(p.pid(), syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = syscall.Kill(p.pid(), syscall.SIGQUIT) // the Go runtime prints every goroutine
		<-p.exited
		t.Errorf("the proxy did not end on SIGTERM")
	}
	said := p.said()
	if p.err != nil && !p.killed || strings.Contains(said, "DATA RACE") {
		t.Errorf("the proxy ended with: %v", p.err)
	}
	if t.Failed() {
		t.Logf("the proxy said:\n%s", said)
	}
}

// kill ends it as a crash does.
func (p *proxy) kill(t testing.TB) {
	t.Helper()
	p.killed = true
	must(t, p.command.Process.Kill())
	<-p.exited
}

// wildcard is an endpoint that the system completes.
func wildcard(t testing.TB, transport string) string {
	if transport == "ipc" {
		return fmt.Sprintf("ipc://%s/%d", shortDir(t), time.Now().UnixNano())
	}
	return "tcp://127.0.0.1:0"
}

// shortDir is a directory whose path leaves room in the 107 bytes of a unix socket's name, which t.TempDir may not.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "sq")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
