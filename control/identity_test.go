package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// body reads what a reply has to say.
func body[T any](t *testing.T, r wire.Reply) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.Body, &v); err != nil {
		t.Fatalf("%s: %v", r.Body, err)
	}
	return v
}

// ended waits until a connection has been closed by the proxy.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("it is still open")
	}
}

// A client that says HELLO has its worker on every connection, its fallbacks one
// after the other when that is not there, and EXPLAIN names what decided.
func TestStickiness(t *testing.T) {
	names := []string{"w1", "w2", "w3", "w4", "w5"}
	r := newRig(t, func(r *rig, _ *Config, p *stream.Config) {
		p.Backend = nil
		for _, n := range names {
			p.Workers = append(p.Workers, r.listening(n))
		}
		p.Pairing.Policy, p.Pairing.HintWait = pairing.RoundRobin, 10*time.Second
	})
	c := r.dial()
	visit := func() (worker string, x wire.Explanation) {
		t.Helper()
		conn := r.client()
		greet(t, conn)
		at := conn.LocalAddr().String()
		// Said before or after the connection is seen: the client is held for it.
		r.say(c, wire.OK, "HELLO", "client", "ann", "endpoint="+at, "prefer=w2,w4,w1")
		eventually(t, "it is paired", func() bool {
			p, err := r.pool.Find(r.context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if p != nil {
				worker = p.Worker
			}
			return worker != ""
		})
		x = body[wire.Explanation](t, r.say(c, wire.OK, "EXPLAIN", at))
		_ = conn.Close()
		return worker, x
	}
	for i := range 100 {
		if w, x := visit(); w != "w2" || x.Rule != "prefer" || len(x.Passed) != 0 {
			t.Fatalf("visit %d: %s by %+v", i, w, x)
		}
	}
	r.say(c, wire.OK, "MAINT", "w2")
	if w, x := visit(); w != "w4" || !slices.Equal(x.Passed, []wire.Passed{{Worker: "w2", Why: "maintenance"}}) {
		t.Errorf("without w2: %s by %+v", w, x)
	}
	r.say(c, wire.OK, "REMOVE", "w4")
	eventually(t, "w4 is forgotten", func() bool { return len(r.snapshot().Workers) == 4 })
	if w, x := visit(); w != "w1" || !slices.Equal(x.Passed, []wire.Passed{{Worker: "w2", Why: "maintenance"}, {Worker: "w4", Why: "unknown"}}) {
		t.Errorf("without w2 and w4: %s by %+v", w, x)
	}
	r.say(c, wire.OK, "ENABLE", "w2")
	if w, _ := visit(); w != "w2" {
		t.Errorf("w2 is back, and it has %s", w)
	}
	r.say(c, wire.OK, "PIN", "ann", "w5")
	if w, x := visit(); w != "w5" || !x.Pinned {
		t.Errorf("pinned to w5: %s by %+v", w, x)
	}
	r.say(c, wire.OK, "UNPIN", "ann")
	r.say(c, wire.NotFound, "UNPIN", "ann")
	if w, _ := visit(); w != "w2" {
		t.Errorf("not pinned any more, and it has %s", w)
	}
}

func TestHelloForTheNextConnection(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Endpoints = []string{"tcp://127.0.0.1:*"} })
	c := r.dial()
	if _, err := c.Hello(r.context(), client.Hello{Identity: "bob"}); err != nil {
		t.Fatal(err)
	}
	conn := r.client()
	eventually(t, "bob is there", func() bool {
		p, err := r.pool.Find(r.context(), conn.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		return p != nil && p.Identity == "bob"
	})
	if err := c.Bye(r.context(), "bob"); err != nil {
		t.Fatal(err)
	}
	ended(t, conn)
	if _, err := c.Heartbeat(r.context(), "bob"); wire.CodeOf(err) != wire.NotFound {
		t.Errorf("a heartbeat after BYE: %v", err)
	}
}

// A peer speaks for its own address only.
func TestOthersConnections(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*")
	})
	operator, peer := r.dial(), r.dialAs(r.server.Bound()[1], nil)
	r.say(peer, wire.Forbidden, "HELLO", "client", "eve", "endpoint=10.1.2.3:4000")
	r.say(operator, wire.OK, "HELLO", "client", "ann", "endpoint=10.1.2.3:4000")
	// Two connections of one address may share an identity.
	r.say(peer, wire.OK, "HELLO", "client", "eve", "endpoint=127.0.0.1:4000")
	r.say(peer, wire.OK, "HELLO", "client", "eve", "endpoint=127.0.0.1:4001")
	r.say(operator, wire.OK, "ADD", "w1", "tcp://127.0.0.1:1")
	r.say(peer, wire.Conflict, "HELLO", "worker", "w1")
}

// foreign has a permit see an identity of another host.
func TestOwnership(t *testing.T) {
	for _, tc := range []struct {
		level   wire.Level
		address string
		host    string
		want    bool
	}{
		{wire.Peer, "10.0.0.1", "10.0.0.1", true},
		{wire.Peer, "10.0.0.1", "10.0.0.2", false},
		{wire.Peer, "127.0.0.1", "127.9.9.9", true},
		{wire.Peer, "::1", "127.0.0.1", true},
		{wire.Peer, "::ffff:10.0.0.1", "10.0.0.1", true},
		{wire.Peer, "", "", false},
		{wire.Peer, "localhost:0:0:1", "localhost:0:0:1", true},
		{wire.Operator, "localhost:0:0:1", "10.0.0.2", true},
	} {
		c := &call{caller: &caller{level: tc.level, address: tc.address}}
		if got := c.owns(tc.host); got != tc.want {
			t.Errorf("%v at %q speaks for %q: %v", tc.level, tc.address, tc.host, got)
		}
		info := &pairing.IdentityInfo{Peers: []pairing.PeerInfo{{Origin: pairing.Origin{Address: tc.host, Endpoint: ""}}}}
		if err := c.permit("x")(info, false); (err == nil) != tc.want || err != nil && wire.CodeOf(err) != wire.Forbidden {
			t.Errorf("%v at %q, permitted for %q: %v", tc.level, tc.address, tc.host, err)
		}
	}
}

// The slots of one process are one worker, with one load, a name and a weight.
func TestWorkersName(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*")
	})
	peer, operator := r.dialAs(r.server.Bound()[1], nil), r.dial()
	early := r.worker()
	greet(t, early)
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	r.say(peer, wire.OK, "HELLO", "worker", "w1", "weight=3")
	greet(t, r.worker())
	eventually(t, "both slots are w1's", func() bool {
		w := body[struct{ Workers []wire.WorkerInfo }](t, r.say(operator, wire.OK, "WORKERS")).Workers
		return len(w) == 1 && w[0].Worker == "w1" && w[0].Slots == 2 && w[0].Weight == 3
	})
	// One that says its own name, by its endpoint.
	third := r.worker()
	greet(t, third)
	r.say(peer, wire.OK, "HELLO", "worker", "w2", "endpoint="+third.LocalAddr().String())
	eventually(t, "w2 has a slot", func() bool {
		w := body[struct{ Workers []wire.WorkerInfo }](t, r.say(operator, wire.OK, "WORKERS", "worker=w2")).Workers
		return len(w) == 1 && w[0].Slots == 1
	})
}

// WHOIS and HELLO keep a worker's connection apart from a client's of the same endpoint.
func TestWhois(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*")
	})
	peer := r.dialAs(r.server.Bound()[1], nil)
	frontend, backend := r.pool.Bound()
	worker := r.connectFrom("127.0.0.1:0", backend)
	r.follow(worker)
	greet(t, worker)
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	at := worker.LocalAddr().String()
	r.say(peer, wire.OK, "HELLO", "client", "ann", "endpoint="+at)
	greet(t, r.connectFrom(at, frontend))
	eventually(t, "the pair is open", func() bool { return r.snapshot().Stats.Open == 1 })
	k, err := peer.Whois(r.context(), at, "")
	if err != nil || k.Client != at || k.Identity != "ann" {
		t.Errorf("%+v %v", k, err)
	}
	stranger := r.connectFrom("127.0.0.2:0", frontend) // no worker comes from there
	eventually(t, "it is there", func() bool {
		p, err := r.pool.Find(r.context(), stranger.LocalAddr().String())
		return err == nil && p != nil
	})
	r.say(peer, wire.NotFound, "WHOIS", stranger.LocalAddr().String())
}

// A worker that was dialled sees the proxy's end.
func TestWhoisOfDialled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) {
		p.Backend = nil
		p.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: "tcp://" + l.Addr().String()}}
	})
	client := r.client()
	greet(t, client)
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	c := r.dial()
	eventually(t, "it is known", func() bool {
		k, err := c.Whois(r.context(), accepted.RemoteAddr().String(), "")
		return err == nil && k.Client == client.LocalAddr().String()
	})
	_ = client.Close()
	ended(t, accepted)
	_ = accepted.Close()
	eventually(t, "it is forgotten", func() bool {
		_, err := c.Whois(r.context(), accepted.RemoteAddr().String(), "")
		return wire.CodeOf(err) == wire.NotFound
	})
}

// pulse is what is known of the signs of life that somebody gives: each came
// between two moments.
type pulse struct {
	last    time.Time     // it came after this
	longest time.Duration // no two were further apart
}

// sign notes a sign of life that came after the one moment and before the other.
func (p *pulse) sign(after, before time.Time) {
	p.longest = max(p.longest, before.Sub(p.last))
	p.last = after
}

// Who has said HELLO must be heard of; anything that the same caller says counts.
// Whether a machine manages to be heard of in time is not the proxy's affair:
// where it did not, the test is about nothing, and is done again at its leisure.
func TestHeartbeat(t *testing.T) {
	for _, ttl := range []time.Duration{600 * time.Millisecond, 3 * time.Second, 12 * time.Second} {
		inTime := true
		t.Run(ttl.String(), func(t *testing.T) { inTime = testHeartbeat(t, ttl) })
		if inTime {
			return
		}
	}
	t.Error("nobody can be heard of within 12 s on this machine")
}

// testHeartbeat says whether those who were to live have been heard of in time.
func testHeartbeat(t *testing.T, ttl time.Duration) (inTime bool) {
	r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) {
		p.Pairing.Lease = pairing.Lease{Strategy: pairing.LeaseHeartbeat, TTL: ttl}
	})
	conns, callers := map[string]net.Conn{}, map[string]*client.Client{}
	for _, who := range []string{"kept", "other", "silent"} {
		conns[who], _ = r.pair()
		callers[who] = r.dial()
	}
	r.pair() // of a stranger, who never says HELLO
	begin := time.Now()
	for who, c := range callers {
		l, err := c.Hello(r.context(), client.Hello{Identity: who, Endpoint: conns[who].LocalAddr().String()})
		if err != nil || l.TTL.Duration() != ttl || l.Worker == "" {
			t.Fatalf("%s: %+v %v", who, l, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- callers["kept"].KeepAlive(ctx, "kept") }()
	kept, other, beats := pulse{last: begin}, pulse{last: begin}, r.beats()
	last := begin
	live := func() { // and look how the living are
		time.Sleep(time.Millisecond) // a caller may say so much a second
		asked := time.Now()
		r.say(callers["other"], wire.OK, "PING")
		now := time.Now()
		other.sign(asked, now)
		if n := r.beats(); n > beats {
			kept.sign(last, now)
			beats = n
		}
		last = now
	}
	expired := func() uint64 { return r.snapshot().Stats.Ended[pairing.HeartbeatExpired] }
	eventually(t, "the silent one is ended", func() bool { live(); return expired() > 0 })
	if took := time.Since(begin); took < ttl*9/10 { // which begins with the turn of the loop in which it is said
		t.Errorf("ended after %v", took)
	}
	for end := time.Now().Add(3 * ttl); time.Now().Before(end); {
		live()
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("KeepAlive: %v", err)
	}
	s := r.snapshot().Stats
	kept.sign(last, time.Now())
	other.sign(last, time.Now())
	if longest := max(kept.longest, other.longest); longest > ttl*3/4 { // a beat is counted a moment after it has counted
		t.Logf("they were heard of after %v and %v", kept.longest, other.longest)
		return false
	}
	ended(t, conns["silent"])
	at := "client=" + conns["silent"].LocalAddr().String() // a worker's connection may have the same port
	if left := body[struct{ Clients []wire.ClientInfo }](t, r.say(callers["silent"], wire.OK, "CLIENTS", at)).Clients; len(left) != 0 {
		t.Errorf("the silent one is there still: %+v", left)
	}
	if n := s.Ended[pairing.HeartbeatExpired]; n != 1 || s.Open != 3 {
		t.Errorf("%d were ended, and %d pairs are open", n, s.Open)
	}
	return true
}

// beats is how many heartbeats were taken.
func (r *rig) beats() (n uint64) {
	for _, c := range r.server.Stats().Requests {
		if c.Verb == "HEARTBEAT" && c.Code == wire.OK {
			n = c.Count
		}
	}
	return n
}

// Only who has an identity is served.
func TestRequireHello(t *testing.T) {
	r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) {
		p.Pairing.RequireHello, p.Pairing.HintWait = true, 300*time.Millisecond
	})
	c := r.dial()
	greet(t, r.worker())
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	stranger := r.client()
	greet(t, stranger)
	ended(t, stranger)
	eventually(t, "one has ended", func() bool { return r.snapshot().Stats.Ended[pairing.HeartbeatExpired] == 1 })
	known := r.client()
	r.say(c, wire.OK, "HELLO", "client", "ann", "endpoint="+known.LocalAddr().String())
	greet(t, known)
	eventually(t, "ann is served", func() bool { return r.snapshot().Stats.Open == 1 })
}

// KeepAlive says HELLO again to a proxy that knows nothing of it.
func TestKeepAliveAfterRestart(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	if _, err := c.Hello(r.context(), client.Hello{Identity: "ann", Endpoint: "127.0.0.1:4000"}); err != nil {
		t.Fatal(err)
	}
	r.say(r.dial(), wire.OK, "UNHINT", "ann")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.KeepAlive(ctx, "ann") }()
	eventually(t, "ann is known again, and held", func() bool { return r.snapshot().Stats.Hints == 2 })
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("KeepAlive: %v", err)
	}
	if err := c.KeepAlive(t.Context(), "nobody"); wire.CodeOf(err) != wire.NotFound {
		t.Errorf("KeepAlive of nobody: %v", err)
	}
}

// HEARTBEAT is 404 when an identity has no connection and nothing is held of it:
// some time after its lease has ended.
func TestHeartbeatOfNobody(t *testing.T) {
	r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) {
		p.Pairing.Lease = pairing.Lease{Strategy: pairing.LeaseHeartbeat, TTL: 200 * time.Millisecond}
		p.Pairing.HintTTL = time.Second
	})
	client, _ := r.pair()
	r.say(r.dial(), wire.OK, "HELLO", "client", "ann", "endpoint="+client.LocalAddr().String())
	ended(t, client)
	c := r.dial() // what the other says would renew the lease
	held := func() bool {
		return len(body[struct{ Hints []wire.HintInfo }](t, r.say(c, wire.OK, "HINTS", "identity=ann")).Hints) > 0
	}
	code := func() wire.Code {
		reply, _ := c.Do(r.context(), "HEARTBEAT", "ann")
		return reply.Code
	}
	eventually(t, "nothing is held of ann", func() bool {
		before, got, after := held(), code(), held()
		if before == after && (got == wire.OK) != after {
			t.Fatalf("HEARTBEAT is %v, held: %v", got, after)
		}
		return !after
	})
	r.say(c, wire.NotFound, "HEARTBEAT", "ann")
	r.say(c, wire.NotFound, "BYE", "ann")
	r.say(c, wire.OK, "PIN", "ann", "w1")
	r.say(c, wire.OK, "HEARTBEAT", "ann")
	r.say(c, wire.OK, "UNPIN", "ann")
	r.say(c, wire.NotFound, "HEARTBEAT", "ann")
	r.say(c, wire.OK, "HELLO", "client", "ann", "endpoint=127.0.0.1:9") // which is to come
	r.say(c, wire.OK, "HEARTBEAT", "ann")
}
