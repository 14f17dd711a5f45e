package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
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
	loadSlice      = time.Second
	loadPairs      = 4 // each has a round trip every two milliseconds
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
	b := newLoadBench(t, slice, hints)
	for i := range rounds {
		b.round(t, i%2 == 1)
	}
	b.report(t)
}

// beModest has the callers and the ends of the pair, which are goroutines of this process, keep out of each other's way:
// the kernel and not Go's scheduler shares out the CPU between them, and garbage is collected seldom.
func beModest(t *testing.T) {
	threads, percent := runtime.GOMAXPROCS(16), debug.SetGCPercent(1000)
	t.Cleanup(func() { runtime.GOMAXPROCS(threads); debug.SetGCPercent(percent) })
}

// loadBench is some pairs of one proxy and what is measured of them.
type loadBench struct {
	pairs              []*steady
	alone, there, here *loadCase
}

// loadCase is what goes on beside the pairs, and their round trips in each round.
type loadCase struct {
	name   string
	slice  time.Duration
	load   *controlLoad // nil for none
	rounds [][]time.Duration
}

func newLoadBench(t *testing.T, slice time.Duration, hints int) *loadBench {
	t.Helper()
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	worker := newWorker(t, ctx, zmq.REP, sec)
	p, here := startLoadable(t, "--worker", worker.listen(t, "tcp://127.0.0.1:*"))
	_, there := startLoadable(t, "--backend", "tcp://127.0.0.1:0")
	worker.serve(t, echo)
	b := &loadBench{
		alone: &loadCase{name: "alone", slice: slice},
		there: &loadCase{name: "load on another proxy", slice: slice, load: newControlLoad(t, there, hints)},
		here:  &loadCase{name: "load on this proxy", slice: slice, load: newControlLoad(t, here, hints)},
	}
	for i := range loadPairs {
		b.pairs = append(b.pairs, startSteady(t, ctx, sec, p.frontend[0], strconv.Itoa(i)))
	}
	return b
}

// startLoadable starts a proxy whose control socket takes any load.
func startLoadable(t *testing.T, flags ...string) (p *proxy, endpoint string) {
	t.Helper()
	endpoint = "ipc://" + filepath.Join(shortDir(t), "c")
	return startProxy(t, append(flags, "--frontend", "tcp://127.0.0.1:0", "--control", endpoint, "--control-rate", "1000000")...), endpoint
}

// round measures each case: the two loads in the order there, here, here, there, or the other way round.
func (b *loadBench) round(t *testing.T, swap bool) {
	t.Helper()
	first, second := b.there, b.here
	if swap {
		first, second = second, first
	}
	times := map[*loadCase][]time.Duration{}
	for _, c := range [...]*loadCase{b.alone, first, second, second, first} {
		if c.load != nil {
			c.load.refresh(t)
		}
		times[c] = append(times[c], b.during(t, c)...)
	}
	for c, all := range times {
		c.rounds = append(c.rounds, all)
	}
}

// during are the round trips of a slice.
func (b *loadBench) during(t *testing.T, c *loadCase) []time.Duration {
	t.Helper()
	times := make([][]time.Duration, len(b.pairs))
	for i, p := range b.pairs {
		p.want(&times[i])
	}
	if c.load == nil {
		time.Sleep(c.slice)
	} else {
		c.load.run(t, c.slice)
	}
	for _, p := range b.pairs {
		p.expectAnswers(t, 1)
		p.want(nil)
	}
	return slices.Concat(times...)
}

func (b *loadBench) report(t *testing.T) {
	t.Helper()
	t.Logf("%-24s %10s %10s %12s %14s %8s", "a round trip", "p50", "p99", "round trips", "heartbeats/s", "hints")
	for _, c := range [...]*loadCase{b.alone, b.there, b.here} {
		rate, hints := "", ""
		if l := c.load; l != nil {
			l.expectAll(t)
			rate, hints = fmt.Sprintf("%.0f", float64(l.beats)/l.spent.Seconds()), strconv.Itoa(l.names)
		}
		all := slices.Concat(c.rounds...)
		t.Logf("%-24s %10v %10v %12d %14s %8s", c.name, quantile(all, 0.5).Round(time.Microsecond),
			quantile(all, 0.99).Round(time.Microsecond), len(all), rate, hints)
	}
	for _, q := range [...]float64{0.5, 0.99} {
		t.Logf("this proxy to another, p%v: %s", 100*q, compare(b.here.rounds, b.there.rounds, q))
	}
}

// compare tells the ratio of two cases' quantiles and, by drawing rounds anew, where it lies with 95% certainty; and
// the median and the middle half of what the rounds say each for itself.
func compare(ours, theirs [][]time.Duration, q float64) string {
	ratio := func(rounds []int) float64 {
		var a, b []time.Duration
		for _, i := range rounds {
			a, b = append(a, ours[i]...), append(b, theirs[i]...)
		}
		return float64(quantile(a, q)) / float64(quantile(b, q))
	}
	const draws = 400
	n := len(ours)
	all, each, drawn := make([]int, n), make([]float64, n), make([]float64, draws)
	for i := range all {
		all[i], each[i] = i, ratio([]int{i})
	}
	for i := range drawn {
		again := make([]int, n)
		for k := range again {
			again[k] = rand.IntN(n)
		}
		drawn[i] = ratio(again)
	}
	return fmt.Sprintf("x %.3f (95%% interval %.3f..%.3f); of %d rounds the median is %.3f, the quartiles %.3f and %.3f", ratio(all),
		quantile(drawn, 0.025), quantile(drawn, 0.975), n, quantile(each, 0.5), quantile(each, 0.25), quantile(each, 0.75))
}

// quantile lies between the two values next to it.
func quantile[T float64 | time.Duration](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + T((at-float64(low))*float64(sorted[high]-sorted[low]))
}

// controlLoad is an operator who has said many hints and goes on with heartbeats for them.
type controlLoad struct {
	*socket
	operator *client.Client
	names    int
	said     time.Time // when the oldest hint was
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
	if time.Since(l.said) < loadFresh {
		return
	}
	l.said = time.Now()
	for said, answered := 0, 0; answered < l.names; {
		for said < l.names && said-answered < loadWindow {
			l.send(t, "HINT", l.name(said), fmt.Sprintf("endpoint=10.0.0.%d:%d", 1+said/50_000, 1+said%50_000), "prefer=steady")
			said++
		}
		l.answered(t)
		answered++
	}
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
