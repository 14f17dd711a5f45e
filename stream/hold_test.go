package stream

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
)

// storm is libzmq clients that connect again and again, as their back-off has them.
func storm(t *testing.T, clients int, endpoint string) {
	t.Helper()
	zctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	_ = zctx.SetMaxSockets(clients + 10)
	var all []*zmq.Socket
	t.Cleanup(func() {
		for _, s := range all {
			_ = s.Close()
		}
		_ = zctx.Term()
	})
	for range clients {
		s, err := zctx.NewSocket(zmq.DEALER)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		for _, err := range []error{
			s.SetLinger(0), s.SetReconnectIvl(100 * time.Millisecond),
			s.SetReconnectIvlMax(10 * time.Second), s.Connect(endpoint),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// refusedIn is how many clients were refused in a while, and how long that was on a machine that is busy.
func (r *rig) refusedIn(d time.Duration) (refused int, seconds float64) {
	before, begun := len(r.reasons()), time.Now()
	time.Sleep(d) // which is what is measured
	return len(r.reasons()) - before, time.Since(begun).Seconds()
}

// Five hundred clients of libzmq that are refused come back at most 60 times a second in
// all: 3,246 times without holding them.
func TestNoStormOfRefused(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		r := newRig(t, relay, func(c *Config) { c.Pairing.MaxClients = 1 })
		c := r.client()
		send(t, c, signature)
		eventually(t, "one is in", func() bool { return r.snapshot().Connections == 1 })
		f, _ := r.pool.Bound()
		storm(t, 500, f[0])
		eventually(t, "all were refused", func() bool { return len(r.reasons()) >= 500 })
		n, seconds := r.refusedIn(10 * time.Second)
		rate := float64(n) / seconds
		if t.Logf("%.0f clients a second were refused", rate); rate > 60 || n == 0 {
			t.Error("that is a storm, or nobody at all")
		}
		if s := r.snapshot(); s.Connections != 1 || s.Descriptors < 400 {
			t.Errorf("%d connections, with %d descriptors: who is held is no connection, and has a descriptor", s.Connections, s.Descriptors)
		}
		r.expectReasons(500, pairing.QueueFull)
	})
}

// Five hundred that are cut by a drain, or for want of a worker, find a closed port, and
// none of them comes to the pool again: 3,257 a second when the port stays open.
func TestNoStormAtAClosedPort(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"draining":  func(r *rig) { r.pool.Drain(time.Hour) },
		"no worker": func(r *rig) { r.onLoop(func(l *loop) { l.cfg.RefuseWithoutWorker, l.cfg.NoWorkerWait = true, 0 }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *Config) { c.Pairing.QueueMax = 500 })
			f, _ := r.pool.Bound()
			storm(t, 500, f[0])
			eventually(t, "all wait", func() bool { return r.snapshot().Stats.Waiting == 500 })
			if name == "draining" {
				send(t, r.worker(), signature) // which has one of them
				eventually(t, "one is paired", func() bool { return r.snapshot().Stats.Waiting == 499 })
			}
			end(r)
			eventually(t, "all have ended", func() bool { return len(r.reasons()) >= 499 })
			before := len(r.reasons())
			failed := attemptsFailed(t)
			const seconds = 3
			time.Sleep(seconds * time.Second) // which is what is measured
			t.Logf("%d connects a second failed on this machine", (attemptsFailed(t)-failed)/seconds)
			if n := len(r.reasons()) - before; n > 10 {
				t.Errorf("%d came again in %d s", n, seconds)
			}
		})
	}
}

// attemptsFailed is how many connects of this machine's (or namespace's) have failed, by the kernel's count.
func attemptsFailed(t *testing.T) (n int) {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != "Tcp:":
		case names == nil:
			names = fields
		default:
			n, _ = strconv.Atoi(fields[slices.Index(names, "AttemptFails")])
		}
	}
	return n
}

// A client that comes back without a pause does so at most five times a second, whatever it is refused for.
func TestOneThatDoesNotPause(t *testing.T) {
	for name, says := range map[string]string{
		"no room in the queue": string(signature),
		"HTTP":                 "GET / HTTP/1.0\r\n\r\n",
		"a PROXY header":       "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			onBothRelays(t, func(t *testing.T, relay func(*Config)) {
				t.Parallel()
				r := newRig(t, relay, func(c *Config) { c.Pairing.QueueMax = 0 })
				if n := r.attempts(t, says, 5*time.Second); n > 25 {
					t.Errorf("it came %d times in 5 s", n)
				}
			})
		})
	}
}

// attempts is how often somebody is turned away in a while who comes back at once.
func (r *rig) attempts(t *testing.T, says string, within time.Duration) (n int) {
	f, _ := r.pool.Bound()
	ep, _ := ParseEndpoint(f[0])
	for end := time.Now().Add(within); time.Now().Before(end); n++ {
		c, err := net.Dial("tcp", ep.HostPort())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(says))
		_ = c.SetReadDeadline(end)
		_, _ = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	return n
}

// A pool that drains does not listen any more, and what is paired goes on; libzmq's
// clients back off.
func TestDrainingDoesNotListen(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		r := newRig(t, relay)
		client, worker := r.pair()
		f, b := r.pool.Bound()
		r.pool.Drain(time.Hour)
		for _, e := range []string{f[0], b[0]} {
			ep, _ := ParseEndpoint(e)
			eventually(t, "nobody listens", func() bool {
				c, err := net.Dial("tcp", ep.HostPort())
				if err == nil {
					_ = c.Close()
				}
				return err != nil
			})
		}
		send(t, client, []byte("on"))
		expect(t, worker, []byte("on"))
		send(t, worker, []byte("back"))
		expect(t, client, []byte("back"))
	})
}

// Those that are held are the first to go when there are too many of them, and all go
// when descriptors are scarce.
func TestHeldMakeWay(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Pairing.QueueMax = 0 })
	r.onLoop(func(l *loop) { l.ctx.limit = 80 }) // of which ten may be held
	refuse := func() net.Conn {
		before := len(r.reasons())
		c := r.client()
		send(t, c, signature)
		eventually(t, "one more is refused", func() bool { return len(r.reasons()) > before })
		return c
	}
	var all []net.Conn
	for range 15 {
		all = append(all, refuse())
	}
	r.onLoop(func(l *loop) {
		if n := l.snapshot().Held; n == 0 || n > 10 || n != len(l.held.heap) {
			t.Errorf("%d are held, want 10 at most", n)
		}
		l.ctx.limit = 5
	})
	_ = refuse()
	for _, c := range all {
		expectEnd(t, c)
	}
	r.onLoop(func(l *loop) {
		if n := len(l.held.heap); n > 0 || l.ctx.held.Load() != 0 {
			t.Errorf("%d are held, and counted are %d", n, l.ctx.held.Load())
		}
	})
}
