package integration

import (
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// withheldFor is how long the proxy keeps a client's READY from a worker that dialled in and has not said its own.
const withheldFor = 3 * time.Second

// TestWorkerThatHearsFirst: a worker that says READY only behind the client's has each client wait for it, the first for
// as long as the proxy waits for a worker's word, and the others hardly.
func TestWorkerThatHearsFirst(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
	whole, said := greeting("NULL", 0), ready("DEALER")
	hardly := 0 // how many have hardly waited: two others of a few, since a busy machine may be late
	for i := 0; i < 8 && hardly < 2; i++ {
		served := dialRaw(t, p.backend[0])
		served.send(t, whole)
		client := dialRaw(t, p.frontend[0])
		begun := time.Now()
		client.send(t, whole, said)
		served.expect(t, whole, said)
		took := time.Since(begun)
		served.send(t, said)
		client.expect(t, whole, said)
		t.Logf("client %d: its READY is there after %v", i, took)
		if i == 0 && took < withheldFor*2/3 { // the time begins with the turn of the loop in which it came
			t.Errorf("the first client waited for %v", took)
		}
		if i > 0 && took < withheldFor/2 {
			hardly++
		}
		client.Close()
		served.expectEnd(t)
	}
	if hardly < 2 {
		t.Errorf("of the others %d have hardly waited", hardly)
	}
}

// TestSlowClientIsGuarded: a client that takes its time before it says what is wrong with it costs the worker nothing.
func TestSlowClientIsGuarded(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "NULL")
	served := newWorker(t, ctx, zmq.REP, sec)
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
	served.dialIn(t, p.backend[0])
	served.serve(t, echo)
	bad := dialRaw(t, p.frontend[0])
	bad.send(t, signature())
	bad.expect(t, signature())
	time.Sleep(withheldFor + 500*time.Millisecond) // longer than a worker is waited for
	bad.send(t, greeting("NULL", 0)[10:], ready("PULL"))
	good := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, good.Connect(p.frontend[0]))
	good.send(t, "hello")
	good.recv(t)
}
