package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// The load of TestControlLoad.
const (
	loadHints      = 100_000
	loadHeartbeats = 10_000 // a second
	loadWindow     = wire.MaxUnderWay
	// loadFresh is for how long hints are good: they expire after a minute, and a round takes less than half of one.
	loadFresh = 30 * time.Second
)

// TestControlLoad measures what 100,000 hints and 10,000 heartbeats a second do to the round trips of a pair in the same
// proxy. Callers and proxy use the CPU that the pair needs, too, so the pair is measured beside the same load on another
// proxy as well: what is left between the two is what the control socket does to the data path. Within a round the two
// take turns, so that what drifts meets both, and are compared within the round. It runs by `make bench-control`;
// otherwise one short round sees that it works.
func TestControlLoad(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("STREAMQ_CONTROL_LOAD"))
	slice, hints := loadSlice, loadHints
	if rounds == 0 {
		rounds, slice, hints = 1, loadSlice/20, loadHints/100
	} else {
		withoutRace(t)
		beModest(t)
	}
	b := newControlBench(t, slice, hints)
	b.measure(t, rounds)
}

func newControlBench(t *testing.T, slice time.Duration, hints int) *loadBench {
	t.Helper()
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	worker := newWorker(t, ctx, zmq.REP, sec)
	p, here := startLoadable(t, "--worker", worker.listen(t, "tcp://127.0.0.1:*"))
	_, there := startLoadable(t, "--backend", "tcp://127.0.0.1:0")
	worker.serve(t, echo)
	return newLoadBench(t, ctx, sec, p.frontend[0], slice, newControlLoad(t, there, hints), newControlLoad(t, here, hints))
}

// startLoadable starts a proxy whose control socket takes any load.
func startLoadable(t *testing.T, flags ...string) (p *proxy, endpoint string) {
	t.Helper()
	endpoint = "ipc://" + filepath.Join(shortDir(t), "c")
	return startProxy(t, append(flags, "--frontend", "tcp://127.0.0.1:0", "--control", endpoint, "--control-rate", "1000000")...), endpoint
}

// controlLoad is an operator who has said many hints and goes on with heartbeats for them.
type controlLoad struct {
	*socket
	operator *client.Client
	names    int
	hinted   time.Time // when the oldest hint was
	next     int
	beats    int           // answered
	spent    time.Duration // on them
}

func newControlLoad(t *testing.T, endpoint string, hints int) *controlLoad {
	t.Helper()
	l := &controlLoad{socket: newSocket(t, newContext(t), zmq.DEALER), operator: dialControl(t, endpoint), names: hints}
	must(t, l.Connect(endpoint))
	l.refresh(t)
	return l
}

// refresh says the hints again unless they were said of late. Each is for an endpoint of its own.
func (l *controlLoad) refresh(t testing.TB) {
	t.Helper()
	if time.Since(l.hinted) < loadFresh {
		return
	}
	l.hinted = time.Now()
	for said, answered := 0, 0; answered < l.names; {
		for said < l.names && said-answered < loadWindow {
			l.send(t, "HINT", l.name(said), fmt.Sprintf("endpoint=10.0.0.%d:%d", 1+said/50_000, 1+said%50_000), "prefer=steady")
			said++
		}
		l.answered(t)
		answered++
	}
}

// said tells how much it was, having seen that the proxy holds all.
func (l *controlLoad) said(t *testing.T) string {
	t.Helper()
	l.expectAll(t)
	return fmt.Sprintf("%.0f heartbeats/s, %d hints", float64(l.beats)/l.spent.Seconds(), l.names)
}

// expectAll is that the proxy holds every hint and, with each, what its identity prefers.
func (l *controlLoad) expectAll(t *testing.T) {
	t.Helper()
	l.refresh(t)
	var status wire.Status
	say(t, l.operator, &status, "STATUS")
	if held := status.Pools[0].Hints; held != 2*l.names {
		t.Errorf("%d of %d hints are held", held/2, l.names)
	}
}

func (l *controlLoad) name(i int) string { return fmt.Sprintf("load-%d", i) }

func (l *controlLoad) answered(t testing.TB) {
	t.Helper()
	if m := l.recv(t); len(m) == 0 || m[0] != "200" {
		t.Fatalf("answered %q", m)
	}
}

// run is a slice of heartbeats, evenly in bursts of a millisecond.
func (l *controlLoad) run(t testing.TB, slice time.Duration) {
	t.Helper()
	under, start := 0, time.Now()
	for time.Since(start) < slice {
		due := min(loadWindow, int(time.Since(start).Seconds()*loadHeartbeats)-under)
		for range due {
			l.send(t, "HEARTBEAT", l.name(l.next%l.names))
			l.next++
		}
		for range due {
			l.answered(t)
		}
		under += due
		time.Sleep(time.Millisecond)
	}
	l.beats += under
	l.spent += time.Since(start)
}
