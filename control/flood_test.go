package control

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// The bounds of the pool that is flooded, and of the flood.
const (
	floodShare       = 200
	floodMax         = 500
	floodConnections = 4
	floodEach        = 300
)

// floodRig has a pool with two workers that listen, and a control socket for
// operators and one for peers.
func floodRig(t *testing.T) (r *rig, operator, peer *client.Client) {
	t.Helper()
	r = newRig(t, func(r *rig, c *Config, p *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*")
		p.Backend, p.Workers = nil, []pairing.WorkerConfig{r.listening("w1"), r.listening("w2")}
		p.Pairing.HintWait = 10 * time.Second
		p.Pairing.HintMax, p.Pairing.AffinityMax, p.Pairing.SourceMax = floodMax, floodMax, floodShare
	})
	return r, r.dial(), r.dialAs(r.server.Bound()[1], nil)
}

// flood says HELLO for connections to come, from connections of its own, and
// waits for the answers.
func (r *rig) flood() {
	r.t.Helper()
	prefer := "prefer=" + strings.Repeat("w1,", pairing.MaxPrefer-1) + "w1"
	var sockets []*zmq4.Socket
	for range floodConnections {
		sockets = append(sockets, r.socket(zmq4.DEALER, r.server.Bound()[1]))
	}
	for i := range floodEach {
		for k, s := range sockets {
			n := i*floodConnections + k
			if _, err := s.SendMessage("HELLO", "client", fmt.Sprint("flood", n), fmt.Sprint("endpoint=127.0.0.1:", 1+n), prefer); err != nil {
				r.t.Fatal(err)
			}
		}
		for _, s := range sockets {
			if m, err := s.RecvMessage(0); err != nil || m[0] != "200" {
				r.t.Fatal(m, err)
			}
		}
	}
}

// served has a client come whom say names, and returns it when it is paired with w2.
func (r *rig) served(say func(endpoint string)) net.Conn {
	r.t.Helper()
	c := r.client()
	greet(r.t, c)
	at := c.LocalAddr().String()
	say(at)
	eventually(r.t, "it is paired with w2", func() bool {
		p, err := r.pool.Find(r.context(), at)
		if err != nil || p != nil && p.Worker == "w1" {
			r.t.Fatalf("%+v, %v", p, err)
		}
		return p != nil && p.State == pairing.PeerOpen
	})
	return c
}

// left has a client come likewise, and go.
func (r *rig) left(say func(endpoint string)) {
	r.t.Helper()
	c := r.served(say)
	before := r.snapshot().Stats.Identities
	_ = c.Close()
	eventually(r.t, "it has gone", func() bool { return r.snapshot().Stats.Identities == before-1 })
}

// TestFloodOfHello has a peer say far more than is held: what operators, other
// addresses, and connections that are there have said stays, and so do the
// workers that they had last.
func TestFloodOfHello(t *testing.T) {
	r, operator, peer := floodRig(t)
	hello := func(c *client.Client, identity string) func(string) {
		return func(endpoint string) {
			r.say(c, wire.OK, "HELLO", "client", identity, "endpoint="+endpoint, "prefer=w2")
		}
	}
	r.served(hello(peer, "learned"))
	r.left(hello(operator, "gone"))
	r.left(hello(peer, "forgotten"))
	r.say(operator, wire.OK, "HINT", "memo", "prefer=w2")
	r.say(operator, wire.OK, "HINT", "precious", "address=127.0.0.1", "prefer=w2")
	if err := r.pool.Hint(r.context(), pairing.Hint{Identity: "other", Endpoint: "192.0.2.1:5", Prefer: []string{"w2"}, Source: "192.0.2.1"}); err != nil {
		t.Fatal(err)
	}

	r.flood()

	for _, name := range []string{"learned", "gone", "memo", "precious", "other"} {
		x := body[wire.Explanation](t, r.say(operator, wire.OK, "EXPLAIN", name))
		if !slices.Equal(x.Prefer, []string{"w2"}) {
			t.Errorf("%s: %+v", name, x)
		}
	}
	for _, name := range []string{"learned", "gone", "forgotten"} { // the last has only what it preferred pushed out
		if x := body[wire.Explanation](t, r.say(operator, wire.OK, "EXPLAIN", name)); x.Last != "w2" {
			t.Errorf("%s: %+v", name, x)
		}
	}
	r.served(func(endpoint string) {
		eventually(t, "it is precious", func() bool {
			p, err := r.pool.Find(r.context(), endpoint)
			return err == nil && p != nil && p.Identity == "precious"
		})
	})
	checkHeld(t, r, operator)
}

// checkHeld is that STATUS counts what HINTS lists: the flood's share of
// preferences and of hints, five preferences of others, and a hint of one.
func checkHeld(t *testing.T, r *rig, operator *client.Client) {
	t.Helper()
	listed, flooded := 0, 0
	for h, err := range operator.Pool("").Hints(r.context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if listed++; strings.HasPrefix(h.Identity, "flood") {
			flooded++
		}
	}
	status := body[wire.Status](t, r.say(operator, wire.OK, "STATUS"))
	if flooded != 2*floodShare || listed != flooded+6 || status.Pools[0].Hints != listed {
		t.Errorf("%d are listed, %d of the flood, %d counted", listed, flooded, status.Pools[0].Hints)
	}
}

// Who speaks from where shares with whom.
func TestSource(t *testing.T) {
	for _, tc := range []struct {
		level         wire.Level
		address, want string
	}{
		{wire.Peer, "10.0.0.1", "10.0.0.1"},
		{wire.Peer, "::ffff:10.0.0.1", "10.0.0.1"},
		{wire.Peer, "127.0.0.1", "localhost"},
		{wire.Peer, "127.5.6.7", "localhost"},
		{wire.Peer, "::1", "localhost"},
		{wire.Peer, "::ffff:127.0.0.1", "localhost"},
		{wire.Peer, "", "localhost"}, // anything but an operator
		{wire.Peer, "2001:db8::1", "2001:db8::/64"},
		{wire.Peer, "2001:db8::ffff:1", "2001:db8::/64"},
		{wire.Peer, "2001:db8:0:1::1", "2001:db8:0:1::/64"},
		{wire.Operator, "10.0.0.1", ""},
		{wire.Operator, "localhost:0:0:1", ""},
	} {
		c := &call{caller: &caller{level: tc.level, address: tc.address}}
		if got := c.source(); got != tc.want {
			t.Errorf("%v at %q is %q, not %q", tc.level, tc.address, got, tc.want)
		}
	}
}
