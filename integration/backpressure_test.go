package integration

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// deafFor is how long the client of TestBackpressure reads nothing.
const deafFor = 20 * time.Second

// TestBackpressure has a CURVE client that reads nothing for twenty seconds while its worker sends as fast as it can. The
// worker comes to its high-water mark as on a direct connection, the proxy keeps nothing for it, and when the client
// reads again everything is there, in order, on either relay, over tcp and ipc.
func TestBackpressure(t *testing.T) {
	withoutRace(t)
	direct := pressure(t, nil)
	for _, c := range []struct{ relay, transport string }{{"auto", "tcp"}, {"stream", "tcp"}, {"stream", "ipc"}} {
		t.Run(c.relay+"/"+c.transport, func(t *testing.T) {
			p, beside := startBeside(t, "--relay", c.relay, "--frontend", wildcard(t, c.transport), "--backend", wildcard(t, c.transport))
			calm := beside.percentile(t, func() { beside.expectAnswers(t, 500) })
			before := p.calm(t)
			var sent int
			during := beside.percentile(t, func() { sent = pressure(t, p) })
			p.expectEnds(t, 0)
			if sent > 10*direct {
				t.Errorf("the worker sent %d messages before it was held up, %d on a direct connection", sent, direct)
			}
			p.expectGrowth(t, before, 8<<20)
			t.Logf("%d messages sent (direct: %d); p99 of the pair beside: %v before, %v meanwhile", sent, direct, calm, during)
			beside.expectUntouched(t, p)
		})
	}
}

// pressure is one such client and its worker, through p or, if that is nil, without a proxy. It returns how many messages
// the worker could send while the client was deaf.
func pressure(t *testing.T, p *operated) (sent int) {
	t.Helper()
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	worker := newWorker(t, ctx, zmq.PUSH, sec)
	client := newClient(t, ctx, zmq.PULL, sec, "")
	must(t, client.SetRcvhwm(100))
	must(t, worker.SetSndhwm(100))
	if p == nil {
		must(t, client.Connect(worker.listen(t, "tcp://127.0.0.1:*")))
	} else {
		worker.dialIn(t, p.backend[0])
		must(t, client.Connect(p.frontend[0]))
	}
	block := make([]byte, 32<<10)
	push := func(flags zmq.Flag) bool {
		binary.BigEndian.PutUint64(block, uint64(sent))
		_, err := worker.SendBytes(block, flags)
		if err == nil {
			sent++
		} else if !timedOut(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	push(0) // waits for the pair
	duration := deafFor
	if p == nil {
		duration = deafFor / 10
	}
	if wasDeaf := deaf(push, duration); wasDeaf < duration/2 {
		t.Errorf("the worker was held up only for %v of %v", wasDeaf, duration)
	}
	for i := range sent {
		m, err := client.RecvBytes(0)
		must(t, err)
		if got := binary.BigEndian.Uint64(m); got != uint64(i) || len(m) != len(block) {
			t.Fatalf("message %d of %d is number %d, %d bytes", i, sent, got, len(m))
		}
	}
	return sent
}

// deaf pushes for as long as the client reads nothing, and says for how long nothing more was taken at last.
func deaf(push func(zmq.Flag) bool, duration time.Duration) time.Duration {
	last := time.Now()
	for start := last; time.Since(start) < duration; {
		if push(zmq.DONTWAIT) {
			last = time.Now()
			continue
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(last)
}

// percentile is the 99th of the round trips of the pair beside while f runs.
func (s *steady) percentile(t testing.TB, f func()) time.Duration {
	t.Helper()
	var times []time.Duration
	s.want(&times)
	f()
	s.expectAnswers(t, 10)
	s.want(nil)
	slices.Sort(times)
	return times[len(times)*99/100]
}
