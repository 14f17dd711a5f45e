package integration

import (
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
)

// TestStickyUnderLoad has a CURVE client that says HELLO for itself come back a hundred times among five workers, while
// others talk all the time and come and go: it has its worker each time. When that one goes down it has its first fallback,
// when that one goes, too, the second, and when its worker is back it has that again on its next connection.
func TestStickyUnderLoad(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 5, 1)
	p, operator := startControlled(t, ws, "--policy", "round-robin", "--control", "tcp://127.0.0.1:0", "--access-log=false")
	peer := dialControl(t, p.controls(t)[1])
	// From another address, because HELLO is about the next connection from the caller's own.
	all := &crowd{ctx: ctx, sec: sec, endpoint: "tcp://127.0.0.9:0;" + strings.TrimPrefix(p.frontend[0], "tcp://")}
	for _, at := range []string{"w0", "w4", "w0", "w4", "w0", "w4"} { // those that stay up
		say(t, operator, nil, "HINT", "load", "address=127.0.0.9", "prefer="+at)
		all.join(t, 1)
	}
	visit := func(want string) {
		t.Helper()
		hello := client.Hello{Identity: "ann", Prefer: []string{"w2", "w3", "w1"}}
		if _, err := peer.Hello(t.Context(), hello); err != nil {
			t.Fatal(err)
		}
		s := newClient(t, ctx, zmq.REQ, sec, "")
		defer s.close()
		must(t, s.Connect(p.frontend[0]))
		if got := ask(t, s); got != want {
			t.Fatalf("the client has %s, want %s", got, want)
		}
	}
	others := all.welcome(t)
	for range 100 {
		visit("w2")
	}
	others.stop() // one of them might be where a worker goes down
	down := func(name string) {
		ws.stop[name]()
		ws.gone(name)
	}
	down("w2")
	visit("w3")
	visit("w3")
	down("w3")
	visit("w1")
	visit("w1")
	ws.restart(2)
	eventually(t, "the proxy has found out that w2 is back", func() bool {
		var page struct{ Workers []struct{ State string } }
		say(t, operator, &page, "WORKERS", "worker=w2")
		return page.Workers[0].State == "ready"
	})
	visit("w2")
	all.expectAll(t)
}
