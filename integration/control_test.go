package integration

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
)

// startControlled is a proxy with listening workers and a control socket, and a client of that.
func startControlled(t *testing.T, ws *named, flags ...string) (*proxy, *client.Client) {
	t.Helper()
	at := "ipc://" + filepath.Join(shortDir(t), "c")
	flags = append([]string{"--frontend", "tcp://127.0.0.1:0", "--control", at}, flags...)
	for _, c := range ws.configs() {
		flags = append(flags, "--worker", c.Name+"="+c.Endpoint)
	}
	p := startProxy(t, flags...)
	ws.serve()
	return p, dialControl(t, at)
}

// say sends a request that must be done or accepted, and reads what the reply has to say.
func say(t *testing.T, c *client.Client, body any, verb string, args ...string) {
	t.Helper()
	r, err := c.Do(t.Context(), verb, args...)
	if err != nil {
		t.Fatalf("%s %q: %v", verb, args, err)
	}
	if body != nil {
		must(t, json.Unmarshal(r.Body, body))
	}
}

// TestR12IdentityByTheControlSocket has a CURVE client come back a hundred times among five workers while others come and go: by
// what was said of it through the control socket it has its worker each time, its fallbacks when that one is not there, and its
// worker again when it is back.
func TestR12IdentityByTheControlSocket(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 5, 1)
	p, c := startControlled(t, ws, "--policy", "round-robin")
	var load sync.WaitGroup
	stop := make(chan struct{})
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s, err := ctx.NewSocket(zmq.REQ)
			if err != nil {
				t.Error(err)
				return
			}
			other := &socket{Socket: s}
			sec.asClient(t, s)
			if err := s.Connect("tcp://127.0.0.9:0;" + strings.TrimPrefix(p.frontend[0], "tcp://")); err == nil {
				_, _ = s.SendMessage("who?")
				_ = s.SetRcvtimeo(50 * time.Millisecond)
				_, _ = s.RecvMessage(0)
			}
			_ = s.SetLinger(0)
			other.close()
		}
	})
	defer func() { close(stop); load.Wait() }()
	visit := func() string {
		t.Helper()
		s := newClient(t, ctx, zmq.REQ, sec, "")
		defer s.close()
		say(t, c, nil, "HINT", "ann", "address=127.0.0.1", "prefer=w2,w3,w1")
		must(t, s.Connect(p.frontend[0]))
		return ask(t, s)
	}
	for i := range 100 {
		if got := visit(); got != "w2" {
			t.Fatalf("visit %d: the client has %s, want w2", i, got)
		}
	}
	say(t, c, nil, "DRAIN", "w2")
	if got := visit(); got != "w3" {
		t.Errorf("w2 drains, and the client has %s", got)
	}
	say(t, c, nil, "DRAIN", "w3")
	if got := visit(); got != "w1" {
		t.Errorf("w2 and w3 drain, and the client has %s", got)
	}
	say(t, c, nil, "ENABLE", "w2")
	if got := visit(); got != "w2" {
		t.Errorf("w2 is back, and the client has %s", got)
	}
}

// TestR15Heartbeat ends the client that said HELLO and falls silent, and leaves those alone that go on, or never said it.
func TestR15Heartbeat(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 1, 1)
	p, c := startControlled(t, ws, "--lease", "heartbeat", "--lease-ttl", "4s") // a busy machine has the other beat late
	clients := map[string]*socket{}
	for _, who := range []string{"silent", "kept", ""} {
		if who != "" {
			say(t, c, nil, "HINT", who, "address=127.0.0.1")
		}
		clients[who] = newClient(t, ctx, zmq.REQ, sec, "")
		must(t, clients[who].SetReconnectIvl(-1))
		must(t, clients[who].Connect(p.frontend[0]))
		ask(t, clients[who])
	}
	eventually(t, "the silent one is ended", func() bool {
		say(t, c, nil, "HEARTBEAT", "kept")
		return len(endedOf(p)) == 1
	})
	if one := endedOf(p)[0]; one["reason"] != "heartbeat-expired" || one["identity"] != "silent" {
		t.Errorf("%v", one)
	}
	ask(t, clients["kept"])
	ask(t, clients[""])
	var page struct{ Clients []struct{ Identity string } }
	say(t, c, &page, "CLIENTS")
	if len(page.Clients) != 2 {
		t.Errorf("%+v", page)
	}
}

// TestR16Operated drains a worker under load, adds one and takes one out, and counts replies: none is lost.
func TestR16Operated(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 3, 1)
	p, c := startControlled(t, ws)
	const n = 12
	clients := make([]*socket, n)
	for i := range clients {
		clients[i] = newClient(t, ctx, zmq.REQ, sec, "")
		must(t, clients[i].Connect(p.frontend[0]))
		ask(t, clients[i])
	}
	round := func() {
		t.Helper()
		for _, s := range clients {
			s.send(t, "who?")
		}
		for _, s := range clients {
			s.recv(t)
		}
	}
	count := func(worker string) int {
		var page struct{ Pairs []struct{ State string } }
		say(t, c, &page, "PAIRS", "worker="+worker)
		return len(page.Pairs)
	}
	before := count("w1")
	say(t, c, nil, "DRAIN", "w1")
	round()
	say(t, c, nil, "WEIGHT", "w2", "9")
	say(t, c, nil, "REMOVE", "w0")
	round()
	for range 6 {
		s := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, s.Connect(p.frontend[0]))
		if got := ask(t, s); got != "w2" {
			t.Errorf("a new client has %s", got)
		}
	}
	round()
	if after := count("w1"); after != before || before == 0 {
		t.Errorf("w1 had %d pairs and has %d", before, after)
	}
	say(t, c, nil, "MAINT", "w1")
	eventually(t, "w1 is empty", func() bool { return count("w1") == 0 })
	for i := range endedOf(p) {
		if got := fmt.Sprint(endedOf(p)[i]["reason"]); got != "drained" {
			t.Errorf("a client ended with %s", got)
		}
	}
}

// endedOf returns the access log's records so far: one for each client that has ended.
func endedOf(p *proxy) (records []map[string]any) {
	for line := range strings.Lines(p.said()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil && record["msg"] == "client ended" {
			records = append(records, record)
		}
	}
	return records
}
