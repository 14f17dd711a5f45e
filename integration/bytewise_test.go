package integration

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// slowed has strace delay so many microseconds before each of these system calls of a process, from
// now until the test ends. What is read one after the other is then read far apart.
func slowed(t *testing.T, pid int, calls string, delay int) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is missing: tools/setup.sh installs it")
	}
	c := exec.Command(strace, "-f", "-o", "/dev/null", "-e", "trace="+calls,
		"-e", fmt.Sprintf("inject=%s:delay_enter=%d", calls, delay), "-p", fmt.Sprint(pid))
	said, err := c.StderrPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	in := bufio.NewScanner(said)
	for in.Scan() {
		if strings.Contains(in.Text(), "attached") {
			go func() {
				for in.Scan() { // so that it never has to wait for a reader
				}
			}()
			return
		}
	}
	t.Skip("strace may not trace a process here (ptrace(2) is denied, as in a container without CAP_SYS_PTRACE)")
}

// TestTortureBytewise has clients send their greetings a byte at a time, unasked, to a worker that dials in, while the
// proxy does at any stage whatever it does for a new pair, with system calls delayed or not. Every greeting arrives whole,
// and no pair is cut or turned away.
func TestTortureBytewise(t *testing.T) {
	pairs := sized(25, 500)
	for _, relay := range []string{"splice", "stream"} {
		for _, calls := range []string{"", "ioctl", "getsockopt"} {
			t.Run(strings.Trim(relay+"/"+calls, "/"), func(t *testing.T) {
				p := startOperated(t, "--relay", relay, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
				if calls != "" {
					slowed(t, p.command.Process.Pid, calls, 200)
				}
				for i := range pairs {
					bytewise(t, p, uint64(1+i))
				}
				p.expectEnds(t, pairs, "client-closed")
			})
		}
	}
}

// bytewise is one such pair.
func bytewise(t *testing.T, p *operated, number uint64) {
	t.Helper()
	worker, err := dialNumbered(p.backend[0], firstWorker+number)
	must(t, err)
	defer worker.Close()
	done := make(chan error, 1)
	go func() {
		_, err := worker.greet(asLibzmq, nil, ready("ROUTER"))
		if err == nil {
			err = worker.hear(ready("DEALER"))
		}
		done <- err
	}()
	client, err := dialNumbered(p.frontend[0], number)
	must(t, err)
	defer client.Close()
	for _, b := range append(numberedGreeting(number), ready("DEALER")...) {
		_, err := client.Write([]byte{b})
		must(t, err)
		time.Sleep(150 * time.Microsecond) // the client's own pace
	}
	if err := <-done; err != nil {
		t.Fatalf("pair %d: the worker, after %d bytes: %v", number, worker.heard, err)
	}
	if err := client.hear(append(numberedGreeting(firstWorker+number), ready("ROUTER")...)); err != nil {
		t.Fatalf("pair %d: the client, after %d bytes: %v", number, client.heard, err)
	}
	client.Close()
	if n, err := io.Copy(io.Discard, worker); n > 0 || err != nil {
		t.Fatalf("pair %d: %d bytes, %v for the end", number, n, err)
	}
}
