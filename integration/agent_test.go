package integration

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// agent is a running streamq-proxy agent.
type agent struct {
	command *exec.Cmd
	http    string
	mu      sync.Mutex
	said    strings.Builder
}

// startAgent has an agent dial in for a worker, and returns when the proxy has its slots. It is ended with the test.
func startAgent(t testing.TB, proxy, worker string, slots int) *agent {
	t.Helper()
	a := runAgent(t, "--proxy", proxy, "--worker", worker, "--slots", fmt.Sprint(slots))
	a.expectSlots(t, slots)
	return a
}

// runAgent runs an agent until the test ends.
func runAgent(t testing.TB, flags ...string) *agent {
	t.Helper()
	return runAgentOn(t, nil, flags...)
}

// runAgentOn runs one on a host, nil for this machine.
func runAgentOn(t testing.TB, h *host, flags ...string) *agent {
	t.Helper()
	a := &agent{http: freePort(t, "127.0.0.1")}
	command := h.of(program{worker: []string{os.Getenv(binaryVariable), "agent", "--http", a.http, "--log-format", "json", "--drain-timeout", "50ms"}}).worker
	a.command = exec.Command(command[0], append(command[1:], flags...)...)
	a.command.Env = append(a.command.Environ(), "GORACE=atexit_sleep_ms=0")
	stderr, err := a.command.StderrPipe()
	must(t, err)
	must(t, a.command.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		for in := bufio.NewScanner(stderr); in.Scan(); {
			a.mu.Lock()
			fmt.Fprintln(&a.said, in.Text())
			a.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = a.command.Process.Signal(syscall.SIGTERM) // it may have ended
		<-read
		err := a.command.Wait()
		if said := a.said.String(); err != nil || strings.Contains(said, "DATA RACE") || t.Failed() {
			t.Errorf("the agent ended with: %v\n%s", err, said)
		}
	})
	return a
}

// readyz is what the agent says of itself, "" if it says nothing.
func (a *agent) readyz() string {
	r, err := http.Get("http://" + a.http + "/readyz")
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body) // what is missing is not as expected
	return string(text)
}

// metric is the value of one without labels but the worker.
func (a *agent) metric(t testing.TB, name string) (value int) {
	t.Helper()
	r, err := http.Get("http://" + a.http + "/metrics")
	must(t, err)
	defer r.Body.Close()
	for in := bufio.NewScanner(r.Body); in.Scan(); {
		if series, text, _ := strings.Cut(in.Text(), " "); series == name || strings.HasPrefix(series, name+"{worker=") {
			_, err := fmt.Sscan(text, &value)
			must(t, err)
		}
	}
	return value
}

// expectSlots waits until the proxy has so many at least.
func (a *agent) expectSlots(t testing.TB, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d slots", n), func() bool {
		var idle, wanted int
		_, err := fmt.Sscanf(a.readyz(), "worker true, slots %d of %d", &idle, &wanted)
		return err == nil && idle >= n
	})
}

// byAgent has an agent dial in for each worker, which listens.
func byAgent() way {
	return way{"agent", func(t testing.TB, transport string, workers []worker, flags ...string) string {
		flags = append(flags, "--frontend", wildcard(t, transport), "--backend", wildcard(t, "tcp"))
		p := startProxy(t, flags...)
		for _, w := range workers {
			startAgent(t, p.backend[0], w.listen(t, wildcard(t, "tcp")), 6)
		}
		return p.frontend[0]
	}}
}

// TestAgentLeaksNoLateReply: with an agent a worker need not set IMMEDIATE.
func TestAgentLeaksNoLateReply(t *testing.T) {
	for _, kind := range []zmq.Type{zmq.REP, zmq.ROUTER} {
		t.Run(kind.String(), func(t *testing.T) {
			if n := lateReplies(t, byAgent(), kind, false); n != 0 {
				t.Errorf("%d replies for the first client reached the second", n)
			}
		})
	}
}

// TestAgentLosesNoSlot: clients with a wrong key, whose handshakes end each slot of a worker that dials in by itself for
// good, cost none of an agent's, and those beside them are served each time.
func TestAgentLosesNoSlot(t *testing.T) {
	t.Parallel()
	for _, kind := range []zmq.Type{zmq.REP, zmq.ROUTER} {
		t.Run(kind.String(), func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			served := newWorker(t, ctx, kind, sec)
			p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--mechanisms", "CURVE")
			a := startAgent(t, p.backend[0], served.listen(t, "tcp://127.0.0.1:0"), 6)
			served.serve(t, echo)
			wrong := newSecurity(t, "CURVE")
			begun, goods, bads := time.Now(), 0, 0
			for i := 0; time.Since(begun) < 3*time.Second; i++ {
				if i%5 == 0 { // each goes on until the test's end, or gives up
					bad := newClient(t, ctx, zmq.DEALER, wrong, "")
					must(t, bad.SetReconnectIvl(20*time.Millisecond))
					must(t, bad.Connect(p.frontend[0]))
					bads++
				}
				good := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, good.Connect(p.frontend[0]))
				good.send(t, fmt.Sprint(i))
				if got := good.recv(t); got[0] != fmt.Sprint(i) {
					t.Fatalf("got %q", got)
				}
				good.close()
				goods++
			}
			a.expectSlots(t, 6)
			eventually(t, "those with a wrong key are among the worker's clients", func() bool {
				return a.metric(t, "streamq_agent_pairs_total") >= goods+bads
			})
		})
	}
}

// agentIdleVariable is for how long slots wait beside a worker that is watched: 10m for the full size.
const agentIdleVariable = "STREAMQ_AGENT_IDLE"

// TestAgentTellsWorkerNothing: what listens sees no event while slots wait and are renewed, here each second.
func TestAgentTellsWorkerNothing(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	served := newWorker(t, ctx, zmq.ROUTER, newSecurity(t, "CURVE"))
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--slot-max-age", "1s")
	at := served.listen(t, "tcp://127.0.0.1:0")
	must(t, served.Monitor("inproc://events", zmq.EVENT_ALL))
	events := newSocket(t, ctx, zmq.PAIR)
	must(t, events.Connect("inproc://events"))
	a := startAgent(t, p.backend[0], at, 50)
	for learnt := false; !learnt; { // by one connection, whose end the worker comes to a little later
		event, _, _, err := events.RecvEvent(0)
		must(t, err)
		learnt = event == zmq.EVENT_DISCONNECTED
	}
	long := 3 * time.Second
	if text := os.Getenv(agentIdleVariable); text != "" {
		var err error
		long, err = time.ParseDuration(text)
		must(t, err)
	}
	must(t, events.SetRcvtimeo(long))
	if event, at, _, err := events.RecvEvent(0); err == nil {
		t.Errorf("the worker saw %v at %s", event, at)
	}
	a.expectSlots(t, 40)
	t.Logf("no event in %v, in which %d slots were renewed", long, a.metric(t, "streamq_agent_slots_renewed_total"))
}

// TestAgentOutlivesBoth: worker and proxy are started again beside an agent that goes on.
func TestAgentOutlivesBoth(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	backend := "tcp://" + freePort(t, "127.0.0.1")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", backend)
	served := newWorker(t, ctx, zmq.REP, sec)
	at := served.listen(t, "tcp://127.0.0.1:0")
	stop := served.serve(t, echo)
	a := startAgent(t, backend, at, 6)
	ask := func() {
		t.Helper()
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend[0]))
		c.send(t, "hello")
		c.recv(t)
		c.close()
	}
	ask()
	stop()
	eventually(t, "no slots", func() bool { return strings.HasPrefix(a.readyz(), "worker false, slots 0 ") })
	again := newWorker(t, ctx, zmq.REP, sec)
	eventually(t, "the worker listens again", func() bool { return again.Bind(at) == nil })
	again.serve(t, echo)
	ask()

	p.stop(t)
	p = startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", backend)
	a.expectSlots(t, 6)
	ask()
}

// agentClientsVariable is how many clients come and go, 1000 unless said otherwise; 10000 for the full size.
const agentClientsVariable = "STREAMQ_AGENT_CLIENTS"

// TestAgentThousandClients: clients that come and go leave neither descriptors nor goroutines in the agent and in the proxy,
// nor memory.
func TestAgentThousandClients(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	served := newWorker(t, ctx, zmq.ROUTER, sec)
	p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
	a := startAgent(t, p.backend[0], served.listen(t, "tcp://127.0.0.1:0"), 6)
	served.serve(t, echo)
	clients := func(n int) {
		for range n / 10 {
			var all []*socket
			for range 10 {
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.Connect(p.frontend[0]))
				c.send(t, "hello")
				all = append(all, c)
			}
			for _, c := range all {
				c.recv(t)
				c.close()
			}
		}
	}
	proxied := func(name string) int { return int(p.scrape(t)[name]) }
	// Descriptors and goroutines, and MiB, of the agent and then of the proxy.
	held := func() (all [6]int) {
		for i, pid := range []int{a.command.Process.Pid, p.command.Process.Pid} {
			entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			must(t, err)
			all[i*3] = len(entries)
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
			must(t, err)
			var size, resident int
			_, err = fmt.Sscan(string(text), &size, &resident)
			must(t, err)
			all[i*3+2] = resident * os.Getpagesize() >> 20
		}
		all[1], all[4] = a.metric(t, "go_goroutines"), proxied("go_goroutines")
		return all
	}
	n := 1000
	if text := os.Getenv(agentClientsVariable); text != "" {
		_, err := fmt.Sscan(text, &n)
		must(t, err)
	}
	clients(n / 5) // it is warm
	before := held()
	clients(n)
	// As many slots more as demand may have called for, with a goroutine and a descriptor each.
	const more = 24 + 8
	const memory = 64
	now := before
	defer func() {
		t.Logf("descriptors, goroutines, MiB of the agent and of the proxy: %v, and after %d clients %v", before, n, now)
	}()
	eventually(t, fmt.Sprintf("few more descriptors and goroutines, and at most %d MiB", memory), func() bool {
		now = held()
		return now[0] <= before[0]+more && now[1] <= before[1]+more && now[3] <= before[3]+more && now[4] <= before[4]+more &&
			now[2] <= before[2]+memory && now[5] <= before[5]+memory
	})
}
