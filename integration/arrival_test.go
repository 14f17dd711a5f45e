package integration

import (
	"fmt"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// TestR2TwoStreamSockets finds a frontend and a backend, each its own endpoint, that say nothing of themselves: every
// other kind of ZeroMQ socket would greet who connects. What a peer hears first is its partner.
func TestR2TwoStreamSockets(t *testing.T) {
	p := openPool(t, func(*stream.Config) {})
	if p.frontend == p.backend || p.frontend == "" || p.backend == "" {
		t.Fatalf("frontend %q and backend %q", p.frontend, p.backend)
	}
	client, served := dialRaw(t, p.frontend), dialRaw(t, p.backend)
	client.expectSilence(t)
	served.expectSilence(t)
	client.send(t, signature())
	client.expectSilence(t) // no partner has spoken yet
	served.send(t, signature())
	client.expect(t, signature())
	served.expect(t, signature())
}

// TestR3Lists sees clients and workers in the lists as they connect and gone from them as they leave, and finds the
// identities in what is said of each at its end.
func TestR3Lists(t *testing.T) {
	p := openPool(t, func(*stream.Config) {})
	served := dialRaw(t, p.backend)
	served.send(t, signature())
	eventually(t, "the worker is a slot", func() bool { return p.counts(t).slots == 1 })
	if w := p.snapshot(t).Workers; len(w) != 1 || w[0].Slots != 1 {
		t.Fatalf("the workers are %+v", w)
	}

	clients := map[string]*rawPeer{}
	for i, name := range []string{"ann", "bob"} {
		client := dialRaw(t, p.frontend)
		clients[name] = client
		must(t, p.Hint(t.Context(), pairing.Hint{Identity: name, Endpoint: client.LocalAddr().String()}))
		client.send(t, signature())
		eventually(t, "the client is seen", func() bool { return p.counts(t).clients == i+1 })
		if i == 0 {
			client.expect(t, signature())
			served.expect(t, signature())
			shakeHands(t, client, served)
			continue
		}
		eventually(t, "a second client waits", func() bool { return p.counts(t).waiting == 1 })
		client.Close()
		eventually(t, "it has gone", func() bool { return p.counts(t).clients == 1 })
	}
	eventually(t, "the pair is open", func() bool { return p.counts(t).open == 1 })
	served.Close()
	clients["ann"].expectEnd(t)
	clients["ann"].Close()
	eventually(t, "everybody has gone", func() bool { c := p.counts(t); return c == counts{} })

	ended := p.accesses()
	if len(ended) != 2 {
		t.Fatalf("%d clients have ended, want 2", len(ended))
	}
	if a := ended[0]; a.Identity != "bob" || a.Paired || a.Reason.String() != "client-closed" {
		t.Errorf("the client that waited: %+v", a.Record)
	}
	if a := ended[1]; a.Identity != "ann" || !a.Opened || a.Mechanism != "NULL" || a.Worker == "" {
		t.Errorf("the client that was served: %+v, mechanism %q", a.Record, a.Mechanism)
	}
}

// TestR4ClientsWaitForAWorker has clients come before any worker: they are seen to wait, those that give up are let go,
// and the others are served as workers come, longest waiting first.
func TestR4ClientsWaitForAWorker(t *testing.T) {
	p := openPool(t, func(*stream.Config) {})
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	clients := make([]*socket, 3)
	for i := range clients {
		clients[i] = newClient(t, ctx, zmq.REQ, sec, fmt.Sprintf("client-%d", i))
		must(t, clients[i].Connect(p.frontend))
		clients[i].send(t, "anybody?")
		eventually(t, "the client waits", func() bool { return p.counts(t).waiting == i+1 })
	}
	clients[1].close()
	eventually(t, "who gave up is not waiting any more", func() bool { return p.counts(t).waiting == 2 })
	if ended := p.accesses(); len(ended) != 1 || ended[0].Reason.String() != "client-closed" || ended[0].Paired {
		t.Fatalf("who gave up: %+v", ended)
	}

	for _, i := range []int{0, 2} {
		served := newWorker(t, ctx, zmq.ROUTER, sec)
		served.dialIn(t, p.backend)
		request := served.recv(t)
		if want := fmt.Sprintf("client-%d", i); request[0] != want {
			t.Fatalf("the next that is served is %s, want %s", request[0], want)
		}
		served.send(t, request[0], "", "here")
		if got := clients[i].recv(t); got[0] != "here" {
			t.Errorf("client %d got %q", i, got)
		}
	}
}

// TestR5SignatureIsHeld has a worker dial in and show its signature with nobody there: it is stored, the worker hears
// nothing, and the client that comes later gets it.
func TestR5SignatureIsHeld(t *testing.T) {
	p := openPool(t, func(*stream.Config) {})
	served := dialRaw(t, p.backend)
	for _, b := range signature() { // in the smallest pieces
		served.send(t, []byte{b})
	}
	eventually(t, "the worker is a slot", func() bool { return p.counts(t).slots == 1 })
	served.expectSilence(t)

	client := dialRaw(t, p.frontend)
	client.expectSilence(t)
	if c := p.counts(t); c.slots != 1 {
		t.Fatalf("a client that has shown no signature took the worker: %+v", c)
	}
	client.send(t, signature())
	client.expect(t, signature())
	served.expect(t, signature())
}
