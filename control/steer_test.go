package control

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func TestLists(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	type lists struct {
		Clients []wire.ClientInfo
		Pairs   []wire.PairInfo
		Workers []wire.WorkerInfo
		Next    string
	}
	var conns []net.Conn
	for range 5 {
		client, _ := r.pair()
		conns = append(conns, client)
	}
	waiting := r.client()
	greet(t, waiting)
	eventually(t, "one waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
	r.say(c, wire.OK, "HELLO", "client", "ann", "endpoint="+conns[2].LocalAddr().String())
	all := body[lists](t, r.say(c, wire.OK, "CLIENTS"))
	if len(all.Clients) != 6 || all.Next != "" {
		t.Fatalf("%+v", all)
	}
	var paged []wire.ClientInfo
	for next := ""; ; {
		args := []string{"limit=2"}
		if next != "" {
			args = append(args, "after="+next)
		}
		page := body[lists](t, r.say(c, wire.OK, "CLIENTS", args...))
		paged = append(paged, page.Clients...)
		if next = page.Next; next == "" {
			break
		}
	}
	same := func(a, b wire.ClientInfo) bool { return a.ID == b.ID }
	if !slices.EqualFunc(paged, all.Clients, same) {
		t.Errorf("paged %v, all %v", paged, all.Clients)
	}
	for _, tc := range []struct {
		verb string
		args []string
		want int
	}{
		{"CLIENTS", []string{"state=waiting"}, 1},
		{"CLIENTS", []string{"client=ann"}, 1},
		{"CLIENTS", []string{"client=127.0.0.1"}, 6},
		{"CLIENTS", []string{"client=" + conns[0].LocalAddr().String()}, 1},
		{"CLIENTS", []string{"worker=127.0.0.1"}, 5},
		{"PAIRS", nil, 5},
		{"PAIRS", []string{"state=open", "client=ann"}, 1},
		{"PAIRS", []string{"worker=nobody"}, 0},
		{"WORKERS", nil, 1},
		{"WORKERS", []string{"state=draining"}, 0},
		{"WORKERS", []string{"after=127.0.0.1"}, 0},
	} {
		l := body[lists](t, r.say(c, wire.OK, tc.verb, tc.args...))
		if got := len(l.Clients) + len(l.Pairs) + len(l.Workers); got != tc.want {
			t.Errorf("%s %q lists %d, want %d", tc.verb, tc.args, got, tc.want)
		}
	}
	x := body[wire.Explanation](t, r.say(c, wire.OK, "EXPLAIN", "ann"))
	if x.Rule != "policy" || x.Worker != "127.0.0.1" || x.Policy != "least-connections" || len(x.Candidates) != 1 || x.Candidates[0].Why != "no-slot" {
		t.Errorf("%+v", x)
	}
}

func TestHints(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	r.say(c, wire.OK, "HINT", "ann", "endpoint=10.0.0.1:5", "prefer=w1,w2")
	r.say(c, wire.OK, "HINT", "bob", "address=10.0.0.2")
	r.say(c, wire.Malformed, "HINT", "bob", "address=10.0.0.2", "endpoint=10.0.0.1:5")
	r.say(c, wire.OK, "PIN", "cyd", "w3")
	type page struct {
		Hints []struct {
			Identity string
			Pinned   bool
		}
		Next string
	}
	all := body[page](t, r.say(c, wire.OK, "HINTS"))
	first := body[page](t, r.say(c, wire.OK, "HINTS", "limit=3"))
	rest := body[page](t, r.say(c, wire.OK, "HINTS", "after="+first.Next))
	if len(all.Hints) != 5 || first.Next == "" || !slices.Equal(append(first.Hints, rest.Hints...), all.Hints) { // of ann and bob the preference and the wait
		t.Errorf("%+v, in pages %+v %+v", all, first, rest)
	}
	for _, a := range []string{"nope", "999.1.1.1", "", "10.0.0.1:5", "\x1b[31m", "localhost:1:2", "localhost:1:2:x", "localhost:1:2:3:4"} {
		if text := r.say(c, wire.Malformed, "HINT", "dee", "address="+a).Text; !strings.HasPrefix(text, "address: ") {
			t.Errorf("%q: %s", a, text)
		}
	}
	for _, a := range []string{"2001:db8::5", "::ffff:10.0.0.9", "localhost:0:1000:4242"} {
		r.say(c, wire.OK, "HINT", "eve", "address="+a)
	}
	r.say(c, wire.Malformed, "PIN", "dee", "")
	for _, request := range [][]string{{"HINTS", "identity=bob"}, {"EXPLAIN", "bob"}} {
		if text := string(r.say(c, wire.OK, request[0], request[1:]...).Body); !strings.Contains(text, `"prefer":[]`) {
			t.Errorf("%s: %s", request[0], text)
		}
	}
	r.say(c, wire.OK, "UNHINT", "ann")
	r.say(c, wire.NotFound, "UNHINT", "ann")
	if left := body[page](t, r.say(c, wire.OK, "HINTS", "identity=ann")); len(left.Hints) != 0 {
		t.Errorf("%+v", left)
	}
}

// events collects what is published while f runs.
func (r *rig) events(topics ...string) (await func(topic string) wire.Event) {
	r.t.Helper()
	got := make(chan wire.Event, 1000)
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	c := r.dial()
	done.Go(func() {
		err := c.Events(ctx, topics, nil, func(e wire.Event) error { got <- e; return nil })
		if !errors.Is(err, context.Canceled) {
			r.t.Errorf("Events: %v", err)
		}
	})
	r.t.Cleanup(func() { stop(); done.Wait() })
	// A subscription is a message of its own: try until it has arrived.
	operator := r.dial()
	eventually(r.t, "events come", func() bool {
		r.say(operator, wire.OK, "ADD", "probe", "tcp://127.0.0.1:1")
		r.say(operator, wire.OK, "REMOVE", "probe")
		select {
		case <-got:
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
	return func(topic string) wire.Event {
		r.t.Helper()
		for {
			select {
			case e := <-got:
				if e.Topic == topic && e.Worker != "probe" {
					return e
				}
			case <-time.After(patience):
				r.t.Fatalf("no %s", topic)
			}
		}
	}
}

func TestEvents(t *testing.T) {
	r := newRig(t, nil)
	await := r.events()
	worker := r.worker()
	greet(t, worker)
	if e := await(stream.TopicWorkerUp); e.Worker != "127.0.0.1" {
		t.Errorf("%+v", e)
	}
	client := r.client()
	greet(t, client)
	if e := await(stream.TopicClientConnected); e.Client != client.LocalAddr().String() || e.Pool != "default" {
		t.Errorf("%+v", e)
	}
	await(stream.TopicPairMade)
	if e := await(stream.TopicPairOpened); e.Worker != "127.0.0.1" {
		t.Errorf("%+v", e)
	}
	_ = client.Close()
	if e := await(stream.TopicPairEnded); !strings.HasPrefix(e.Reason, "client-") {
		t.Errorf("%+v", e)
	}
	if e := await(stream.TopicClientEnded); e.Client != client.LocalAddr().String() {
		t.Errorf("%+v", e)
	}
	await(stream.TopicWorkerDown)
}

// DRAIN cuts nothing, gives nothing new, and an event tells when it is through.
func TestDrain(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	client, _ := r.pair()
	await := r.events("worker")
	var left struct{ Pairs int }
	if left = body[struct{ Pairs int }](t, r.say(c, wire.Accepted, "DRAIN", "127.0.0.1")); left.Pairs != 1 {
		t.Errorf("%+v", left)
	}
	greet(t, r.worker())
	next := r.client()
	greet(t, next)
	eventually(t, "the next one waits", func() bool { s := r.snapshot().Stats; return s.Waiting == 1 && s.Slots == 1 })
	if _, err := client.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bytes pass", func() bool { return r.snapshot().BytesIn > uint64(len(nullPeer())) })
	_ = client.Close()
	if e := await(stream.TopicWorkerEmpty); e.Worker != "127.0.0.1" || e.State != "draining" {
		t.Errorf("%+v", e)
	}
	r.say(c, wire.OK, "ENABLE", "127.0.0.1")
	eventually(t, "the next one is served", func() bool { return r.snapshot().Stats.Waiting == 0 })
}

func TestSteering(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	r.say(c, wire.OK, "ADD", "w1", "tcp://127.0.0.1:1", "weight=2", "max=5")
	r.say(c, wire.Conflict, "ADD", "w1", "tcp://127.0.0.1:1")
	r.say(c, wire.Malformed, "ADD", "w2", "udp://127.0.0.1:1")
	r.say(c, wire.Malformed, "ADD", "w2", "tcp://127.0.0.1:1", "source=::1")
	r.say(c, wire.OK, "WEIGHT", "w1", "7")
	r.say(c, wire.OK, "MAXCONN", "w1", "9")
	r.say(c, wire.NotFound, "WEIGHT", "w2", "7")
	w := r.snapshot().Workers
	if len(w) != 1 || w[0].Weight != 7 || w[0].MaxPairs != 9 {
		t.Errorf("%+v", w)
	}
	r.say(c, wire.OK, "MAINT", "w1")
	if w := r.snapshot().Workers; w[0].State != pairing.Maintenance {
		t.Errorf("%+v", w)
	}
	r.say(c, wire.OK, "REMOVE", "w1")
	r.say(c, wire.NotFound, "REMOVE", "w1")
	r.say(c, wire.OK, "LOGLEVEL", "debug")
	if l := body[map[string]string](t, r.say(c, wire.OK, "LOGLEVEL")); l["level"] != "DEBUG" {
		t.Errorf("%v", l)
	}
	r.say(c, wire.OK, "LOGLEVEL", "INFO")
	if r.level.Level() != slog.LevelInfo {
		t.Error(r.level)
	}
	r.say(c, wire.Malformed, "LOGLEVEL", "loud")
	r.say(c, wire.OK, "RELOAD")
	r.mutex.Lock()
	r.reloadErr = errors.New("line 3: what?")
	r.mutex.Unlock()
	if reply := r.say(c, wire.Conflict, "RELOAD"); reply.Text != "nothing has changed: line 3: what?" {
		t.Errorf("%q", reply.Text)
	}
	if left := body[map[string]float64](t, r.say(c, wire.Accepted, "SHUTDOWN", "3s")); left["deadline"] != 3 {
		t.Errorf("%v", left)
	}
	r.say(c, wire.Accepted, "SHUTDOWN")
	r.say(c, wire.Malformed, "SHUTDOWN", "soon")
	if !slices.Equal(r.shutdowns, []time.Duration{3 * time.Second, -1}) || r.reloads != 2 {
		t.Errorf("%v %d", r.shutdowns, r.reloads)
	}
	r.say(c, wire.OK, "VERSION")
	r.say(c, wire.OK, "POOLS")
	r.say(c, wire.OK, "HELP", "PING")
	r.say(c, wire.NotFound, "HELP", "PONG")
}

func TestKick(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	byID, _ := r.pair()
	p, err := r.pool.Find(r.context(), byID.LocalAddr().String())
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	r.say(c, wire.OK, "KICK", "pair", strconv.FormatUint(uint64(p.ID), 10))
	ended(t, byID)
	byEndpoint, _ := r.pair()
	r.say(c, wire.OK, "KICK", "client", byEndpoint.LocalAddr().String())
	ended(t, byEndpoint)
	byName, _ := r.pair()
	r.say(c, wire.OK, "HELLO", "client", "ann", "endpoint="+byName.LocalAddr().String())
	r.say(c, wire.OK, "KICK", "client", "ann")
	ended(t, byName)
	r.say(c, wire.NotFound, "KICK", "client", "ann")
	one, _ := r.pair()
	two, _ := r.pair()
	r.say(c, wire.OK, "KICK", "worker", "127.0.0.1")
	ended(t, one)
	ended(t, two)
	r.say(c, wire.NotFound, "KICK", "worker", "nobody")
	r.say(c, wire.Malformed, "KICK", "everybody", "now")
	eventually(t, "five were kicked", func() bool { return r.snapshot().Stats.Ended[pairing.Kicked] == 5 })
}

// The words of zmq_proxy_steerable get its answers, from a REQ and from a DEALER.
func TestSteerable(t *testing.T) {
	r := newRig(t, nil)
	client, _ := r.pair()
	for _, kind := range []zmq4.Type{zmq4.REQ, zmq4.DEALER} {
		s := r.raw(kind)
		say := func(word string) [][]byte {
			t.Helper()
			if _, err := s.SendMessage(word); err != nil {
				t.Fatal(err)
			}
			m, err := s.RecvMessageBytes(0)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		empty := func(m [][]byte) bool { return len(m) == 1 && len(m[0]) == 0 }
		before := r.snapshot().BytesIn
		if m := say("PAUSE"); !empty(m) {
			t.Errorf("%v: PAUSE: %q", kind, m)
		}
		if _, err := client.Write([]byte("while it is paused")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // not for luck: nothing may happen meanwhile
		if now := r.snapshot().BytesIn; now != before {
			t.Errorf("%v: %d bytes passed a paused proxy", kind, now-before)
		}
		if m := say("RESUME"); !empty(m) {
			t.Errorf("%v: RESUME: %q", kind, m)
		}
		eventually(t, "nothing is lost", func() bool { return r.snapshot().BytesIn == before+18 })
		m := say("STATISTICS")
		if len(m) != 8 {
			t.Fatalf("%v: STATISTICS: %d frames", kind, len(m))
		}
		if n := binary.NativeEndian.Uint64(m[1]); n != before+18 {
			t.Errorf("%v: the frontend has received %d bytes, not %d", kind, n, before+18)
		}
		if m := say("TERMINATE"); !empty(m) {
			t.Errorf("%v: TERMINATE: %q", kind, m)
		}
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !slices.Equal(r.shutdowns, []time.Duration{0, 0}) {
		t.Errorf("%v", r.shutdowns)
	}
}

// Who ends the proxy is answered before it ends.
func TestEndIsAnswered(t *testing.T) {
	for _, end := range [][]string{{"TERMINATE"}, {"SHUTDOWN", "0s"}} {
		r := newRig(t, func(r *rig, _ *Config, _ *stream.Config) { r.obeys = true })
		s := r.raw(zmq4.REQ)
		if _, err := s.SendMessage(end); err != nil {
			t.Fatal(err)
		}
		m, err := s.RecvMessage(0)
		if err != nil || m[0] != "" && m[0] != "202" {
			t.Errorf("%q is answered by %q, %v", end, m, err)
		}
	}
}

// What would expire does not while the proxy is paused, and who comes is served after.
func TestPauseStopsTheClock(t *testing.T) {
	r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) {
		p.Pairing.Lease = pairing.Lease{Strategy: pairing.LeaseIdle, TTL: 2 * time.Second} // in which a busy machine comes to the pause
	})
	c := r.dial()
	client, _ := r.pair()
	r.say(c, wire.OK, "PAUSE")
	late := r.client()
	greet(t, late)
	time.Sleep(3 * time.Second) // not for luck: the lease would have expired
	if n := r.snapshot().Stats.Open; n != 1 {
		t.Fatalf("%d pairs are open", n)
	}
	r.say(c, wire.OK, "RESUME")
	ended(t, client)
	eventually(t, "the late one waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
}

// By either relay nothing passes a paused proxy, nothing is lost, and one that is
// told to end goes on first.
func TestPauseByBothRelays(t *testing.T) {
	for _, relay := range []stream.Relay{stream.RelayStream, stream.RelaySplice} {
		t.Run(relay.String(), func(t *testing.T) {
			r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) { p.Relay = relay })
			c := r.dial()
			client, _ := r.pair()
			before := r.snapshot().BytesIn
			r.say(c, wire.OK, "PAUSE")
			r.say(c, wire.OK, "PAUSE")
			part := make([]byte, 1000)
			for range 100 {
				if _, err := client.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(50 * time.Millisecond) // not for luck: nothing may happen meanwhile
			if now := r.snapshot().BytesIn; now != before {
				t.Errorf("%d bytes passed", now-before)
			}
			r.say(c, wire.OK, "RESUME")
			eventually(t, "everything passes", func() bool { return r.snapshot().BytesIn == before+100_000 })
			r.say(c, wire.OK, "PAUSE")
			if _, err := client.Write(part); err != nil {
				t.Fatal(err)
			}
			r.pool.Drain(time.Minute)
			eventually(t, "it goes on", func() bool { return r.snapshot().BytesIn == before+101_000 })
			_ = client.Close()
		})
	}
}

// What is said of a worker that dials in outlives REMOVE, which is refused, and its reconnecting.
func TestRemoveOfOneThatDialsIn(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, p *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*")
		p.Pairing.SlotMaxAge = 100 * time.Millisecond
	})
	c := r.dial()
	_, backend := r.pool.Bound()
	worker := r.socket(zmq4.DEALER, backend[0]) // libzmq dials in again by itself
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	r.say(r.dialAs(r.server.Bound()[1], nil), wire.OK, "HELLO", "worker", "w1")
	eventually(t, "it is w1", func() bool { w := r.snapshot().Workers; return len(w) == 1 && w[0].Name == "w1" && w[0].Slots == 1 })
	r.say(c, wire.OK, "DRAIN", "w1")
	r.say(c, wire.OK, "WEIGHT", "w1", "7")
	r.say(c, wire.OK, "MAXCONN", "w1", "3")
	client := r.client()
	greet(t, client)
	recycled := r.snapshot().Stats.SlotsRecycled
	for r.snapshot().Stats.SlotsRecycled < recycled+3 {
		if text := r.say(c, wire.Conflict, "REMOVE", "w1").Text; !strings.Contains(text, "dials in") || !strings.Contains(text, "DRAIN or MAINT") {
			t.Fatalf("REMOVE: %s", text)
		}
		w := r.snapshot().Workers
		if len(w) != 1 || w[0].State != pairing.Draining || w[0].Weight != 7 || w[0].MaxPairs != 3 {
			t.Fatalf("after REMOVE: %+v", w)
		}
	}
	if s := r.snapshot().Stats; s.PairsTotal != 0 || s.Waiting != 1 {
		t.Errorf("%d pairs were made, %d wait", s.PairsTotal, s.Waiting)
	}
	_ = worker.Close()
	eventually(t, "it is away", func() bool { return r.snapshot().Stats.WorkerPeers[pairing.PeerSlot] == 0 })
	r.say(c, wire.Conflict, "REMOVE", "w1") // it may be redialling
}

// A pause is seen wherever one looks, by either word for it, until it is over.
func TestPauseIsSeen(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	seen := func() (all []bool) {
		t.Helper()
		s := body[wire.Status](t, r.say(c, wire.OK, "STATUS"))
		p := body[struct{ Pools []wire.PoolInfo }](t, r.say(c, wire.OK, "POOLS"))
		w := body[struct{ Paused bool }](t, r.say(c, wire.OK, "WORKERS"))
		return []bool{s.Pools[0].Paused, p.Pools[0].Paused, w.Paused, r.snapshot().Paused}
	}
	expect := func(when string, want bool) {
		t.Helper()
		if all := seen(); slices.Contains(all, !want) {
			t.Errorf("%s: STATUS, POOLS, WORKERS and the snapshot say %v", when, all)
		}
	}
	expect("at first", false)
	r.say(c, wire.OK, "PAUSE")
	expect("after PAUSE", true)
	r.say(c, wire.OK, "RESUME")
	expect("after RESUME", false)
	r.say(c, wire.OK, "PAUSE")
	r.pool.Drain(time.Minute)
	eventually(t, "it has gone on, or is over", func() bool { return !r.pool.Paused() })
}

// A lame duck serves, is not ready, and says so wherever one looks; a proxy that was
// told to end stays one.
func TestLameDuck(t *testing.T) {
	r := newRig(t, func(r *rig, _ *Config, p *stream.Config) { p.Workers = []pairing.WorkerConfig{r.listening("w1")} })
	c := r.dial()
	expect := func(when string, want bool) {
		t.Helper()
		s := body[wire.Status](t, r.say(c, wire.OK, "STATUS")).Pools[0]
		p := body[wire.Pools](t, r.say(c, wire.OK, "POOLS")).Pools[0]
		if all := []bool{s.LameDuck, !s.Ready, p.LameDuck, r.snapshot().LameDuck}; slices.Contains(all, !want) || !s.Usable {
			t.Errorf("%s: STATUS, readiness, POOLS and the snapshot say %v", when, all)
		}
	}
	expect("at first", false)
	r.say(c, wire.OK, "LAMEDUCK", "on")
	expect("when it is one", true)
	own, _ := r.pair()
	_ = own.Close()
	r.say(c, wire.NotFound, "LAMEDUCK", "off", "pool=other")
	r.say(c, wire.Malformed, "LAMEDUCK", "perhaps")
	expect("still", true)
	r.say(c, wire.OK, "LAMEDUCK", "off", "pool=default")
	expect("no more", false)
	r.server.proxy.Ending = func() bool { return true }
	r.say(c, wire.OK, "LAMEDUCK", "on")
	r.say(c, wire.Conflict, "LAMEDUCK", "off")
	expect("at its end", true)
}

// A pool of workers that listen only has no backend, and in JSON none is [].
func TestPoolWithoutBackend(t *testing.T) {
	r := newRig(t, func(r *rig, _ *Config, p *stream.Config) {
		p.Backend, p.Workers = nil, []pairing.WorkerConfig{r.listening("w1")}
	})
	if text := string(r.say(r.dial(), wire.OK, "POOLS").Body); !strings.Contains(text, `"backend":[]`) {
		t.Error(text)
	}
}

// Reading the log's level is no action in the log, setting it is.
func TestLogOfLogLevel(t *testing.T) {
	var log recorder
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c := r.dial()
	r.say(c, wire.OK, "LOGLEVEL")
	r.say(c, wire.OK, "LOGLEVEL", "Warn")
	if text := log.String(); strings.Count(text, "verb=LOGLEVEL") != 1 || !strings.Contains(text, "args=Warn") {
		t.Error(text)
	}
}

// recorder keeps what several goroutines write.
type recorder struct {
	mutex sync.Mutex
	text  strings.Builder
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.text.Write(b)
}

func (r *recorder) String() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.text.String()
}

// A refusal says what it means, to the end.
func TestTextsAreWhole(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	for _, v := range Verbs() {
		for _, args := range [][]string{slices.Repeat([]string{"x=y"}, 9), {"", ""}, {"w1", "nonsense", "limit=0", "state="}, {"state=odd"}, {"state="}} {
			reply, err := c.Do(r.context(), v.Name, args...)
			if wire.CodeOf(err) == 0 {
				continue
			}
			if text := reply.Text; len(text) < 8 || strings.ContainsAny(text[len(text)-1:], " :,[") || strings.Contains(text, "  ") || strings.Contains(text, `[""`) {
				t.Errorf("%s %q: %q", v.Name, args, text)
			}
		}
	}
	for verb, want := range map[string]string{
		"WORKERS": `state: "odd" is none of ready, draining, maintenance, set-aside`,
		"PAIRS":   `state: "odd" is none of connected, waiting, dialling, slot, paired, open, draining`,
	} {
		if text := r.say(c, wire.Malformed, verb, "state=odd").Text; text != want {
			t.Errorf("%s: %s", verb, text)
		}
		r.say(c, wire.Malformed, verb, "state=")
	}
	if text := r.say(c, wire.Malformed, "PING", "x").Text; text != `PING has no use for "x", it takes no arguments` {
		t.Error(text)
	}
}
