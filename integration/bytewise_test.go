package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowdown is a process of which some system calls are delayed.
type slowdown struct {
	calls  []string
	strace *exec.Cmd
	log    string
}

// slowed has strace delay so many microseconds before each of these system calls of a process, from
// now until it is over. What is done one after the other is then done far apart.
func slowed(t *testing.T, pid int, calls []string, delay int) *slowdown {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is missing: tools/setup.sh installs it")
	}
	s := &slowdown{calls: calls, log: filepath.Join(t.TempDir(), "calls")}
	all := strings.Join(calls, ",")
	s.strace = exec.Command(strace, "-f", "-qq", "-o", s.log, "-e", "trace="+all, "-e", "signal=none",
		"-e", fmt.Sprintf("inject=%s:delay_enter=%d", all, delay), "-p", fmt.Sprint(pid))
	must(t, s.strace.Start())
	t.Cleanup(func() { s.end() })
	if !traced(pid) {
		t.Skip("strace may not trace a process here (ptrace(2) is denied, as in a container without CAP_SYS_PTRACE)")
	}
	return s
}

// traced waits until every thread of a process is traced.
func traced(pid int) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		free := 0
		for _, path := range threads {
			if status, err := os.ReadFile(path); err == nil && strings.Contains(string(status), "\nTracerPid:\t0\n") {
				free++
			}
		}
		if len(threads) > 0 && free == 0 {
			return true
		}
	}
	return false
}

// end has the process go on at its own pace.
func (s *slowdown) end() {
	_ = s.strace.Process.Signal(unix.SIGINT) // upon which it writes what it has, and lets go
	_ = s.strace.Wait()
}

// delayed is a line of strace's of a call that was, in one piece or resumed behind what other threads did.
var delayed = regexp.MustCompile(`^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed>).*\(DELAYED\)`)

// fired ends the delays and says how many of each call there were.
func (s *slowdown) fired(t *testing.T) map[string]int {
	t.Helper()
	s.end()
	log, err := os.Open(s.log)
	must(t, err)
	defer log.Close()
	n := map[string]int{}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := delayed.FindStringSubmatch(lines.Text()); m != nil {
			n[m[1]]++
		}
	}
	must(t, lines.Err())
	return n
}

// TestTortureBytewise has clients send their greetings a byte at a time, unasked, to a worker that dials in, while the
// proxy does at any stage whatever it does for a new pair, with system calls delayed or not. Every greeting arrives whole,
// and no pair is cut or turned away. What is delayed is what the loop and libzmq do for such a pair: each of these calls
// is made at least once for every one of them.
func TestTortureBytewise(t *testing.T) {
	t.Parallel()
	pairs := sized(25, 500)
	for _, relay := range []struct {
		name  string
		calls [][]string
	}{
		{"splice", [][]string{nil, {"accept4", "epoll_ctl"}, {"read"}, {"write"}, {"shutdown", "close"}}},
		{"stream", [][]string{nil, {"accept4", "epoll_ctl"}, {"recvfrom"}, {"sendto"}, {"read", "write"}, {"poll"}, {"getsockopt"}, {"shutdown", "close"}}},
	} {
		for _, calls := range relay.calls {
			t.Run(strings.Trim(relay.name+"/"+strings.Join(calls, " "), "/"), func(t *testing.T) {
				p := startOperated(t, "--relay", relay.name, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
				var slow *slowdown
				if calls != nil {
					slow = slowed(t, p.command.Process.Pid, calls, 200)
				}
				for i := range pairs {
					bytewise(t, p, uint64(1+i))
				}
				p.expectEnds(t, pairs, "client-closed")
				if slow == nil {
					return
				}
				fired := slow.fired(t)
				t.Logf("%d pairs, delayed: %v", pairs, fired)
				for _, call := range calls {
					if fired[call] < pairs {
						t.Errorf("%s was delayed %d times for %d pairs", call, fired[call], pairs)
					}
				}
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
