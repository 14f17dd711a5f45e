package integration

import (
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// revision is how peers of before ZMTP 3 speak (specs 13/ZMTP and 15/ZMTP), whose libraries are hard to come by.
type revision struct {
	name  string
	hello func(kind byte) []byte              // the greeting of a REQ (3) or REP (4) without an identity
	heard func(kind byte) []byte              // and what libzmq says to such a peer, as the other kind
	frame func(more byte, body string) []byte // of a message
}

func revisions() []revision {
	return []revision{
		{
			"1.0",
			func(byte) []byte { return []byte{1, 0} },
			func(byte) []byte { return signature() }, // an empty identity, whose length is written in nine bytes
			func(more byte, body string) []byte { return append([]byte{byte(len(body) + 1), more}, body...) },
		},
		{
			"2.0",
			func(kind byte) []byte { return append(signature(), 1, kind, 0, 0) },
			func(kind byte) []byte { return append(signature(), 3, kind, 0, 0) }, // it says its own revision before it has heard the peer's
			func(more byte, body string) []byte { return append([]byte{more, byte(len(body))}, body...) },
		},
	}
}

const typeREQ, typeREP = 3, 4 // in greetings of 2.0

// TestOldRevisions has clients and workers that speak ZMTP 1.0 and 2.0 exchange messages with libzmq by every way, one
// after another on one connection, and the next client after them.
func TestOldRevisions(t *testing.T) {
	for _, r := range revisions() {
		for _, w := range everyWay() {
			t.Run(r.name+"/client/"+w.name, func(t *testing.T) {
				t.Parallel()
				oldClients(t, r, w)
			})
			t.Run(r.name+"/worker/"+w.name, func(t *testing.T) {
				t.Parallel()
				oldWorker(t, r, w)
			})
		}
	}
}

func oldClients(t *testing.T, r revision, w way) {
	served := newWorker(t, newContext(t), zmq.REP, newSecurity(t, "NULL"))
	at := w.open(t, "tcp", []worker{served})
	served.serve(t, echo)
	for range 2 {
		c := dialRaw(t, at)
		c.send(t, r.hello(typeREQ))
		c.expect(t, r.heard(typeREP))
		for _, body := range []string{"one", "", "three"} {
			c.send(t, r.frame(1, ""), r.frame(1, body), r.frame(0, "end"))
			c.expect(t, r.frame(1, ""), r.frame(1, body), r.frame(0, "end"))
		}
		must(t, c.Close())
	}
}

func oldWorker(t *testing.T, r revision, w way) {
	served := &rawWorker{}
	client := newClient(t, newContext(t), zmq.REQ, newSecurity(t, "NULL"), "")
	must(t, client.Connect(w.open(t, "tcp", []worker{served})))
	client.send(t, "one", "end")
	peer := served.peer(t)
	peer.send(t, r.hello(typeREP))
	peer.expect(t, r.heard(typeREQ))
	for _, body := range []string{"one", "", "three"} {
		if body != "one" { // which was sent before the worker was there
			client.send(t, body, "end")
		}
		peer.expect(t, r.frame(1, ""), r.frame(1, body), r.frame(0, "end"))
		peer.send(t, r.frame(1, ""), r.frame(0, body+"!"))
		if got := client.recv(t); len(got) != 1 || got[0] != body+"!" {
			t.Fatalf("the reply to %q is %q", body, got)
		}
	}
}
