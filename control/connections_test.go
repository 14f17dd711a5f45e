package control

import (
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// strangers connect to an endpoint and say nothing.
func strangers(t *testing.T, endpoint string, n int) (all []net.Conn) {
	t.Helper()
	network, address, _ := strings.Cut(endpoint, "://")
	if network == "ipc" {
		network = "unix"
	}
	for range n {
		c, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		all = append(all, c)
	}
	return all
}

// held is how many of them the proxy has not closed.
func held(t *testing.T, all []net.Conn) (n int) {
	t.Helper()
	for _, c := range all {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			n++
		}
	}
	return n
}

// used is how many connections the server counts at all its endpoints.
func (r *rig) used() (n int) {
	for _, m := range r.server.monitors {
		n += m.connections.used()
	}
	return n
}

func (s *connections) used() (n int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, d := range s.quotas {
		n += d.used
	}
	return n
}

// endpoints are those that somebody has come to.
func (s *connections) endpoints() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Sorted(maps.Keys(s.quotas))
}

// endpointsRig has the endpoints of a control socket that a crowd may come to.
func endpointsRig(t *testing.T, most int) (r *rig, endpoints map[string]string) {
	r = newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:0")
		c.LoopbackLevel, c.Connections = wire.Operator, most
	})
	ipc, tcp := r.server.Bound()[0], r.server.Bound()[1]
	return r, map[string]string{"ipc": ipc, "tcp": tcp, "events": ipc + ".events"}
}

// A crowd of strangers holds no more connections than an endpoint may have, and
// of these the oldest makes way for an operator: one who is there stays, and one
// who comes is let in.
func TestCrowd(t *testing.T) {
	const most, crowd = 8, 100
	for _, at := range []string{"ipc", "tcp", "events"} {
		t.Run(at, func(t *testing.T) {
			r, endpoints := endpointsRig(t, most)
			there := r.dialAs(strings.TrimSuffix(endpoints[at], eventsSuffix), nil)
			all := strangers(t, endpoints[at], crowd)
			eventually(t, "too many are sent away", func() bool { return held(t, all) <= most })
			if n := r.used(); n > most+1 {
				t.Errorf("%d connections are counted", n)
			}
			// They are counted a moment later; one that took too long, as unfinished.
			refused := func() uint64 { return r.server.Stats().Refused.Total() }
			eventually(t, "they are counted", func() bool { return refused() >= crowd-most })
			r.say(there, wire.OK, "STATUS")
			r.say(r.dialAs(strings.TrimSuffix(endpoints[at], eventsSuffix), nil), wire.OK, "STATUS")
			if at != "events" { // there are two operators now
				eventually(t, "somebody made way for the operator", func() bool { return refused() >= crowd+2-most })
			}
			for _, c := range all {
				_ = c.Close()
			}
			there.Close()
			eventually(t, "all are forgotten", func() bool { return r.used() <= 1 })
			for _, m := range r.server.monitors {
				for _, e := range m.connections.endpoints() {
					if !slices.Contains(m.connections.bound, e) {
						t.Errorf("somebody has come to %s, bound are %v", e, m.connections.bound)
					}
				}
			}
		})
	}
}

// noDescriptor and those above are none of this process.
const noDescriptor = 1 << 30

// One descriptor is a connection of the other socket as soon as libzmq has closed it,
// and of that socket's monitor the news may be heard first.
func TestGuestsOfTwoSockets(t *testing.T) {
	r, endpoints := endpointsRig(t, 1)
	s, now := r.server, time.Now()
	requests, events := s.monitors[s.router], s.monitors[s.pub]
	s.hear(requests, zmq4.EVENT_ACCEPTED, endpoints["ipc"], noDescriptor, now)
	s.hear(events, zmq4.EVENT_ACCEPTED, endpoints["events"], noDescriptor, now)
	s.hear(requests, zmq4.EVENT_DISCONNECTED, endpoints["ipc"], noDescriptor, now)
	if n, m := requests.connections.used(), events.connections.used(); n != 0 || m != 1 {
		t.Errorf("%d are counted for requests, %d for events, want 0 and 1", n, m)
	}
	s.hear(events, zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL, endpoints["events"], 0, now)
	s.hear(events, zmq4.EVENT_DISCONNECTED, endpoints["events"], noDescriptor, now)
	if n := s.Stats().Refused[RefusedUnfinished]; n != 1 || r.used() != 0 {
		t.Errorf("%d were refused and %d are counted, want 1 and 0", n, r.used())
	}
}

// A wildcard endpoint has one bound for all addresses of the machine, and those
// that are bound one by one have one each, also with the same port.
func TestGuestsOfOneEndpoint(t *testing.T) {
	const most = 2
	s := newConnections(most)
	for _, endpoint := range []string{"tcp://[::]:7000", "tcp://[::ffff:127.0.0.1]:7001", "tcp://[fe80::1%eth0]:7001", "ipc://c"} {
		s.opened(endpoint)
	}
	fd := noDescriptor
	for _, endpoint := range [][]string{
		{"tcp://[::ffff:127.0.0.1]:7000", "tcp://[::ffff:127.0.0.2]:7000", "tcp://[fe80::1%eth0]:7000"},
		{"tcp://[::ffff:127.0.0.1]:7001"},
		{"tcp://[fe80::1%eth0]:7001"},
		{"ipc://c"},
	} {
		for n := range 2 * most {
			fd++
			away := s.came(fd, endpoint[n%len(endpoint)], time.Now())
			if (away != nil) != (n >= most) {
				t.Errorf("%s, connection %d: sent away is %v", endpoint, n+1, away)
			}
		}
	}
	if n := s.used(); n != 4*most {
		t.Errorf("%d are counted, want %d", n, 4*most)
	}
}

// sameDescriptor is connections under one descriptor, one after the other.
type sameDescriptor struct {
	*connections
	t  *testing.T
	fd int
}

// unnamed is where both ends of a socketpair are, as Go writes it.
const unnamed = "ipc://@"

// next has the descriptor be another connection's.
func (c sameDescriptor) next() {
	c.t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.become(pair[0])
	_ = syscall.Close(pair[1])
}

// none has the descriptor be no connection's, and nobody else's either.
func (c sameDescriptor) none() {
	c.t.Helper()
	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.become(fd)
}

func (c sameDescriptor) become(fd int) {
	c.t.Helper()
	if err := syscall.Dup3(fd, c.fd, syscall.O_CLOEXEC); err != nil {
		c.t.Fatal(err)
	}
	_ = syscall.Close(fd)
}

// comes has the monitor tell of the connection.
func (c sameDescriptor) comes() { c.came(c.fd, unnamed, time.Now()) }

func (c sameDescriptor) expectPreauth(when string, want int) {
	c.t.Helper()
	if n := c.quotaOf(unnamed).preauth.Len(); n != want {
		c.t.Errorf("%s: %d are preauth, want %d", when, n, want)
	}
}

// A message counts for the connection that it came by, whether the monitor's word
// is heard before it or after, and for no other of the same descriptor.
func TestGuestsWhoSpoke(t *testing.T) {
	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	c := sameDescriptor{newConnections(10), t, fd}
	c.next()
	c.comes()
	c.expectPreauth("silent", 1)
	c.spoke(fd)
	c.expectPreauth("heard of before its message", 0)
	c.left(fd)
	c.next()
	c.spoke(fd)
	c.comes()
	c.expectPreauth("heard of after its message", 0)
	c.left(fd)
	c.next()
	c.spoke(fd)
	c.next() // and of the one before nothing was heard
	c.comes()
	c.expectPreauth("the next one after who spoke", 1)
	c.next()
	c.spoke(fd)
	c.expectPreauth("before the end of one the next spoke", 1)
	c.left(fd)
	c.comes()
	c.expectPreauth("who spoke before its predecessor's end was heard", 0)
	c.left(fd)
	c.none()
	c.spoke(fd)
	c.next()
	c.comes()
	c.expectPreauth("the next one after a message that was read late", 1)
}

// Where all have finished their handshakes, who comes is sent away.
func TestCrowdOfCallers(t *testing.T) {
	const most = 4
	r, endpoints := endpointsRig(t, most)
	var callers []*client.Client
	for range most {
		callers = append(callers, r.dialAs(endpoints["tcp"], nil))
	}
	one := strangers(t, endpoints["tcp"], 1)
	eventually(t, "the stranger is sent away", func() bool { return held(t, one) == 0 })
	for _, c := range callers {
		r.say(c, wire.OK, "PING")
	}
	eventually(t, "one is counted", func() bool { return r.server.Stats().Refused[RefusedCrowded] == 1 })
}

// with counts the lines that contain all of these.
func (r *recorder) with(words ...string) (n int) {
	for line := range strings.Lines(r.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			n++
		}
	}
	return n
}

// Who is not let in is counted each time, by the reason, and logged once.
func TestRefusals(t *testing.T) {
	stranger, err := newKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		want Refusal
		try  func(r *rig, endpoint, server string)
	}{
		{RefusedKey, func(r *rig, endpoint, server string) { r.tryCurve(endpoint, server, stranger) }},
		{RefusedServerKey, func(r *rig, endpoint, _ string) { r.tryCurve(endpoint, stranger.Public, stranger) }},
		{RefusedMechanism, func(_ *rig, endpoint, _ string) {
			for _, c := range strangers(t, endpoint, 5) {
				greet(t, c)
			}
		}},
		{RefusedUnfinished, func(r *rig, endpoint, _ string) {
			all := strangers(t, endpoint, 20)
			eventually(t, "they are known", func() bool { return r.used() == len(all) })
			for _, c := range all {
				_ = c.Close()
			}
		}},
	} {
		t.Run(tc.want.String(), func(t *testing.T) {
			log := &recorder{}
			r, server, _ := curveRig(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
			tc.try(r, r.server.Bound()[0], server.Public)
			eventually(t, "refusals are counted", func() bool { return r.server.Stats().Refused[tc.want] >= 5 })
			for reason, n := range r.server.Stats().Refused {
				if Refusal(reason) != tc.want && n > 0 && Refusal(reason) != RefusedUnfinished {
					t.Errorf("%d count as %v", n, Refusal(reason))
				}
			}
			// On loopback one may have gone before it could be looked at.
			for _, address := range []string{"127.0.0.1", "unknown"} {
				if n := log.with("a connection was refused", "address="+address); n > 1 {
					t.Errorf("%d lines of %s", n, address)
				}
			}
			eventually(t, "the log names the reason", func() bool { return log.with("reason="+tc.want.String()) > 0 })
		})
	}
}

func newKeys() (c wire.Cert, err error) {
	c.Public, c.Secret, err = zmq4.NewCurveKeypair()
	return c, err
}

// tryCurve connects again and again, as libzmq does.
func (r *rig) tryCurve(endpoint, server string, own wire.Cert) {
	r.t.Helper()
	for range 5 {
		r.secured(zmq4.DEALER, endpoint, &client.Security{Cert: own, Server: server})
	}
}

// Of one cause the first is logged, and after a minute the next, with the number
// of those between.
func TestSeldom(t *testing.T) {
	s, err := newLogLimiter()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Unix(1e9, 0)
	for _, step := range []struct {
		cause string
		after time.Duration
		left  int
		due   bool
	}{{"a", 0, 0, true}, {"a", 1, 0, false}, {"b", 2, 0, true}, {"a", 59, 0, false}, {"a", 60, 2, true}, {"b", 100, 0, true}, {"a", 119, 0, false}, {"a", 120, 1, true}} {
		if left, due := s.due(step.cause, start.Add(step.after*time.Second)); left != step.left || due != step.due {
			t.Errorf("%s after %d s: %d %v", step.cause, step.after, left, due)
		}
	}
}

// Of refused requests the log has one a minute for each caller and code, and none
// of what was only not there.
func TestRefusedRequests(t *testing.T) {
	log := &recorder{}
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) {
		c.Endpoints, c.Log = []string{"tcp://127.0.0.1:0"}, slog.New(slog.NewTextHandler(log, nil))
	})
	c := r.dial()
	for range 20 {
		r.say(c, wire.Forbidden, "STATUS")
		r.say(c, wire.UnknownVerb, "FROBNICATE", strings.Repeat("x", wire.MaxArgument))
		r.say(c, wire.NotFound, "HEARTBEAT", "nobody")
	}
	for code, want := range map[wire.Code]int{wire.Forbidden: 1, wire.UnknownVerb: 1, wire.NotFound: 0} {
		if n := log.with("code=" + code.String()); n != want {
			t.Errorf("%d lines of %d, want %d", n, code, want)
		}
	}
	if log.with("level=WARN", "code=403", "verb=STATUS") != 1 {
		t.Error("there is no warning of who asked for what it may not")
	}
	if n := log.with(strings.Repeat("x", maxLogged+1)); n != 0 {
		t.Error("a caller's words are logged at any length")
	}
}

// What the proxy would not answer is refused by the client itself, which goes on.
func TestTooLongForTheProxy(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	r.say(c, wire.Malformed, "HINT", "x", "prefer="+strings.Repeat("w", wire.MaxFrame+1))
	r.say(c, wire.OK, "PING")
}
