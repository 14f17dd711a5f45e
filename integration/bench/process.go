package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child of the benchmark: a proxy, a worker or a client. It is ended by its pid and nothing else is.
type process struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string   // of its standard output
	done  chan struct{} // closed when it has ended
	last  tail          // of its standard error
}

// grace is how long a child may take to end after SIGTERM.
const grace = 3 * time.Second

// spawn starts a child. Its last words on standard error are in the error of whoever waits for it in vain.
func spawn(name string, env []string, command string, args ...string) (*process, error) {
	p := &process{name: name, cmd: exec.Command(command, args...), lines: make(chan string, 16), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = &p.last
	// A terminal's interrupt is for the benchmark, which ends its children in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	started := make(chan error)
	go p.attend(stdout, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	return p, nil
}

// attend starts the child and reads it to its end, in one thread: the death of a parent that a child is told of is the
// death of the thread that started it.
func (p *process) attend(stdout io.Reader, started chan<- error) {
	runtime.LockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	in := bufio.NewScanner(stdout)
	for in.Scan() {
		select {
		case p.lines <- in.Text():
		default: // who prints more than is asked for is not held up by it
		}
	}
	_ = p.cmd.Wait()
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// hear waits for a line that begins with a word, and returns the rest of it.
func (p *process) hear(ctx context.Context, word string) (string, error) {
	for {
		select {
		case line := <-p.lines:
			if rest, ok := strings.CutPrefix(line, word); ok {
				return strings.TrimSpace(rest), nil
			}
		case <-p.done:
			// What it said last may still lie in the channel.
			select {
			case line := <-p.lines:
				if rest, ok := strings.CutPrefix(line, word); ok {
					return strings.TrimSpace(rest), nil
				}
			default:
				return "", p.failure("ended early")
			}
		case <-ctx.Done():
			return "", p.failure(fmt.Sprintf("did not say %q in time", word))
		}
	}
}

// tell answers a child that waits.
func (p *process) tell(word string) error {
	_, err := io.WriteString(p.stdin, word+"\n")
	return err
}

func (p *process) failure(what string) error {
	text := p.name + " " + what
	if last := p.last.line(); last != "" {
		text += ": " + last
	}
	return errors.New(text)
}

// stop ends a child and its descendants, politely first. A nil process is one that was not started.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // its process group, which is its own
		select {
		case <-p.done:
		case <-time.After(grace): // a descendant has left the group and kept standard output
		}
	}
}

// tail keeps the last line that was written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(b), nil
}

func (t *tail) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return lines[len(lines)-1]
}
