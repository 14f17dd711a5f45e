package integration

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// deafFor is how long the client of TestBackpressure reads nothing.
const deafFor = 12 * time.Second

// muchSlower is more than the noise of most busy machines: a pair that has to wait for a reader who does not read waits for seconds.
const muchSlower = 5

// tries are how often a pair beside may look as if it were held up: what a machine does to the two of them is not the same
// each time, what a proxy does is.
const tries = 3

// TestBackpressure has a CURVE client that reads nothing for twelve seconds while its worker sends as fast as it can. The
// worker comes to its high-water mark as on a direct connection, the proxy keeps nothing for it, and when the client
// reads again everything is there, in order, on either relay, over tcp and ipc. The pair beside is not held up by it:
// its round trips become neither much fewer than those of a pair that has a proxy to itself at the same time, nor, one in
// a hundred of them, much slower than both before and of that pair.
func TestBackpressure(t *testing.T) {
	withoutRace(t)
	direct := pressure(t, nil)
	for _, c := range []struct{ relay, transport string }{{"auto", "tcp"}, {"auto", "ipc"}, {"stream", "tcp"}, {"stream", "ipc"}} {
		t.Run(c.relay+"/"+c.transport, func(t *testing.T) {
			t.Parallel() // it waits most of the time, and no other test runs beside
			_, alone := startBeside(t, "--relay", c.relay)
			p, beside := startBeside(t, "--relay", c.relay, "--frontend", wildcard(t, c.transport), "--backend", wildcard(t, c.transport))
			before := p.calm(t)
			deafClient := func() {
				sent := pressure(t, p)
				t.Logf("%d messages sent (direct: %d)", sent, direct)
				if sent > 10*direct {
					t.Errorf("the worker sent %d messages before it was held up, %d on a direct connection", sent, direct)
				}
			}
			for try := 1; heldUp(t, deafClient, beside, alone); try++ {
				if try == tries {
					t.Fatalf("the pair beside was held up %d times of %d", try, try)
				}
			}
			p.expectEnds(t, 0)
			p.expectGrowth(t, before, 8<<20)
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

// pace is how fast a pair is: how many round trips it made, and what the slowest but one in a hundred took.
type pace struct {
	trips int
	p99   time.Duration
}

func (p pace) String() string { return fmt.Sprintf("%d round trips, p99 %v", p.trips, p.p99) }

// heldUp says whether f held up a pair: in comparison with itself before, and with one that is far from f at the same time.
func heldUp(t testing.TB, f func(), beside, alone *steady) bool {
	t.Helper()
	calm := paces(t, func() { beside.expectAnswers(t, 1000) }, beside, alone)
	during := paces(t, f, beside, alone)
	t.Logf("the pair beside and the one alone: %v before, %v meanwhile", calm, during)
	return during[0].trips*muchSlower < during[1].trips || during[0].p99 > muchSlower*max(calm[0].p99, during[1].p99)
}

// paces are those of steady pairs while f runs.
func paces(t testing.TB, f func(), pairs ...*steady) (all []pace) {
	t.Helper()
	times := make([][]time.Duration, len(pairs))
	for i, s := range pairs {
		s.want(&times[i])
	}
	f()
	for i, s := range pairs {
		s.expectAnswers(t, 10)
		s.want(nil)
		slices.Sort(times[i])
		all = append(all, pace{len(times[i]), times[i][len(times[i])*99/100]})
	}
	return all
}
