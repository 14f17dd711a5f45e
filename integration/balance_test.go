package integration

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/stream"
)

// scaled is a proxy with workers that listen, of which it was told of the first only.
type scaled struct {
	*operated
	t       *testing.T
	ctx     *zmq.Context
	sec     security
	control *client.Client
	workers *named
}

func newScaled(t *testing.T, workers int, flags ...string) *scaled {
	t.Helper()
	return newScaledThrough(t, workers, func(endpoint string) string { return endpoint }, flags...)
}

// newScaledThrough has the proxy dial the first worker somewhere else than where it listens.
func newScaledThrough(t *testing.T, workers int, through func(endpoint string) string, flags ...string) *scaled {
	t.Helper()
	s := &scaled{t: t, ctx: newContext(t), sec: newSecurity(t, "NULL")}
	s.workers = newNamed(t, s.ctx, s.sec, workers, 1)
	all := s.workers.configs()
	at := wildcard(t, "ipc")
	flags = append(flags, "--frontend", "tcp://127.0.0.1:0", "--control", at, "--access-log=false", "--worker", all[0].Name+"="+through(all[0].Endpoint))
	s.operated = startOperated(t, flags...)
	s.workers.serve()
	s.control = dialControl(t, at)
	return s
}

// add tells the proxy of another worker.
func (s *scaled) add(i int) {
	s.t.Helper()
	must(s.t, s.control.Pool("").Add(s.t.Context(), client.Worker{Name: fmt.Sprint("w", i), Endpoint: s.workers.endpoints[i]}))
}

// come has clients come that stay.
func (s *scaled) come(n int) (all []*socket) {
	s.t.Helper()
	for range n {
		c := newAsking(s.t, s.ctx, s.sec, s.frontend[0])
		c.send(s.t, "who?")
		all = append(all, c)
	}
	for _, c := range all {
		c.recv(s.t)
	}
	return all
}

// at counts where the clients are, by who answers them.
func (s *scaled) at(all []*socket) map[string]int {
	s.t.Helper()
	at := map[string]int{}
	for _, c := range all {
		c.send(s.t, "who?")
	}
	for _, c := range all {
		at[c.recv(s.t)[0]]++
	}
	return at
}

// TestRebalanceAfterScaleOut: 200 clients stay at the worker that they have when another is added; a rebalance has them be
// 100 and 100, ends no more than need be, at the rate that it was told, and each of them is served again.
func TestRebalanceAfterScaleOut(t *testing.T) {
	const n, rate = 200, 100
	s := newScaled(t, 2)
	clients := s.come(n)
	s.add(1)
	if at := s.at(clients); at["w0"] != n {
		t.Fatalf("before they are at %v", at)
	}
	over := listenFor(t, s.control, stream.TopicRebalanceEnded)
	plan, err := s.control.Pool("").Rebalance(t.Context(), client.Rebalance{Rate: rate})
	must(t, err)
	if plan.State != "running" || plan.Planned != n/2 {
		t.Errorf("it would do %+v", plan)
	}
	select {
	case e := <-over:
		if e.State != "done" || e.Pairs != n/2 {
			t.Errorf("the event says %+v", e)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	did, err := s.control.Pool("").Rebalancing(t.Context())
	must(t, err)
	if took := did.Took.Duration(); took < n/2*time.Second/rate*8/10 || did.Ended != n/2 {
		t.Errorf("it did %+v", did)
	}
	s.until(t, "all are back", func(m samples) bool { return m.of(t, "pairs", "state=open") == n })
	at := s.at(clients)
	t.Logf("%d clients: %v, after %v", n, at, did.Took.Duration())
	if at["w0"] < n*45/100 || at["w0"] > n*55/100 || at["w0"]+at["w1"] != n {
		t.Errorf("afterwards they are at %v", at)
	}
	if ends := s.scrape(t).ends(); len(ends) != 1 || ends["moved"] != n/2 {
		t.Errorf("they have ended by %v", ends)
	}
}

// TestFailback: who came to a fallback while its worker was drained comes back to it some time after it is enabled, and
// not when that was not said.
func TestFailback(t *testing.T) {
	for _, after := range []string{"1s", "0s"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			s := newScaled(t, 2, "--failback", after)
			s.add(1)
			pool := s.control.Pool("")
			hint := client.Hint{Identity: "ann", Address: "127.0.0.1", Prefer: []string{"w0", "w1"}}
			must(t, pool.Hint(t.Context(), hint))
			_, err := pool.Drain(t.Context(), "w0")
			must(t, err)
			ann := newAsking(t, s.ctx, s.sec, s.frontend[0])
			if at := ask(t, ann); at != "w1" {
				t.Fatalf("she is at %s", at)
			}
			must(t, pool.Hint(t.Context(), hint)) // of her next connection
			must(t, pool.Enable(t.Context(), "w0"))
			if after == "0s" {
				time.Sleep(1500 * time.Millisecond)
				if at := ask(t, ann); at != "w1" || s.scrape(t).ended() != 0 {
					t.Errorf("she is at %s", at)
				}
				return
			}
			s.until(t, "she was moved", func(m samples) bool { return m.of(t, "clients_ended_total", "reason=moved") == 1 })
			if at := ask(t, ann); at != "w0" {
				t.Errorf("she is at %s in the end", at)
			}
		})
	}
}

// TestSlowStart: of 64 clients that come after a worker was added it has a few with slow-start, and without all of them.
func TestSlowStart(t *testing.T) {
	for _, slowly := range []string{"30m", "0s"} {
		t.Run(slowly, func(t *testing.T) {
			t.Parallel()
			s := newScaled(t, 2, "--slow-start", slowly)
			clients := s.come(64)
			s.add(1)
			clients = append(clients, s.come(64)...)
			at := s.at(clients)
			t.Logf("slow-start %s: %v", slowly, at)
			if n := at["w1"]; slowly == "0s" && n != 64 || slowly == "30m" && (n < 6 || n > 10) { // a sixteenth of a weight beside a whole one
				t.Errorf("they are at %v", at)
			}
		})
	}
}

// door passes connections on to a worker, and can be shut while these go on.
type door struct {
	net.Listener
	all sync.WaitGroup
}

func newDoor(t *testing.T, to string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	d := &door{Listener: l}
	d.all.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			worker, err := net.Dial("tcp", strings.TrimPrefix(to, "tcp://"))
			if err != nil {
				_ = from.Close()
				continue
			}
			pass := func(a, b net.Conn) {
				_, _ = io.Copy(a, b)
				_ = a.Close()
			}
			d.all.Go(func() { pass(from, worker) })
			d.all.Go(func() { pass(worker, from) })
		}
	})
	return d
}

// TestOnDown: the pairs of a worker that does not listen any more, although it has its connections still, end with
// on-down: end, and not else.
func TestOnDown(t *testing.T) {
	for _, on := range []string{"end", "keep"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			var d *door
			s := newScaledThrough(t, 2, func(worker string) string {
				d = newDoor(t, worker)
				return "tcp://" + d.Addr().String()
			}, "--on-down", on, "--retry-min", "100ms")
			clients := s.come(5)
			s.add(1)
			must(t, d.Close())
			must(t, s.control.Pool("").Weight(t.Context(), "w0", 200)) // so that the next client would come to it
			clients = append(clients, s.come(1)...)
			s.until(t, "it was probed", func(m samples) bool { return m.of(t, "worker_failures_total", "worker=w0") >= 2 })
			want := map[string]int{"w0": 5, "w1": 1}
			if on == "end" {
				s.until(t, "its pairs have ended", func(m samples) bool { return m.of(t, "clients_ended_total", "reason=drained") == 5 })
				want = map[string]int{"w1": 6}
			}
			at := s.at(clients)
			if fmt.Sprint(at) != fmt.Sprint(want) {
				t.Errorf("they are at %v, want %v", at, want)
			}
			if ended := s.scrape(t).ended(); strconv.Itoa(ended) != map[string]string{"end": "5", "keep": "0"}[on] {
				t.Errorf("%d have ended", ended)
			}
		})
	}
}

// TestAffinityMaxLoad: all clients of one address have one worker of two, unless it is bounded how loaded that may be.
func TestAffinityMaxLoad(t *testing.T) {
	for _, bound := range []string{"0", "1.25"} {
		t.Run(bound, func(t *testing.T) {
			t.Parallel()
			s := newScaled(t, 2, "--affinity", "source-address", "--affinity-max-load", bound)
			s.add(1)
			var clients []*socket
			for range 20 { // one after another, so that each pair is open, and remembered, before the next comes
				clients = append(clients, s.come(1)...)
			}
			at := s.at(clients)
			t.Logf("affinity-max-load %s: %v", bound, at)
			if most := max(at["w0"], at["w1"]); bound == "0" && most != 20 || bound == "1.25" && most > 13 {
				t.Errorf("they are at %v", at)
			}
		})
	}
}
