package integration

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// steady is a CURVE client and its worker, which go on talking beside whatever a test does to the proxy. The client fails
// the test when it gets a wrong reply, or none in time.
type steady struct {
	answered atomic.Int64
	paused   atomic.Bool
	slowest  time.Duration // of all round trips, once stopped
	stop     func()

	mu    sync.Mutex
	times *[]time.Duration // of round trips, while somebody wants to know them
}

// steadyFlags start a steady worker and are the flags by which the proxy has it take the very first client and no other.
func steadyFlags(t testing.TB, ctx *zmq.Context, sec security) []string {
	t.Helper()
	served := newWorker(t, ctx, zmq.REP, sec)
	endpoint := served.listen(t, "tcp://127.0.0.1:*")
	served.serve(t, echo)
	return []string{"--worker", "steady=" + endpoint + ",weight=256,max=1"}
}

// startBeside starts a proxy with its metrics and a steady pair in it. Workers for others are what the flags say.
func startBeside(t testing.TB, flags ...string) (*operated, *steady) {
	t.Helper()
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	flags = append(steadyFlags(t, ctx, sec), flags...)
	p := startOperated(t, append(flags, "--frontend", "tcp://127.0.0.1:0")...)
	return p, startSteady(t, ctx, sec, p.frontend[len(p.frontend)-1], "steady")
}

// startSteady is the pair alone: a client of a proxy that has a steady worker.
func startSteady(t testing.TB, ctx *zmq.Context, sec security, frontend, identity string) *steady {
	t.Helper()
	client := newClient(t, ctx, zmq.REQ, sec, identity)
	must(t, client.Connect(frontend))
	s := &steady{}
	stopping, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		s.talk(t, client, stopping)
	}()
	s.stop = sync.OnceFunc(func() { close(stopping); <-done })
	t.Cleanup(s.stop)
	s.expectAnswers(t, 1)
	return s
}

// talk asks until it is stopped, with pauses short enough to notice and long enough to leave the machine to others.
func (s *steady) talk(t testing.TB, client *socket, stopping <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-stopping:
			return
		case <-time.After(2 * time.Millisecond):
		}
		if s.paused.Load() {
			continue
		}
		question, start := fmt.Sprintf("steady %d", i), time.Now()
		if _, err := client.SendMessage(question); err != nil {
			t.Errorf("the client beside sends: %v", err)
			return
		}
		answer, err := client.RecvMessage(0)
		if err != nil || len(answer) != 1 || answer[0] != question {
			t.Errorf("the client beside asked %q and got %q, %v", question, answer, err)
			return
		}
		s.note(time.Since(start))
	}
}

func (s *steady) note(took time.Duration) {
	s.slowest = max(s.slowest, took)
	s.answered.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times != nil {
		*s.times = append(*s.times, took)
	}
}

// want has the times of round trips added from now on; nil is the end of that.
func (s *steady) want(times *[]time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = times
}

// expectAnswers waits for so many more round trips.
func (s *steady) expectAnswers(t testing.TB, n int64) {
	t.Helper()
	before := s.answered.Load()
	eventually(t, "the client beside is answered", func() bool { return s.answered.Load() >= before+n })
}

// expectUntouched stops the pair and fails if it was ever another pair: the client has to be on its first connection.
func (s *steady) expectUntouched(t testing.TB, p *operated) {
	t.Helper()
	s.expectAnswers(t, 10)
	if made := p.scrape(t).of(t, "worker_pairs_made_total", "worker=steady"); made != 1 {
		t.Errorf("the client beside had %d connections to its worker", made)
	}
	s.stop()
	t.Logf("beside: %d round trips, the slowest took %v", s.answered.Load(), s.slowest)
}
