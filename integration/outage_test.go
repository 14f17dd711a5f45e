package integration

import (
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestOutage cuts the cable of a pair's client, and of its worker, for less than any limit: a question that was asked
// meanwhile is answered afterwards, and nobody has had another connection.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, side := range []string{"client", "worker"} {
		for _, relay := range []string{"auto", "stream"} {
			t.Run(side+"/"+relay, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, blackHole{strategy: "none", side: side, relay: relay, listens: relay == "auto"},
					"--lease", "idle", "--lease-ttl", "1m", "--keepalive-idle", "10s", "--user-timeout", "1m")
				s.join(t, []string{"--every", "0.05"}, nil)
				s.client.expect(t, "answer", 3)
				s.lost.cut(t)
				time.Sleep(500 * time.Millisecond) // not for luck: it is how long the outage is
				s.lost.mend(t)
				s.client.expect(t, "answer", 3)
				s.client.expectNever(t, "closed")
				s.worker.expectNever(t, "closed")
				s.expectEnds(t, 0)
				s.beside.expectUntouched(t, s.operated)
			})
		}
	}
}

// TestUnreachableWorker has the machine of a worker that listens become unreachable: who is sent there is dialled on to the
// next worker when the connect timeout is over, the worker is set aside, and when its machine is back, so is the worker.
func TestUnreachableWorker(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	h := newHost(t)
	far := &processWorker{program: h.of(python()), kind: "REP", sec: sec}
	ws := newNamed(t, ctx, sec, 1, 1)
	p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--connect-timeout", "500ms", "--policy", "round-robin",
		"--worker", "far="+far.listen(t, "tcp://"+h.far+":*"), "--worker", "w0="+ws.configs()[0].Endpoint)
	ws.serve()
	at := func() string {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		defer c.close()
		must(t, c.Connect(p.frontend[0]))
		return ask(t, c)
	}
	seen := map[string]bool{}
	eventually(t, "both workers serve", func() bool { seen[at()] = true; return seen["w0"] && seen[pythonName] })
	h.cut(t)
	eventually(t, "a client was sent to the worker that is gone", func() bool {
		if got := at(); got != "w0" {
			t.Fatalf("a client is answered %q by a machine that is cut off", got)
		}
		return p.scrape(t).of(t, "dial_failures_total") > 0
	})
	if state := p.scrape(t).workerState(t, "far"); state != "set-aside" {
		t.Errorf("the worker is %s", state)
	}
	h.mend(t)
	p.until(t, "the worker is back", func(s samples) bool { return s.workerState(t, "far") == "ready" })
	eventually(t, "it serves again", func() bool { return at() == pythonName })
	for reason, n := range p.scrape(t).ends() {
		if reason != "client-closed" {
			t.Errorf("%d clients ended with %s", n, reason)
		}
	}
}
