package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
)

// upgradesVariable turns the full size of the upgrades' load on, if it is set.
const upgradesVariable = "STREAMQ_UPGRADES"

// upgradeSize is how many pairs there are, those that are busy not counted.
func upgradeSize() (idle, busy int) {
	if os.Getenv(upgradesVariable) != "" {
		return 4800, 200
	}
	return 40, 6
}

// asker talks to an echo for as long as its one connection lives: every message is numbered, its text is another
// each time, and it has to come back in its turn. Under CURVE a byte that is missing, doubled or out of its place ends
// the connection.
type asker struct {
	client   *socket
	silences []silence
}

// silence is how long somebody heard nothing who was owed something.
type silence struct {
	until time.Time
	took  time.Duration
}

// noises are what messages are cut from.
var noises = func() string {
	b := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return string(b)
}()

// textOf is the text of a message.
func textOf(n int) string {
	at := n * 37 % (len(noises) / 2)
	return noises[at : at+n*101%4000]
}

// talk sends some messages at once, hears them come back, and rests a moment.
func (a *asker) talk(t testing.TB, l *upgradeLoad, rest time.Duration) {
	const window = 2
	heard := sync.OnceFunc(func() {
		a.silences = nil // it has only just connected
		l.heard.Done()
	})
	defer heard()
	for sent := 0; ; {
		last := time.Now()
		for range window {
			if _, err := a.client.SendMessage(strconv.Itoa(sent), textOf(sent)); err != nil {
				t.Errorf("sending: %v", err)
				return
			}
			sent++
		}
		for got := sent - window; got < sent; got++ {
			m, err := a.client.RecvMessage(0)
			if err != nil || len(m) != 2 || m[0] != strconv.Itoa(got) || m[1] != textOf(got) {
				t.Errorf("message %d came back as %.20q, %v", got, m, err)
				return
			}
			now := time.Now()
			a.silences = append(a.silences, silence{now, now.Sub(last)})
			last = now
		}
		heard()
		select {
		case <-l.stopping:
			return
		case <-time.After(rest/2 + rand.N(rest)):
		}
	}
}

// upgradeLoad is what goes on while a proxy is replaced: pairs that are idle, pairs that are busy both ways, clients
// that connect, talk and leave, and callers who would be refused if a port were closed for a moment.
type upgradeLoad struct {
	still    []*socket
	askers   []*asker
	heard    sync.WaitGroup // of askers that have not been answered yet
	visits   atomic.Int64
	calls    atomic.Int64
	stopping chan struct{}
	talking  sync.WaitGroup
	began    time.Time
}

// startUpgradeLoad begins it at a frontend, whose worker is an echo.
func startUpgradeLoad(t testing.TB, ctx *zmq.Context, sec security, frontend string, idle, busy int) *upgradeLoad {
	t.Helper()
	l := &upgradeLoad{stopping: make(chan struct{}), began: time.Now()}
	connect := func(identity string) *socket {
		c := newClient(t, ctx, zmq.DEALER, sec, identity)
		must(t, c.SetHandshakeIvl(2*patience))
		must(t, c.Connect(frontend))
		return c
	}
	const atOnce = 100
	for i := range idle {
		l.still = append(l.still, connect(fmt.Sprint("idle ", i)))
		l.still[i].send(t, "hello")
		if i >= atOnce {
			l.still[i-atOnce].recv(t)
		}
	}
	for _, c := range l.still[max(0, idle-atOnce):] {
		c.recv(t)
	}
	t.Cleanup(l.stop)
	rest := time.Duration(busy) * 500 * time.Microsecond // some four thousand messages a second in all, at most
	for i := range busy {
		a := &asker{client: connect(fmt.Sprint("busy ", i))}
		l.askers = append(l.askers, a)
		l.heard.Add(1)
		l.talking.Go(func() { a.talk(t, l, max(rest, 2*time.Millisecond)) })
	}
	l.heard.Wait()
	l.talking.Go(func() { visitEcho(t, ctx, sec, frontend, l.stopping, &l.visits) })
	l.talking.Go(func() { l.call(t, frontend) })
	return l
}

// stop ends who is busy, and who comes and leaves.
func (l *upgradeLoad) stop() {
	select {
	case <-l.stopping:
	default:
		close(l.stopping)
	}
	l.talking.Wait()
}

// call has somebody connect again and again, and leave at once.
func (l *upgradeLoad) call(t testing.TB, endpoint string) {
	network, address, _ := strings.Cut(endpoint, "://")
	for network = map[string]string{"tcp": "tcp", "ipc": "unix"}[network]; ; l.calls.Add(1) {
		select {
		case <-l.stopping:
			return
		case <-time.After(time.Millisecond):
		}
		c, err := net.Dial(network, address)
		if err != nil {
			t.Errorf("somebody is refused: %v", err)
			return
		}
		c.Close()
	}
}

// goesOn waits until somebody new has been served, and everybody who is busy.
func (l *upgradeLoad) goesOn(t testing.TB) {
	t.Helper()
	n := l.visits.Load()
	eventually(t, "somebody has connected since", func() bool { return l.visits.Load() > n+2 })
}

// expectStill: idle pairs are there as before.
func (l *upgradeLoad) expectStill(t testing.TB) {
	t.Helper()
	for _, c := range l.still {
		c.send(t, "still here")
		if m := c.recv(t); m[0] != "still here" {
			t.Errorf("it is %q", m)
		}
	}
}

// silences are those that ended within a span, of all who were busy, the shortest first. The load has been stopped.
func (l *upgradeLoad) silences(within func(time.Time) bool) (all []time.Duration) {
	for _, a := range l.askers {
		for _, s := range a.silences {
			if within(s.until) {
				all = append(all, s.took)
			}
		}
	}
	slices.Sort(all)
	return all
}

// spans are when something was done.
type spans [][2]time.Time

func (s *spans) add(from time.Time) { *s = append(*s, [2]time.Time{from, time.Now()}) }

// cover says whether a time is in one of them, or not long behind it.
func (s spans) cover(at time.Time) bool {
	return slices.ContainsFunc(s, func(one [2]time.Time) bool {
		return at.After(one[0]) && at.Before(one[1].Add(200*time.Millisecond))
	})
}

// tellSilences prints what those who were busy had of it, beside all the other time.
func (l *upgradeLoad) tellSilences(t testing.TB, during spans) (longest, p99 time.Duration) {
	t.Helper()
	for _, when := range []struct {
		name string
		in   func(time.Time) bool
	}{
		{"between", func(at time.Time) bool { return !during.cover(at) }},
		{"meanwhile", during.cover},
	} {
		all := l.silences(when.in)
		if len(all) == 0 {
			continue
		}
		longest, p99 = all[len(all)-1], quantile(all, 0.99)
		t.Logf("%-9s %7d silences of %d busy pairs beside %d idle ones: p50 %v, p99 %v, p99.9 %v, the longest %v", when.name, len(all), len(l.askers), len(l.still),
			quantile(all, 0.5).Round(time.Microsecond), p99.Round(time.Microsecond), quantile(all, 0.999).Round(time.Microsecond), longest.Round(time.Microsecond))
	}
	t.Logf("%d visits and %d calls in %v", l.visits.Load(), l.calls.Load(), time.Since(l.began).Round(time.Millisecond))
	return longest, p99
}

// steer changes a worker and gives hints through the control socket, until the load is stopped. A request may find
// no answer because its proxy has just been replaced; another one does. What was done stays so.
func (l *upgradeLoad) steer(t testing.TB, c *client.Client, worker string) {
	l.talking.Go(func() {
		pool, weight := c.Pool("default"), 0 // unknown
		for i, since := 0, time.Now(); ; i++ {
			select {
			case <-l.stopping:
				return
			case <-time.After(20 * time.Millisecond):
			}
			is, err := steered(pool, worker, 1+i%10, fmt.Sprint("hinted ", i%100))
			switch {
			case err == nil && weight != 0 && is != weight:
				t.Errorf("a weight of %d was set, and it is %d", weight, is)
				return
			case err == nil:
				weight, since = 1+i%10, time.Now()
			case time.Since(since) > patience:
				t.Errorf("steering: %v", err)
				return
			default:
				weight = 0
			}
		}
	})
}

// steered changes a worker's weight, which it returns as it was.
func steered(pool *client.Pool, worker string, weight int, identity string) (was int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for w, err := range pool.Workers(ctx, client.Filter{}) {
		if err != nil {
			return 0, err
		}
		if w.Worker == worker {
			was = w.Weight
		}
	}
	return was, errors.Join(
		pool.Hint(ctx, client.Hint{Identity: identity, Endpoint: "127.9.9.9:1", Prefer: []string{worker}}),
		pool.Weight(ctx, worker, weight))
}
