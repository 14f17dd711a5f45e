package control

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// newCert writes the two files of a certificate into dir, which may be the directory of public ones.
func newCert(t *testing.T, dir, name string, level wire.Level) wire.Cert {
	t.Helper()
	public, secret, err := zmq4.NewCurveKeypair()
	if err != nil {
		t.Fatal(err)
	}
	c := wire.Cert{Public: public, Secret: secret, Name: name, Level: level}
	open := c
	open.Secret = ""
	for file, text := range map[string]string{name: open.Text(), name + "_secret": c.Text()} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// curveRig has one endpoint with CURVE.
func curveRig(t *testing.T, changes ...func(*Config)) (r *rig, server wire.Cert, clients string) {
	r = newRig(t, func(r *rig, c *Config, _ *stream.Config) {
		server = newCert(t, r.dir, "proxy", wire.Peer)
		clients = filepath.Join(r.dir, "clients")
		if err := os.Mkdir(clients, 0o700); err != nil {
			t.Fatal(err)
		}
		c.Cert, c.Clients = filepath.Join(r.dir, "proxy_secret"), clients
		c.Endpoints = append([]string{"tcp://127.0.0.1:*"}, c.Endpoints...)
		for _, change := range changes {
			change(c)
		}
	})
	return r, server, clients
}

// Each verb at each level on each kind of endpoint: 403 exactly where the level is too low.
func TestEveryVerbAtEveryLevel(t *testing.T) {
	ofPeers := []string{"PING", "HELLO", "HEARTBEAT", "BYE", "WHOIS"} // and nothing else, whatever the code says
	curve, server, clients := curveRig(t)
	as := func(level wire.Level) func() *client.Client {
		return func() *client.Client {
			own := newCert(t, clients, level.String(), level)
			return curve.dialAs(curve.server.Bound()[0], &client.Security{Cert: own, Server: server.Public})
		}
	}
	loopbackAt := func(level wire.Level) func() *client.Client {
		return func() *client.Client {
			r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
				c.Endpoints, c.LoopbackLevel = []string{"tcp://127.0.0.1:*"}, level
			})
			return r.dial()
		}
	}
	for _, tc := range []struct {
		name  string
		level wire.Level
		dial  func() *client.Client
	}{
		{"ipc", wire.Operator, func() *client.Client { return newRig(t, nil).dial() }},
		{"ipc beside CURVE", wire.Operator, func() *client.Client { return curve.dialAs(curve.server.Bound()[1], nil) }},
		{"loopback", wire.Peer, loopbackAt(wire.Peer)},
		{"loopback for operators", wire.Operator, loopbackAt(wire.Operator)},
		{"CURVE peer", wire.Peer, as(wire.Peer)},
		{"CURVE operator", wire.Operator, as(wire.Operator)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.dial()
			for _, v := range Verbs() {
				// Too many arguments, so that nothing happens; the level is looked at first.
				args := slices.Repeat([]string{"x"}, 20)
				reply, err := c.Do(t.Context(), v.Name, args...)
				if wire.CodeOf(err) == 0 {
					t.Fatalf("%s: %v", v.Name, err)
				}
				want := wire.Malformed
				if tc.level < wire.Operator && !slices.Contains(ofPeers, v.Name) {
					want = wire.Forbidden
				}
				if reply.Code != want {
					t.Errorf("%s: %d %s, want %d", v.Name, reply.Code, reply.Text, want)
				}
			}
			for _, word := range []string{"PAUSE", "RESUME", "STATISTICS", "TERMINATE"} {
				if _, err := c.Do(t.Context(), word); (wire.CodeOf(err) == wire.Forbidden) != (tc.level < wire.Operator) {
					t.Errorf("%s: %v", word, err)
				}
			}
		})
	}
}

func TestFileMode(t *testing.T) {
	for _, tc := range []struct{ set, want os.FileMode }{{0, 0o600}, {0o660, 0o660}} {
		r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Mode = tc.set })
		for _, file := range []string{"s", "s.events"} {
			info, err := os.Stat(filepath.Join(r.dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != tc.want {
				t.Errorf("%s has mode %v, want %v", file, info.Mode().Perm(), tc.want)
			}
		}
	}
}

// Who has a key that is not known is not let in, from the moment that its file has gone.
func TestStrangersKey(t *testing.T) {
	r, server, clients := curveRig(t)
	refused := func(s *client.Security) {
		t.Helper()
		before := r.server.Stats().Refused[RefusedKey]
		done := make(chan error, 1)
		ctx := r.context()
		go func() {
			c, err := client.Dial(ctx, r.server.Bound()[0], s)
			if err == nil {
				c.Close()
			}
			done <- err
		}()
		eventually(t, "the refusal is counted", func() bool { return r.server.Stats().Refused[RefusedKey] > before })
		select {
		case err := <-done:
			t.Errorf("a stranger was answered: %v", err)
		default:
		}
	}
	stranger := newCert(t, r.dir, "stranger", wire.Operator)
	known := newCert(t, clients, "known", wire.Operator)
	security := &client.Security{Cert: known, Server: server.Public}
	r.say(r.dialAs(r.server.Bound()[0], security), wire.OK, "STATUS")
	refused(&client.Security{Cert: stranger, Server: server.Public})
	if err := os.Remove(filepath.Join(clients, "known")); err != nil {
		t.Fatal(err)
	}
	refused(security)
}

func TestUnsafeRefusesToStart(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"tcp without CURVE", Config{Endpoints: []string{"tcp://0.0.0.0:7000"}}, "control: tcp://0.0.0.0:7000: without CURVE whoever reaches it could steer the proxy: give a certificate and a directory of clients' (--control-cert, --control-clients), or use ipc:// or 127.0.0.1"},
		{"a name", Config{Endpoints: []string{"tcp://example.org:7000"}}, "control: tcp://example.org:7000: without CURVE whoever reaches it could steer the proxy: give a certificate and a directory of clients' (--control-cert, --control-clients), or use ipc:// or 127.0.0.1"},
		{"abstract", Config{Endpoints: []string{"ipc://@x"}}, "control: ipc://@x: an abstract socket has no file mode to guard it: use a path"},
		{"half of CURVE", Config{Cert: "x"}, "control: CURVE needs both a certificate of the proxy and a directory of its callers' public ones"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.cfg.Validate(); err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if s, err := Open(tc.cfg, Proxy{}, NewFeed()); err == nil {
				s.Close()
				t.Error("it opens")
			}
		})
	}
}

// A name is served at its first address, and without CURVE only when nobody else can reach any of them.
func TestNames(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
		c.Endpoints, c.LoopbackLevel = []string{"tcp://localhost:*"}, wire.Operator
	})
	r.say(r.dial(), wire.OK, "STATUS")
	at := func(hosts ...string) (all []stream.Endpoint) {
		for _, h := range hosts {
			all = append(all, stream.Endpoint{Network: "tcp", Host: h, Port: 7000})
		}
		return all
	}
	name := at("localhost")[0]
	for _, tc := range []struct {
		domain domain
		hosts  []string
		want   string // "" when it is refused
	}{
		{domainNULL, []string{"127.0.0.1"}, "tcp://127.0.0.1:7000"},
		{domainNULL, []string{"::1", "127.0.0.1"}, "tcp://[::1]:7000"},
		{domainNULL, []string{"10.0.0.1"}, ""},
		{domainNULL, []string{"127.0.0.1", "10.0.0.1"}, ""},
		{domainCURVE, []string{"10.0.0.1", "127.0.0.1"}, "tcp://10.0.0.1:7000"},
	} {
		l, err := listener{Endpoint: name, domain: tc.domain}.at(at(tc.hosts...))
		switch {
		case tc.want == "" && (err == nil || !strings.HasPrefix(err.Error(), "tcp://localhost:7000 is tcp://10.0.0.1:7000: without CURVE ")):
			t.Errorf("%v: %v at %v", tc.hosts, err, l.Endpoint)
		case tc.want != "" && (err != nil || l.String() != tc.want):
			t.Errorf("%v: %v at %v, want %s", tc.hosts, err, l.Endpoint, tc.want)
		}
	}
}

// An endpoint of an IPv4 address listens at a socket of that family, and one of IPv6 at its own.
func TestFamilyOfAListener(t *testing.T) {
	for host, file := range map[string]string{"127.0.0.1": "tcp", "[::1]": "tcp6"} {
		r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
			c.Endpoints, c.LoopbackLevel = []string{"tcp://" + host + ":*"}, wire.Operator
		})
		r.say(r.dial(), wire.OK, "PING")
		bound := r.server.Bound()[0]
		port, err := strconv.Atoi(bound[strings.LastIndex(bound, ":")+1:])
		if err != nil || !strings.HasPrefix(bound, "tcp://"+host+":") {
			t.Fatalf("it is bound at %s: %v", bound, err)
		}
		listening, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(":%04X", port); !slices.ContainsFunc(strings.Split(string(listening), "\n"), func(line string) bool {
			words := strings.Fields(line)
			return len(words) > 3 && strings.HasSuffix(words[1], want) && words[3] == "0A"
		}) {
			t.Errorf("nobody listens at port %d of %s in /proc/net/%s", port, host, file)
		}
	}
}

func TestEndpointInUse(t *testing.T) {
	r := newRig(t, nil)
	for _, e := range []string{r.server.Bound()[0]} {
		s, err := Open(Config{Endpoints: []string{e}}, Proxy{}, NewFeed())
		if err == nil {
			s.Close()
			t.Fatalf("%s was bound twice", e)
		}
		if want := "control " + e + ": address already in use by this process"; err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	r.say(r.dial(), wire.OK, "PING")
}

// Events over CURVE are one port up, and operators' only.
func TestEventsOverCURVE(t *testing.T) {
	r, server, clients := curveRig(t)
	own := &client.Security{Cert: newCert(t, clients, "op", wire.Operator), Server: server.Public}
	operator := r.dialAs(r.server.Bound()[0], own)
	at := body[struct{ Endpoint string }](t, r.say(operator, wire.OK, "EVENTS")).Endpoint
	// hears says whether a subscriber has heard anything since it was last asked.
	hears := func(s *zmq4.Socket) bool {
		m, err := s.RecvMessage(zmq4.DONTWAIT)
		return err == nil && len(m) == 2
	}
	subscriber := func(s *client.Security) *zmq4.Socket {
		sub := r.secured(zmq4.SUB, at, s)
		if err := sub.SetSubscribe(""); err != nil {
			t.Fatal(err)
		}
		return sub
	}
	heard := subscriber(own)
	before := r.server.Stats().Refused[RefusedKey]
	unheard := subscriber(&client.Security{Cert: newCert(t, clients, "app", wire.Peer), Server: server.Public})
	eventually(t, "the peer is refused", func() bool { return r.server.Stats().Refused[RefusedKey] > before })
	eventually(t, "the operator hears", func() bool {
		r.say(operator, wire.OK, "ADD", "w", "tcp://127.0.0.1:1")
		r.say(operator, wire.OK, "REMOVE", "w")
		return hears(heard)
	})
	if hears(unheard) {
		t.Error("a peer hears of events")
	}
}
