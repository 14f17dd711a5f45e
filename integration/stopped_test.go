package integration

import (
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// signal sends a signal to a peer, by its own process id.
func (c *process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	must(t, c.command.Process.Signal(s))
}

// stop stops a peer's process and returns when it has stopped. It is continued with the test at the latest, because a
// stopped process cannot be waited for.
func (c *process) stop(t testing.TB) {
	t.Helper()
	c.signal(t, syscall.SIGSTOP)
	t.Cleanup(func() { _ = c.command.Process.Signal(syscall.SIGCONT) }) // it may have ended
	eventually(t, "the peer has stopped", func() bool { return processState(t, c.command.Process.Pid) == 'T' })
}

// TestHostileStoppedClient stops a client's process in the middle of its work: the pair beside goes on, and when the
// client is continued it finishes as if nothing had been.
func TestHostileStoppedClient(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			t.Parallel()
			const requests = 5000
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			var served atomic.Int64
			w := newWorker(t, ctx, zmq.ROUTER, sec)
			p, beside := startBeside(t, "--relay", relay, "--backend", "tcp://127.0.0.1:0")
			before := p.calm(t)
			w.dialIn(t, p.backend[0])
			w.serve(t, func(m frames) frames { served.Add(1); return m })
			client := python().startClient(t, task{
				kind: "DEALER", to: "ROUTER", connect: p.frontend[0], identity: "stopped",
				requests: requests, atOnce: 8, size: 100, sec: sec,
			})
			eventually(t, "the client is at work", func() bool { return served.Load() > 100 })
			client.stop(t)
			beside.expectAnswers(t, 50)
			if n := served.Load(); n >= requests {
				t.Fatal("the client had finished before it was stopped: the test is about nothing")
			}
			p.expectEnds(t, 0)
			client.signal(t, syscall.SIGCONT)
			if last := client.end(t); last.Received != requests || last.Wrong != 0 {
				t.Errorf("the client has %d of %d replies, %d of them wrong", last.Received, requests, last.Wrong)
			}
			p.expectEnds(t, 1, "client-closed", "client-reset")
			before.descriptors, before.connections = before.descriptors+2, before.connections+1 // the worker is a slot again
			p.expectBack(t, before, 16<<20)
			beside.expectUntouched(t, p)
		})
	}
}

// TestHostileStoppedWorker stops a worker's process, at work and then while a client shakes hands with it: the first
// client waits with it, the second ends by the time limit for handshakes, the pair beside goes on, and when the worker is
// continued both have their replies.
func TestHostileStoppedWorker(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			t.Parallel()
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			stopped := &processWorker{program: python(), kind: "REP", sec: sec}
			p, beside := startBeside(t, "--relay", relay, "--handshake-timeout", "4s",
				"--worker", "stopped="+stopped.listen(t, "tcp://127.0.0.1:*"))
			before := p.calm(t)
			first := newClient(t, ctx, zmq.REQ, sec, "first")
			must(t, first.Connect(p.frontend[0]))
			first.send(t, "one")
			first.recv(t)

			stopped.stop(t)
			first.send(t, "two")
			second := newClient(t, ctx, zmq.REQ, sec, "second")
			must(t, second.Connect(p.frontend[0]))
			second.send(t, "three")
			p.until(t, "the second client's handshake is over", func(s samples) bool { return s.ends()["handshake-timeout"] > 0 })
			beside.expectAnswers(t, 50)
			if n := p.scrape(t).of(t, "pairs", "state=open"); n != 2 {
				t.Errorf("%d pairs are open, want the one beside and the first client's", n)
			}

			stopped.signal(t, syscall.SIGCONT)
			for _, c := range []struct {
				*socket
				want string
			}{{first, "two"}, {second, "three"}} {
				if got := c.recv(t); len(got) != 1 || got[0] != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			}
			first.close()
			second.close()
			p.expectBack(t, before, 16<<20)
			for reason := range p.scrape(t).ends() {
				if !slices.Contains([]string{"handshake-timeout", "client-gave-up", "client-closed", "client-reset"}, reason) {
					t.Errorf("a client ended with %s", reason)
				}
			}
			beside.expectUntouched(t, p)
		})
	}
}

// TestHostileStoppedForGood stops a client that its worker floods, and never continues it: the worker is held up until the
// idle lease is over.
func TestHostileStoppedForGood(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			t.Parallel()
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			p, beside := startBeside(t, "--relay", relay, "--backend", "tcp://127.0.0.1:0", "--lease", "idle", "--lease-ttl", "4s")
			w := newWorker(t, ctx, zmq.ROUTER, sec)
			must(t, w.SetSndhwm(0))
			w.dialIn(t, p.backend[0])
			client := python().startClient(t, task{
				kind: "REQ", to: "ROUTER", connect: p.frontend[0], identity: "stopped", requests: 1, sec: sec,
			})
			to := w.recv(t)[0]
			client.stop(t)
			body := string(make([]byte, 1<<20))
			for range 100 {
				w.send(t, to, body)
			}
			p.expectEnds(t, 1, "idle-expired")
			beside.expectUntouched(t, p)
		})
	}
}

// TestHostileStoppedInTime makes sure that a stop shorter than the lease costs nothing.
func TestHostileStoppedInTime(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	stopped := &processWorker{program: python(), kind: "REP", sec: sec, slots: 1}
	p, beside := startBeside(t, "--backend", "tcp://127.0.0.1:0", "--lease", "idle", "--lease-ttl", "10s")
	stopped.dialIn(t, p.backend[0])
	client := newClient(t, ctx, zmq.REQ, sec, "client")
	must(t, client.Connect(p.frontend[0]))
	for range 3 {
		stopped.stop(t)
		client.send(t, "are you there?")
		time.Sleep(100 * time.Millisecond) // not for luck: it is how long the stop is
		stopped.signal(t, syscall.SIGCONT)
		client.recv(t)
	}
	p.expectEnds(t, 0)
	beside.expectUntouched(t, p)
}
