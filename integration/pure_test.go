package integration

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	pure "github.com/go-zeromq/zmq4"
	zmq "github.com/pebbe/zmq4"
)

// pureWorker is a worker of go-zeromq/zmq4, an implementation of ZMTP 3.0 in Go that has NULL and sends its whole
// greeting at once, without waiting for the other side's.
type pureWorker struct {
	pure.Socket
}

func newPureWorker(t testing.TB, kind string) *pureWorker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var s pure.Socket
	switch kind {
	case "REP":
		s = pure.NewRep(ctx)
	case "ROUTER":
		s = pure.NewRouter(ctx)
	default:
		s = pure.NewDealer(ctx)
	}
	t.Cleanup(func() { s.Close(); cancel() })
	return &pureWorker{s}
}

func (w *pureWorker) listen(t testing.TB, endpoint string) string {
	t.Helper()
	must(t, w.Listen(endpoint))
	return "tcp://" + w.Addr().String()
}

// dialIn returns at once: go-zeromq's Dial comes back only after the handshake, which waits for a client.
func (w *pureWorker) dialIn(t testing.TB, endpoint string) {
	done := make(chan error, 1)
	go func() { done <- w.Dial(endpoint) }()
	t.Cleanup(func() { must(t, <-done) })
}

// serve returns every message until the socket is closed.
func (w *pureWorker) serve(t testing.TB) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := w.Recv()
			if err != nil {
				return
			}
			if w.SendMulti(m) != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { w.Close(); <-done })
}

// TestGoZeromq has go-zeromq as the client of a libzmq worker and as the worker of a libzmq client.
func TestGoZeromq(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay() {
		for _, kinds := range [][2]string{{"REQ", "REP"}, {"DEALER", "ROUTER"}, {"REQ", "ROUTER"}, {"DEALER", "DEALER"}} {
			t.Run("client/"+w.name+"/"+kinds[0]+"-"+kinds[1], func(t *testing.T) { pureClient(t, w, kinds[0], kinds[1]) })
			t.Run("worker/"+w.name+"/"+kinds[0]+"-"+kinds[1], func(t *testing.T) { pureServed(t, w, kinds[0], kinds[1]) })
		}
	}
}

func pureClient(t *testing.T, w way, kind, to string) {
	ctx := newContext(t)
	served := newWorker(t, ctx, zmqType(to), newSecurity(t, "NULL"))
	endpoint := w.open(t, "tcp", []worker{served})
	served.serve(t, echo)

	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var client pure.Socket
	if kind == "REQ" {
		client = pure.NewReq(limit, pure.WithID(pure.SocketIdentity("client")))
	} else {
		client = pure.NewDealer(limit, pure.WithID(pure.SocketIdentity("client")))
	}
	defer client.Close()
	must(t, client.Dial(endpoint))
	for i := range 20 {
		want := frames{fmt.Append(nil, i), {}, bytes.Repeat([]byte{byte(i)}, 20_000)}
		must(t, client.SendMulti(pure.NewMsgFrom(want...)))
		got, err := client.Recv()
		must(t, err)
		if !slices.EqualFunc(got.Frames, want, bytes.Equal) {
			t.Fatalf("reply %d is not its request: %d frames", i, len(got.Frames))
		}
	}
}

func pureServed(t *testing.T, w way, kind, to string) {
	ctx := newContext(t)
	served := newPureWorker(t, to)
	client := newClient(t, ctx, zmqType(kind), newSecurity(t, "NULL"), "client")
	must(t, client.Connect(w.open(t, "tcp", []worker{served})))
	served.serve(t)
	for i := range 20 {
		want := []string{fmt.Sprint(i), "", strings.Repeat("x", 20_000)}
		client.send(t, want...)
		if got := client.recv(t); !slices.Equal(got, want) {
			t.Fatalf("reply %d is not its request: %d frames", i, len(got))
		}
	}
}

// TestGoZeromqShakesHandsInTurn has a client be silent in its handshake with a go-zeromq worker that listens, which
// accepts nobody else meanwhile: with max-handshakes 1 the next wait with the proxy, and are served when the silent one
// has ended after 2 to 4 s, in place of handshake-timeout.
func TestGoZeromqShakesHandsInTurn(t *testing.T) {
	t.Parallel()
	served := newPureWorker(t, "REP")
	p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--worker", "w="+served.listen(t, "tcp://127.0.0.1:0")+",max-handshakes=1", "--handshake-timeout", "1m")
	served.serve(t)
	ctx := newContext(t)
	silent := dialRaw(t, p.frontend[0])
	silent.send(t, greeting("NULL", 0)) // and no READY
	p.until(t, "it has the worker", func(s samples) bool { return s.of(t, "worker_pairs", "worker=w") == 1 })
	begin := time.Now()
	var clients []*socket
	for range 5 {
		c := newClient(t, ctx, zmq.REQ, newSecurity(t, "NULL"), "")
		must(t, c.Connect(p.frontend[0]))
		c.send(t, "hello")
		clients = append(clients, c)
	}
	for _, c := range clients {
		if got := c.recv(t); got[0] != "hello" {
			t.Errorf("the answer is %q", got)
		}
	}
	t.Logf("5 clients were served %v after they had come behind a silent one", time.Since(begin))
	s := p.scrape(t)
	if n := s[`streamq_clients_ended_total{pool="default",reason="handshake-timeout"}`]; n != 1 || time.Since(begin) > patience {
		t.Errorf("%v have ended for being silent, after %v", n, time.Since(begin))
	}
}
