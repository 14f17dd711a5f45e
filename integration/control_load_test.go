package integration

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control"
)

// The load of TestControlLoad.
const (
	loadHints      = 100_000
	loadHeartbeats = 10_000                  // a second
	loadSlice      = 1500 * time.Millisecond // short enough for all to be over before the hints expire
	loadWindow     = control.MaxUnderWay
)

// TestControlLoad measures what 100,000 hints and 10,000 heartbeats a second do to the round trips of a pair in the same
// proxy. Callers and proxy use the CPU that the pair needs, too, so the pair is measured beside the same load on another
// proxy as well: what is left between the two is what the control socket does to the data path. The three take turns; a
// figure is the median over the turns. It runs by `make bench-control`; otherwise one short turn sees that it works.
func TestControlLoad(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("STREAMQ_CONTROL_LOAD"))
	slice, hints := loadSlice, loadHints
	if rounds == 0 {
		rounds, slice, hints = 1, loadSlice/10, loadHints/100
	} else {
		withoutRace(t)
	}
	endpoint := func() string { return fmt.Sprintf("ipc://%s/control", shortDir(t)) }
	here, there := endpoint(), endpoint()
	_, beside := startBeside(t, "--control", here, "--control-rate", "1000000")
	startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--control", there, "--control-rate", "1000000")
	loads := []struct {
		name   string
		during func()
	}{
		{"alone", func() { time.Sleep(slice) }},
		{"load on another proxy", newControlLoad(t, there, hints).run(t, slice)},
		{"load on this proxy", newControlLoad(t, here, hints).run(t, slice)},
	}
	p99 := make([][]time.Duration, len(loads))
	for range rounds {
		for i, l := range loads {
			p99[i] = append(p99[i], beside.percentile(t, l.during))
		}
	}
	for i, l := range loads {
		slices.Sort(p99[i])
		t.Logf("%-24s p99 of a round trip: median %8v, least %8v, most %8v",
			l.name, p99[i][rounds/2].Round(time.Microsecond), p99[i][0].Round(time.Microsecond), p99[i][rounds-1].Round(time.Microsecond))
	}
}

// controlLoad is an operator who has said many hints and goes on with heartbeats for them.
type controlLoad struct {
	*socket
	names int
	next  int
}

func newControlLoad(t testing.TB, endpoint string, hints int) *controlLoad {
	t.Helper()
	l := &controlLoad{socket: newSocket(t, newContext(t), zmq.DEALER), names: hints}
	must(t, l.Connect(endpoint))
	for said, answered := 0, 0; answered < hints; {
		for said < hints && said-answered < loadWindow {
			l.send(t, "HINT", l.name(said), "endpoint=10.0.0.1:"+strconv.Itoa(1+said%60_000), "prefer=steady")
			said++
		}
		l.answered(t)
		answered++
	}
	return l
}

func (l *controlLoad) name(i int) string { return fmt.Sprintf("load-%d", i) }

func (l *controlLoad) answered(t testing.TB) {
	t.Helper()
	if m := l.recv(t); len(m) == 0 || m[0] != "200" {
		t.Fatalf("answered %q", m)
	}
}

// run is a slice of heartbeats, evenly in bursts of a millisecond.
func (l *controlLoad) run(t testing.TB, slice time.Duration) func() {
	return func() {
		t.Helper()
		under := 0
		for start := time.Now(); time.Since(start) < slice; {
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
	}
}
