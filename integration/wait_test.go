package integration

import (
	"fmt"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// aMinute is longer than ZMQ_HANDSHAKE_IVL (30 s), at which a libzmq peer that has not finished its handshake closes its
// own connection and dials again: who waits longer than that is somebody else's connection by then.
const aMinute = 61 * time.Second

// TestWaitingAMinute has a client wait for a worker for a minute, through its own redial and the queue's timeout, and
// beside it workers that dialled in wait for a client, through their own redial and the slots' recycling.
func TestWaitingAMinute(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
	patient := newClient(t, ctx, zmq.REQ, sec, "patient")
	must(t, patient.Connect(p.frontend[0]))
	patient.send(t, "anybody?")
	endpoints := map[string]string{}
	for _, kind := range []zmq.Type{zmq.DEALER, zmq.REP} {
		served := newWorker(t, ctx, kind, sec)
		endpoints[kind.String()] = dialling().open(t, "tcp", []worker{served})
		served.serve(t, echo)
	}
	time.Sleep(aMinute) // not for luck: the waiting is what is tested
	t.Run("client", func(t *testing.T) {
		served := newWorker(t, ctx, zmq.REP, sec)
		served.dialIn(t, p.backend[0])
		served.serve(t, echo)
		if got := patient.recv(t); got[0] != "anybody?" {
			t.Errorf("got %q", got)
		}
	})
	for kind, endpoint := range endpoints {
		t.Run("slot/"+kind, func(t *testing.T) {
			client := newClient(t, ctx, zmq.DEALER, sec, "late")
			must(t, client.Connect(endpoint))
			for i := range 10 {
				client.send(t, "", fmt.Sprint(i))
				if got := client.recv(t); got[1] != fmt.Sprint(i) {
					t.Errorf("got %q", got)
				}
			}
		})
	}
}

// TestFiftySlots has a worker with fifty slots serve fifty clients at once; the next waits until one of them leaves.
func TestFiftySlots(t *testing.T) {
	const slots = 50
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	served := newWorker(t, ctx, zmq.ROUTER, sec)
	served.slots = slots
	endpoint := dialling().open(t, "tcp", []worker{served})
	served.serve(t, echo)
	clients := make([]*socket, slots)
	for i := range clients {
		clients[i] = newClient(t, ctx, zmq.REQ, sec, fmt.Sprintf("client-%d", i))
		must(t, clients[i].Connect(endpoint))
		clients[i].send(t, "hello")
	}
	for _, c := range clients {
		c.recv(t)
	}
	next := newClient(t, ctx, zmq.REQ, sec, "next")
	must(t, next.Connect(endpoint))
	next.send(t, "and me?")
	must(t, next.SetRcvtimeo(500*time.Millisecond))
	if m, err := next.RecvMessage(0); err == nil {
		t.Fatalf("the client beyond the slots got %q", m)
	}
	clients[17].close()
	must(t, next.SetRcvtimeo(patience))
	if got := next.recv(t); got[0] != "and me?" {
		t.Errorf("got %q", got)
	}
	for i, c := range clients {
		if i == 17 {
			continue
		}
		c.send(t, "still here?")
		if got := c.recv(t); got[0] != "still here?" {
			t.Errorf("client %d got %q", i, got)
		}
	}
}
