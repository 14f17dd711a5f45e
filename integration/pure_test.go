package integration

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	pure "github.com/go-zeromq/zmq4"
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
