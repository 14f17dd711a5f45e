package integration

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// newAsking makes a CURVE client that may repeat a request when its reply will not come.
func newAsking(t testing.TB, ctx *zmq.Context, sec security, endpoint string) *socket {
	t.Helper()
	c := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, c.SetReqRelaxed(1))
	must(t, c.SetReqCorrelate(1))
	must(t, c.SetReconnectIvl(10*time.Millisecond))
	must(t, c.Connect(endpoint))
	return c
}

// pythonName is what a worker of the Python program answers in the place of its name: the question.
const pythonName = "who?"

// kill kills a peer's process and waits for its end.
func (c *process) kill(t testing.TB) {
	t.Helper()
	must(t, c.command.Process.Kill())
	for range c.lines { // a pipe must be read to its end before Wait
	}
	c.ended = true
	_ = c.command.Wait() // it was killed, and says so
}

// TestKilledListeningWorker kills a worker that listens: its clients connect again and are all with the other worker, the
// metrics say so, and say that the dead one is set aside. When one listens there again the proxy finds out by itself, and
// new clients go there.
func TestKilledListeningWorker(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			const clients = 6
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			ws := newNamed(t, ctx, sec, 1, 1)
			doomed := &processWorker{program: python(), kind: "REP", sec: sec}
			doomedAt := doomed.listen(t, "tcp://127.0.0.1:*")
			p := startOperated(t, "--relay", relay, "--frontend", "tcp://127.0.0.1:0",
				"--worker", "w0="+ws.sockets[0].listen(t, "tcp://127.0.0.1:*"), "--worker", "doomed="+doomedAt)
			ws.serve()
			var all []*socket
			at := map[string]int{}
			for range clients {
				c := newAsking(t, ctx, sec, p.frontend[0])
				at[ask(t, c)]++
				all = append(all, c)
			}
			if at["w0"] != clients/2 || at[pythonName] != clients/2 {
				t.Fatalf("the clients are at %v", at)
			}
			doomed.kill(t)
			p.expectPairs(t, map[string]int{"w0": clients, "doomed": 0})
			for i, c := range all {
				if got := ask(t, c); got != "w0" {
					t.Errorf("client %d is at %s", i, got)
				}
			}
			p.expectPairs(t, map[string]int{"w0": clients, "doomed": 0})
			if state := p.scrape(t).workerState(t, "doomed"); state != "set-aside" {
				t.Errorf("the dead worker is %s", state)
			}
			// A client may have been there twice: the kernel closes what a dead process had open one by one, its listener
			// maybe last.
			p.scrape(t).expectReasons(t, "worker-closed", "worker-reset", "refused-by-worker")

			doomed.listen(t, doomedAt)
			p.until(t, "the worker is back", func(s samples) bool { return s.workerState(t, "doomed") == "ready" })
			for range 2 {
				if got := ask(t, newAsking(t, ctx, sec, p.frontend[0])); got != pythonName {
					t.Errorf("a client went to %s, which is busy, and not to the worker that is back", got)
				}
			}
			p.expectPairs(t, map[string]int{"w0": clients, "doomed": 2})
		})
	}
}

// TestKilledDialledInWorker kills a worker that has dialled in: its clients connect again and get slots of the other one,
// and the metrics say that the dead one is gone.
func TestKilledDialledInWorker(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			const clients, slots = 6, 9
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			p := startOperated(t, "--relay", relay, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
			doomed := &processWorker{program: python(), kind: "ROUTER", sec: sec, slots: clients / 2}
			doomed.dialIn(t, p.backend[0])
			p.until(t, "its slots are there", func(s samples) bool { return s.of(t, "worker_connections", "state=slot") == clients/2 })
			var all []*socket
			for range clients / 2 {
				c := newAsking(t, ctx, sec, p.frontend[0])
				ask(t, c)
				all = append(all, c)
			}
			other := newWorker(t, ctx, zmq.ROUTER, sec)
			other.slots, other.from = slots, "127.0.0.11"
			other.dialIn(t, p.backend[0])
			var served atomic.Int64
			other.serve(t, func(m frames) frames { served.Add(1); return m })
			for range clients / 2 {
				c := newAsking(t, ctx, sec, p.frontend[0])
				ask(t, c)
				all = append(all, c)
			}
			if n := served.Load(); n != clients/2 {
				t.Fatalf("the other worker has served %d requests", n)
			}
			doomed.kill(t)
			p.expectPairs(t, map[string]int{"127.0.0.11": clients})
			for _, c := range all {
				ask(t, c)
			}
			if n := served.Load(); n < clients/2+clients { // more if one was repeated
				t.Errorf("the other worker has served %d requests", n)
			}
			s := p.until(t, "only the other's connections are left", func(s samples) bool {
				return s.of(t, "connections") == clients+slots && s.of(t, "worker_connections", "state=slot") == slots-clients
			})
			if s.of(t, "worker_state", "state=gone", "worker=127.0.0.1") != 1 || s.of(t, "worker_pairs", "worker=127.0.0.1") != 0 {
				t.Error("the dead worker is not gone, by the metrics")
			}
			p.expectEnds(t, clients/2, "worker-closed", "worker-reset")
		})
	}
}

// expectPairs waits until the workers have so many pairs each, all of them open and there are no others.
func (p *operated) expectPairs(t testing.TB, want map[string]int) {
	t.Helper()
	p.until(t, fmt.Sprintf("the pairs are %v", want), func(s samples) bool {
		all := 0
		for worker, n := range want {
			key := fmt.Sprintf("streamq_worker_pairs{pool=%q,worker=%q}", "default", worker)
			if int(s[key]) != n {
				return false
			}
			all += n
		}
		return s.of(t, "pairs", "state=open") == all && s.of(t, "clients", "state=open") == all && s.of(t, "pairs", "state=draining") == 0 &&
			s.of(t, "clients", "state=waiting") == 0 && s.of(t, "worker_connections", "state=open") == all
	})
}

// workerState is the state that a worker is in.
func (s samples) workerState(t testing.TB, worker string) string {
	t.Helper()
	for _, state := range []string{"ready", "draining", "maintenance", "set-aside"} {
		if s.of(t, "worker_state", "state="+state, "worker="+worker) == 1 {
			return state
		}
	}
	t.Fatalf("%s is in no state", worker)
	return ""
}

// TestFailedWorkerBacksOff has a worker that never answers a dial beside one that does: its clients are served, it is
// probed with growing pauses and not dialled for them, and it is never anybody's.
func TestFailedWorkerBacksOff(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "NULL")
	ws := newNamed(t, ctx, sec, 1, 1)
	nobody := freeAddress(t)
	p := startOperated(t, "--frontend", "tcp://127.0.0.1:0",
		"--worker", "w0="+ws.sockets[0].listen(t, "tcp://127.0.0.1:*"), "--worker", "nobody=tcp://"+nobody)
	ws.serve()
	for range 20 {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend[0]))
		if got := ask(t, c); got != "w0" {
			t.Errorf("a client is at %s", got)
		}
	}
	s := p.until(t, "the worker is probed", func(s samples) bool { return s.of(t, "probes_total") >= 1 })
	if n := s.of(t, "dial_failures_total"); n != 1 {
		t.Errorf("%d dials for clients failed, want the first only", n)
	}
	if state := s.workerState(t, "nobody"); state != "set-aside" {
		t.Errorf("it is %s", state)
	}
	p.expectEnds(t, 0)
}
