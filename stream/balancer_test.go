package stream

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

func fromLoopback(c *Config) {
	c.ProxySenders.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func header(client int) []byte {
	return fmt.Appendf(nil, "PROXY TCP4 192.0.2.%d 198.51.100.1 4000 5555\r\n", client)
}

// What a balancer says is where its client comes from, for the limits, in lists and in the
// log, however its header is cut; no byte of it comes to the worker.
func TestHeaderOfABalancer(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, fromLoopback, func(c *Config) { c.Pairing.MaxPerAddress = 1 })
		worker := r.slot()
		client := r.client()
		for _, b := range header(1) {
			send(t, client, []byte{b})
		}
		send(t, client, nullPeer())
		expect(t, worker, nullPeer())
		send(t, worker, nullPeer()[len(signature):])
		expect(t, client, nullPeer())
		if info, err := r.pool.Find(t.Context(), "192.0.2.1:4000"); err != nil || info == nil {
			t.Errorf("nobody is at the client's address: %v", err)
		}
		for i := 2; i < 10; i++ { // all from one address of TCP's
			send(t, r.client(), append(header(i), signature...))
		}
		eventually(t, "eight wait", func() bool { return r.snapshot().Stats.Waiting == 8 })
		send(t, r.client(), append(header(1), signature...))
		r.expectReasons(1, pairing.QueueFull)
		_, _ = client.Close(), worker.Close()
		eventually(t, "the client has ended", func() bool { return len(r.reasons()) == 2 })
		r.mu.Lock()
		defer r.mu.Unlock()
		if a := r.ended[1]; a.Origin.Endpoint != "192.0.2.1:4000" || a.Balancer == nil || a.Balancer.Endpoint != client.LocalAddr().String() {
			t.Errorf("%+v by %+v", a.Origin, a.Balancer)
		}
	})
}

// Whoever must send a header and does not, or may not and does, ends; a balancer's checks are probes.
func TestHeadersThatAreRefused(t *testing.T) {
	local := []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	for name, tc := range map[string]struct {
		say  []byte
		cfg  func(*Config)
		want pairing.Reason
	}{
		"none from a balancer":   {nullPeer(), fromLoopback, pairing.ProxyHeader},
		"a bad one":              {[]byte("PROXY TCP4 nonsense\r\n"), fromLoopback, pairing.ProxyHeader},
		"from anybody":           {header(1), func(c *Config) { _ = c.ProxySenders.Add("192.0.2.7") }, pairing.ProxyHeader},
		"to who does not ask":    {header(1), func(*Config) {}, pairing.NotZMTP},
		"half, and silence":      {header(1)[:20], fromLoopback, pairing.ProbeOnly},
		"one, and silence":       {header(1), fromLoopback, pairing.ProbeOnly},
		"for the balancer alone": {local, fromLoopback, pairing.ProbeOnly},
	} {
		t.Run(name, func(t *testing.T) {
			onBothRelays(t, func(t *testing.T, relay func(*Config)) {
				limit := time.Second              // in which also a busy machine reads what is said
				if tc.want == pairing.ProbeOnly { // who is silent is waited for
					limit = 300 * time.Millisecond
				}
				r := newRig(t, relay, tc.cfg, func(c *Config) { c.Pairing.HandshakeTimeout = limit })
				c := r.client()
				send(t, c, tc.say)
				expectEnd(t, c)
				r.expectReasons(1, tc.want)
				r.expectQuiet()
			})
		})
	}
}

// Of two balancers, one in front of the other, each of which adds its header, is told what is wrong; one header alone may
// be as long as HAProxy takes it.
func TestTwoHeadersAndALongOne(t *testing.T) {
	r := newRig(t, fromLoopback)
	c := r.client()
	send(t, c, slices.Concat(header(1), header(2), nullPeer()))
	expectEnd(t, c)
	r.expectReasons(1, pairing.NotZMTP)
	if hint := r.oneEnded().Hint; !strings.HasPrefix(hint, "a second PROXY header") {
		t.Errorf("%q", hint)
	}
	worker := r.slot()
	long := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x3a\x98"), 192, 0, 2, 7, 198, 51, 100, 1, 15, 160, 21, 179, 0xF0, 0x3a, 0x89)
	long = append(long, make([]byte, 0x3a89)...) // 15,000 bytes in all but for the first 16
	c = r.client()
	send(t, c, slices.Concat(long, nullPeer()))
	expect(t, worker, nullPeer())
}

func TestProxySenders(t *testing.T) {
	var s ProxySenders
	for _, good := range []string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32"} {
		if err := s.Add(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "balancer", "10.0.0.0/33", "fe80::1%eth0"} {
		if s.Add(bad) == nil {
			t.Errorf("%q is a network", bad)
		}
	}
	for peer, want := range map[string]bool{
		"10.9.9.9:1": true, "[::ffff:10.9.9.9]:1": true, "192.0.2.7:1": true, "192.0.2.8:1": false, "[2001:db8::5]:1": true, "[2001:db9::5]:1": false,
	} {
		if got := s.include(netip.MustParseAddrPort(peer)); got != want {
			t.Errorf("%s: %v", peer, got)
		}
	}
	if s.include(netip.AddrPort{}) {
		t.Error("ipc is included")
	}
}

// One endpoint of the frontend may be behind a balancer and another not; a door has what the
// pool has, and a reload changes all of it.
func TestSendersOfAnEndpoint(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, fromLoopback, func(c *Config) {
			c.Frontend = []string{"tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0"}
			c.FrontendSenders = []*ProxySenders{nil, {}, {Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
			c.Doors = []DoorConfig{{Identity: "door", Endpoint: "tcp://127.0.0.1:0"}}
		})
		doors, err := r.pool.Doors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		frontend, _ := r.pool.Bound()
		ended := 0
		says := func(endpoint string, say []byte, want pairing.Reason) {
			t.Helper()
			client := dialPeer(t, endpoint)
			send(t, client, say)
			if want == pairing.ClientClosed { // it is served, and none of the header comes to the worker
				worker := r.slot()
				send(t, client, nullPeer())
				expect(t, worker, nullPeer())
				send(t, worker, nullPeer()[len(signature):])
				expect(t, client, nullPeer())
				_ = client.Close()
				expectEnd(t, worker)
				_ = worker.Close()
			} else {
				expectEnd(t, client)
			}
			ended++
			eventually(t, "it has ended", func() bool { return len(r.reasons()) == ended })
			if got := r.reasons()[ended-1]; got != want {
				t.Errorf("%q at %s ended with %v, want %v", say, endpoint, got, want)
			}
		}
		for _, endpoint := range []string{frontend[0], doors[0].Endpoints[0]} {
			says(endpoint, header(1), pairing.ClientClosed)
			says(endpoint, nullPeer(), pairing.ProxyHeader)
		}
		says(frontend[1], nil, pairing.ClientClosed)
		says(frontend[1], header(2), pairing.NotZMTP)
		says(frontend[2], nil, pairing.ClientClosed)
		says(frontend[2], header(3), pairing.ProxyHeader)

		cfg := r.cfg
		cfg.ProxySenders, cfg.FrontendSenders = ProxySenders{}, []*ProxySenders{nil, &r.cfg.ProxySenders}
		if err := r.pool.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		says(frontend[0], nil, pairing.ClientClosed)
		says(frontend[0], header(4), pairing.NotZMTP)
		says(frontend[1], header(5), pairing.ClientClosed)
		says(frontend[1], nullPeer(), pairing.ProxyHeader)
		says(frontend[2], nil, pairing.ClientClosed)
	})
}
