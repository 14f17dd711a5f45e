package integration

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// named are workers that answer every request with their name and the request.
type named struct {
	t         testing.TB
	ctx       *zmq.Context
	sec       security
	sockets   []*socketWorker
	endpoints []string // of those that listen
	stop      map[string]func()
}

// newNamed makes workers called w0, w1 and so on, each with this many slots if it is to dial in.
func newNamed(t testing.TB, ctx *zmq.Context, sec security, n, slots int) *named {
	t.Helper()
	ws := &named{t: t, ctx: ctx, sec: sec, stop: map[string]func(){}}
	for i := range n {
		w := newWorker(t, ctx, zmq.REP, sec)
		w.slots, w.from = slots, fmt.Sprintf("127.0.0.%d", 11+i)
		ws.sockets = append(ws.sockets, w)
	}
	return ws
}

func (ws *named) workers() (list []worker) {
	for _, w := range ws.sockets {
		list = append(list, w)
	}
	return list
}

// openAll is the way's open, and returns when every worker that dials in is there with all its slots.
func (ws *named) openAll(w way, flags ...string) (endpoint string) {
	ws.t.Helper()
	if w.name != dialling().name {
		return w.open(ws.t, "tcp", ws.workers(), flags...)
	}
	p := startOperated(ws.t, append(flags, "--frontend", wildcard(ws.t, "tcp"), "--backend", wildcard(ws.t, "tcp"))...)
	slots := 0
	for _, one := range ws.sockets {
		one.dialIn(ws.t, p.backend[0])
		slots += one.slots
	}
	eventually(ws.t, "all slots are there", func() bool { return p.slots(ws.t) == slots })
	return p.frontend[0]
}

// serve starts them, once each is in its place.
func (ws *named) serve() {
	for i := range ws.sockets {
		ws.start(i)
	}
}

func (ws *named) start(i int) {
	name := fmt.Sprintf("w%d", i)
	ws.stop[name] = ws.sockets[i].serve(ws.t, func(m frames) frames { return append(frames{[]byte(name)}, m...) })
}

// gone waits until nobody listens any more where a worker that was stopped did: a socket that closes lets its listener go
// some time later, and what a client asks it meanwhile is lost.
func (ws *named) gone(name string) {
	ws.t.Helper()
	i, err := strconv.Atoi(strings.TrimPrefix(name, "w"))
	must(ws.t, err)
	eventually(ws.t, name+" no longer listens", func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(ws.endpoints[i], "tcp://"))
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

// restart has a worker that listened and was stopped listen again where it did.
func (ws *named) restart(i int) {
	ws.t.Helper()
	w := newWorker(ws.t, ws.ctx, zmq.REP, ws.sec)
	eventually(ws.t, "its port is free again", func() bool { return w.Bind(ws.endpoints[i]) == nil })
	ws.sockets[i] = w
	ws.start(i)
}

// ask returns the name of the worker that a client has.
func ask(t testing.TB, client *socket) string {
	t.Helper()
	client.send(t, "who?")
	return client.recv(t)[0]
}

// TestR6Sticky has clients talk for a while, all at the same time: each has the same worker all the time.
func TestR6Sticky(t *testing.T) {
	for _, w := range throughProxy() {
		t.Run(w.name, func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			ws := newNamed(t, ctx, sec, 3, 4)
			endpoint := w.open(t, "tcp", ws.workers(), "--policy", "random")
			ws.serve()
			clients := make([]*socket, 9)
			has := make([]string, len(clients))
			for i := range clients {
				clients[i] = newClient(t, ctx, zmq.REQ, sec, "")
				must(t, clients[i].Connect(endpoint))
				has[i] = ask(t, clients[i])
			}
			for range 20 {
				for _, c := range clients {
					c.send(t, "who?")
				}
				for i, c := range clients {
					if got := c.recv(t)[0]; got != has[i] {
						t.Fatalf("client %d had %s and now has %s", i, has[i], got)
					}
				}
			}
		})
	}
}

// TestR7LoadBalanced deals nine clients out to three workers: evenly by the policies that promise so, and to workers that
// are there by the others. A worker that dials in is known by the address it comes from.
func TestR7LoadBalanced(t *testing.T) {
	for _, w := range throughProxy() {
		for _, policy := range []string{"least-connections", "round-robin", "random", "power-of-two"} {
			t.Run(w.name+"/"+policy, func(t *testing.T) {
				ctx := newContext(t)
				sec := newSecurity(t, "NULL")
				ws := newNamed(t, ctx, sec, 3, 9)
				endpoint := ws.openAll(w, "--policy", policy)
				ws.serve()
				at := map[string]int{}
				for range 9 {
					c := newClient(t, ctx, zmq.REQ, sec, "")
					must(t, c.Connect(endpoint))
					at[ask(t, c)]++
				}
				even := policy == "least-connections" || policy == "round-robin"
				if even && !maps.Equal(at, map[string]int{"w0": 3, "w1": 3, "w2": 3}) {
					t.Errorf("nine clients are at %v", at)
				}
			})
		}
	}
}

// TestR7LeastLoaded fills three workers evenly, empties one, and sees the next clients go there.
func TestR7LeastLoaded(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 3, 1)
	p := openPool(t, func(c *stream.Config) { c.Workers = ws.configs() })
	ws.serve()
	at := map[string][]*socket{}
	join := func() string {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend))
		name := ask(t, c)
		at[name] = append(at[name], c)
		return name
	}
	for range 9 {
		join()
	}
	for name, clients := range at {
		if len(clients) != 3 {
			t.Errorf("%s has %d of nine clients", name, len(clients))
		}
	}
	for _, c := range at["w1"] {
		c.close()
	}
	eventually(t, "w1 is idle", func() bool { return p.counts(t).clients == 6 && p.counts(t).draining == 0 })
	for range 3 {
		if name := join(); name != "w1" {
			t.Errorf("a client went to %s while w1 was idle", name)
		}
	}
}

// configs has the workers listen and names them for a pool.
func (ws *named) configs() (list []pairing.WorkerConfig) {
	for i, w := range ws.sockets {
		ws.endpoints = append(ws.endpoints, w.listen(ws.t, "tcp://127.0.0.1:*"))
		list = append(list, pairing.WorkerConfig{Name: fmt.Sprintf("w%d", i), Endpoint: ws.endpoints[i]})
	}
	return list
}

// TestR8SameWorkerWithFallbacks names a client and the workers that it prefers: it has the first on every connection,
// and when that one is not there the next of its list, whatever the policy would choose.
func TestR8SameWorkerWithFallbacks(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 4, 1)
	p := openPool(t, func(c *stream.Config) {
		c.Workers = ws.configs()
		c.Pairing.Policy = pairing.RoundRobin
	})
	ws.serve()
	visit := func() string {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, p.Hint(t.Context(), pairing.Hint{Identity: "ann", Address: "127.0.0.1", Prefer: []string{"w2", "w3", "w1"}}))
		must(t, c.Connect(p.frontend))
		defer c.close()
		return ask(t, c)
	}
	for range 3 {
		if got := visit(); got != "w2" {
			t.Fatalf("the client has %s, want w2", got)
		}
	}
	for _, next := range []struct{ stop, want string }{{"w2", "w3"}, {"w3", "w1"}, {"w1", "w0"}} {
		ws.stop[next.stop]()
		ws.gone(next.stop)
		for range 2 {
			if got := visit(); got != next.want {
				t.Fatalf("%s has gone and the client has %s, want %s", next.stop, got, next.want)
			}
		}
	}
}

// TestR8HintIsHeldAgain has a named client's first worker leave in the middle of their handshake: libzmq connects again
// without a word to the application, and the client has its name and its fallback still.
func TestR8HintIsHeldAgain(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 3, 1)
	leaves, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer leaves.Close()
	p := openPool(t, func(c *stream.Config) {
		c.Workers = append(ws.configs(), pairing.WorkerConfig{Name: "leaves", Endpoint: "tcp://" + leaves.Addr().String()})
		c.Pairing.Policy = pairing.RoundRobin
	})
	ws.serve()
	left := make(chan error, 1)
	go func() {
		c, err := leaves.Accept()
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, 10)) // the client's signature
			leaves.Close()
			c.Close()
		}
		left <- err
	}()
	must(t, p.Hint(t.Context(), pairing.Hint{Identity: "ann", Address: "127.0.0.1", Prefer: []string{"leaves", "w2"}}))
	c := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, c.Connect(p.frontend))
	if got := ask(t, c); got != "w2" {
		t.Errorf("the client has %s, want its fallback w2", got)
	}
	must(t, <-left)
	eventually(t, "the first pair has ended", func() bool { return len(p.accesses()) == 1 })
	if first := p.accesses()[0]; first.Worker != "leaves" || first.Opened || first.Identity != "ann" {
		t.Errorf("the client came first to %+v", first.Record)
	}
}

// TestR8Affinity has clients without a list come back: by their address they have the worker that they had before.
func TestR8Affinity(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 4, 1)
	p := openPool(t, func(c *stream.Config) {
		c.Workers = ws.configs()
		c.Pairing.Policy = pairing.RoundRobin
		c.Pairing.AffinityBySource = true
	})
	ws.serve()
	var had []string
	for range 4 {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend))
		had = append(had, ask(t, c))
		c.close()
	}
	if len(slices.Compact(had)) != 1 {
		t.Errorf("one address had the workers %v", had)
	}
}
