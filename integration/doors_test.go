package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// doorway is a proxy with a worker that listens and an operator, for tests that open doors.
type doorway struct {
	*proxy
	t        *testing.T
	sec      security
	ctx      *zmq.Context
	operator *client.Client
	pool     *client.Pool
}

// newDoorway starts one with the named workers, which answer by their names.
func newDoorway(t *testing.T, workers int, flags ...string) *doorway {
	t.Helper()
	d := &doorway{t: t, ctx: newContext(t), sec: newSecurity(t, "CURVE")}
	d.proxy, d.operator = startControlled(t, newNamed(t, d.ctx, d.sec, workers, 1), flags...)
	d.pool = d.operator.Pool("")
	return d
}

func (d *doorway) open(identity, endpoint string) string {
	d.t.Helper()
	info, err := d.pool.Door(d.t.Context(), identity, endpoint, time.Hour)
	must(d.t, err)
	return info.Endpoints[0]
}

// visitor is a CURVE client.
func (d *doorway) visitor(endpoint string) *socket {
	d.t.Helper()
	c := newClient(d.t, d.ctx, zmq.REQ, d.sec, "")
	must(d.t, c.Connect(endpoint))
	return c
}

// here are the states of an identity's clients, as CLIENTS tells them.
func (d *doorway) here(identity string) (states []string) {
	d.t.Helper()
	for c, err := range d.pool.Clients(d.t.Context(), client.Filter{}) {
		must(d.t, err)
		if c.Identity == identity {
			states = append(states, c.State)
		}
	}
	return states
}

func (d *doorway) awaits(identity string, states ...string) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("%s is %v", identity, states), func() bool { return slices.Equal(d.here(identity), states) })
}

// doorClients is a host full of CURVE clients in Python: each asks, and they stay until they are told to go.
const doorClients = `
import json, sys, zmq
server, *endpoints = sys.argv[1:]
context = zmq.Context()
sockets = []
for endpoint in endpoints:
    s = context.socket(zmq.REQ)
    s.linger, s.rcvtimeo = 0, 60000
    s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()
    s.curve_serverkey = server.encode()
    s.connect(endpoint)
    sockets.append(s)
for s in sockets: s.send(b"hello")
for s in sockets: s.recv()
print(json.dumps({"event": "ready"}), flush=True)
sys.stdin.readline()
context.destroy()
print(json.dumps({"event": "done"}), flush=True)
`

// TestDoorsThroughNAT: 20 CURVE clients of one address behind NAT have each the identity of its door, three times over and
// whatever their order; CLIENTS, EXPLAIN and, for the worker, WHOIS agree.
func TestDoorsThroughNAT(t *testing.T) {
	t.Parallel()
	const clients = 20
	router := newHost(t)
	inner := router.behind(t)
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	control := "ipc://" + filepath.Join(shortDir(t), "c")
	w := newWorker(t, ctx, zmq.ROUTER, sec)
	worker := w.listen(t, "tcp://127.0.0.1:*")
	startProxy(t, "--frontend", "tcp://"+router.near+":0", "--worker", "w="+worker, "--control", control, "--door-max", "32")
	w.serve(t, echo)
	operator := dialControl(t, control)
	var names, endpoints []string
	for i := range clients {
		name := fmt.Sprint("client", i)
		info, err := operator.Pool("").Door(t.Context(), name, "", time.Hour)
		must(t, err)
		names, endpoints = append(names, name), append(endpoints, info.Endpoints[0])
	}
	slices.Sort(names)
	for range 3 {
		rand.Shuffle(clients, func(i, j int) { endpoints[i], endpoints[j] = endpoints[j], endpoints[i] })
		command := inner.of(program{client: []string{"/usr/bin/python3", "-c", doorClients, sec.serverPublic}}).client
		all := startProcess(t, program{name: "pyzmq"}, command, endpoints...)
		all.hear(t, "ready")
		var here []string
		for p, err := range operator.Pool("").Pairs(t.Context(), client.Filter{State: "open"}) {
			must(t, err)
			here = append(here, p.Identity)
			if host, _, _ := strings.Cut(p.Client, ":"); host != router.far {
				t.Errorf("%s comes from %s, and not through NAT", p.Identity, p.Client)
			}
			x, err := operator.Pool("").Explain(t.Context(), p.Identity)
			must(t, err)
			if len(x.Clients) != 1 || x.Clients[0].Client != p.Client || x.Worker != "w" {
				t.Errorf("%s: %+v", p.Identity, x)
			}
		}
		if slices.Sort(here); !slices.Equal(here, names) {
			t.Fatalf("they are %q", here)
		}
		if known := whoIsAt(t, operator, worker); !slices.Equal(known, names) {
			t.Errorf("for the worker they are %q", known)
		}
		all.finish(t)
		eventually(t, "all have gone", func() bool {
			s, err := operator.Status(t.Context())
			must(t, err)
			return s.Pools[0].DoorClients == 0 && s.Pools[0].Doors == clients
		})
	}
}

// whoIsAt are the identities of those whose connections a worker has, as WHOIS tells it.
func whoIsAt(t *testing.T, c *client.Client, worker string) (names []string) {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(worker, "tcp://"))
	must(t, err)
	said, err := exec.Command("ss", "-tnH", "state", "established", "dport", "=", ":"+port).Output() // Recv-Q Send-Q Local Peer
	must(t, err)
	for line := range strings.Lines(string(said)) {
		known, err := c.Whois(t.Context(), strings.Fields(line)[2], "")
		must(t, err)
		names = append(names, known.Identity)
	}
	slices.Sort(names)
	return names
}

// TestDoorsAsTheFrontend: what holds for clients of the frontend holds for those who come through a door.
func TestDoorsAsTheFrontend(t *testing.T) {
	t.Run("the same worker again", func(t *testing.T) {
		d := newDoorway(t, 5, "--policy", "random")
		at := d.open("alice", "")
		first := ""
		for i := range 10 {
			c := d.visitor(at)
			if got := ask(t, c); i == 0 {
				first = got
			} else if got != first {
				t.Fatalf("alice has %s, and had %s", got, first)
			}
			c.close()
		}
	})
	t.Run("a lease that ends", func(t *testing.T) {
		d := newDoorway(t, 1, "--lease", "heartbeat", "--lease-ttl", "3s")
		ended := listenFor(t, d.operator, stream.TopicPairEnded)
		ask(t, d.visitor(d.open("alice", "")))
		e := <-ended
		if e.Identity != "alice" || e.Reason != "heartbeat-expired" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("pause and resume", func(t *testing.T) {
		d := newDoorway(t, 1)
		at := d.open("alice", "")
		before := d.visitor(at)
		ask(t, before)
		say(t, d.operator, nil, "PAUSE")
		late := d.visitor(d.open("bob", "")) // a door opens, and lets nobody in
		late.send(t, "who?")
		before.send(t, "who?")
		must(t, before.SetRcvtimeo(300*time.Millisecond))
		if _, err := before.RecvMessage(0); !timedOut(err) {
			t.Errorf("an answer comes in a pause: %v", err)
		}
		if got := d.here("bob"); got != nil {
			t.Errorf("bob is %q in a pause", got)
		}
		say(t, d.operator, nil, "RESUME")
		must(t, before.SetRcvtimeo(patience))
		before.recv(t)
		late.recv(t)
		d.awaits("alice", "open")
		d.awaits("bob", "open")
	})
	t.Run("a worker is drained", func(t *testing.T) {
		d := newDoorway(t, 2)
		at := d.open("alice", "")
		c := d.visitor(at)
		had := ask(t, c)
		say(t, d.operator, nil, "DRAIN", had)
		if got := ask(t, c); got != had {
			t.Errorf("alice is moved to %s", got)
		}
		c.close()
		if got := ask(t, d.visitor(at)); got == had {
			t.Error("alice comes to a worker that is drained")
		}
	})
	t.Run("the proxy drains", func(t *testing.T) {
		d := newDoorway(t, 1, "--drain-timeout", "1m")
		at := d.open("alice", "")
		c := d.visitor(at)
		ask(t, c)
		must(t, d.command.Process.Signal(syscall.SIGTERM))
		eventually(t, "the door is shut", func() bool { return !answers(strings.TrimPrefix(at, "tcp://")) })
		open, err := d.pool.Doors(t.Context())
		if must(t, err); len(open.Doors) != 0 {
			t.Errorf("%+v", open)
		}
		ask(t, c)
	})
	t.Run("no worker, and the ports are closed", func(t *testing.T) {
		d := newDoorway(t, 1, "--no-worker", "refuse", "--no-worker-wait", "0s")
		at := d.open("alice", "")
		say(t, d.operator, nil, "MAINT", "w0")
		eventually(t, "the door is closed", func() bool { return !answers(strings.TrimPrefix(at, "tcp://")) })
		other := d.open("bob", "")
		if answers(strings.TrimPrefix(other, "tcp://")) {
			t.Error("a new door is open without a worker")
		}
		say(t, d.operator, nil, "ENABLE", "w0")
		for _, at := range []string{at, other} {
			eventually(t, "the door is open again", func() bool { return answers(strings.TrimPrefix(at, "tcp://")) })
		}
		ask(t, d.visitor(other))
		d.awaits("bob", "open")
	})
	t.Run("a balancer's header", func(t *testing.T) {
		d := newDoorway(t, 1, "--accept-proxy", "127.0.0.1")
		at := d.open("alice", "")
		front := freeAddress(t)
		startHAProxy(t, "", fmt.Sprintf("\nlisten all\n    bind %s\n    server proxy %s send-proxy-v2\n", front, strings.TrimPrefix(at, "tcp://")))
		c := newClient(t, d.ctx, zmq.REQ, d.sec, "")
		must(t, c.Connect("tcp://127.0.1.7:0;"+front))
		ask(t, c)
		x, err := d.pool.Explain(t.Context(), "alice")
		must(t, err)
		if len(x.Clients) != 1 || !strings.HasPrefix(x.Clients[0].Client, "127.0.1.7:") || x.Balancer == nil {
			t.Errorf("%+v", x)
		}
	})
}

// TestDoorThatIsOver: when its time is up its client stays and keeps its identity; whoever comes is refused.
func TestDoorThatIsOver(t *testing.T) {
	d := newDoorway(t, 1, "--door-max", "1")
	at := d.open("alice", "")
	c := d.visitor(at)
	ask(t, c)
	if _, err := d.pool.Door(t.Context(), "bob", "", time.Minute); err == nil || !strings.Contains(err.Error(), "as many doors as there may be") {
		t.Errorf("%v", err)
	}
	_, err := d.pool.Door(t.Context(), "alice", "", 10*time.Millisecond) // from now
	must(t, err)
	eventually(t, "it is shut", func() bool {
		open, err := d.pool.Doors(t.Context())
		must(t, err)
		return len(open.Doors) == 0
	})
	if answers(strings.TrimPrefix(at, "tcp://")) {
		t.Error("it is open")
	}
	ask(t, c)
	d.awaits("alice", "open")
	ask(t, d.visitor(d.open("bob", "")))
	s, err := d.operator.Status(t.Context())
	must(t, err)
	if p := s.Pools[0]; p.Doors != 1 || p.DoorClients != 2 {
		t.Errorf("%+v", p)
	}
}

// TestDoorOfIPv6 lets in whom the frontend, which is IPv4's, would not see; a door is never a path.
func TestDoorOfIPv6(t *testing.T) {
	d := newDoorway(t, 1)
	at := d.open("alice", "tcp://[::1]:0")
	c := newClient(t, d.ctx, zmq.REQ, d.sec, "")
	must(t, c.SetIpv6(true))
	must(t, c.Connect(at))
	ask(t, c)
	d.awaits("alice", "open")
	_, err := d.pool.Door(t.Context(), "bob", "ipc://"+filepath.Join(shortDir(t), "d"), time.Minute)
	var refused *wire.Error
	if !errors.As(err, &refused) || refused.Code != wire.Malformed {
		t.Errorf("%v", err)
	}
}
