package integration

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
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
	case "PULL":
		s = pure.NewPull(ctx)
	case "PUB":
		s = pure.NewPub(ctx)
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

// TestGoZeromqOneWay has go-zeromq push, pull, subscribe and publish.
func TestGoZeromqOneWay(t *testing.T) {
	for _, w := range everyWay() {
		t.Run("push/"+w.name, func(t *testing.T) { purePush(t, w) })
		t.Run("pull/"+w.name, func(t *testing.T) { purePull(t, w) })
		t.Run("subscribe/"+w.name, func(t *testing.T) { pureSubscriber(t, w) })
		t.Run("publish/"+w.name, func(t *testing.T) { purePublisher(t, w) })
	}
}

// pushed is a message whose first frame is its number.
func pushed(i int) []string { return []string{fmt.Sprint(i), "", strings.Repeat("x", 20_000)} }

func pureMessage(frames []string) pure.Msg {
	var m pure.Msg
	for _, f := range frames {
		m.Frames = append(m.Frames, []byte(f))
	}
	return m
}

func framesOf(m pure.Msg) (all []string) {
	for _, f := range m.Frames {
		all = append(all, string(f))
	}
	return all
}

func purePush(t *testing.T, w way) {
	served := newWorker(t, newContext(t), zmq.PULL, newSecurity(t, "NULL"))
	endpoint := w.open(t, "tcp", []worker{served})
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := pure.NewPush(limit)
	defer client.Close()
	must(t, client.Dial(endpoint))
	for i := range 20 {
		must(t, client.SendMulti(pureMessage(pushed(i))))
		if got := served.recv(t); !slices.Equal(got, pushed(i)) {
			t.Fatalf("message %d is not what was pushed: %d frames", i, len(got))
		}
	}
}

func purePull(t *testing.T, w way) {
	served := newPureWorker(t, "PULL")
	client := newClient(t, newContext(t), zmq.PUSH, newSecurity(t, "NULL"), "")
	must(t, client.Connect(w.open(t, "tcp", []worker{served})))
	for i := range 20 {
		client.send(t, pushed(i)...)
		got, err := served.Recv()
		must(t, err)
		if !slices.Equal(framesOf(got), pushed(i)) {
			t.Fatalf("message %d is not what was pushed: %d frames", i, len(got.Frames))
		}
	}
}

// pureNext holds that what a subscriber has is what was published, in that order; the first may be missed.
func pureNext(t *testing.T, last int, got []string) int {
	t.Helper()
	number, err := strconv.Atoi(got[0])
	must(t, err)
	if number <= last || !slices.Equal(got, pushed(number)) {
		t.Fatalf("after %d came %q with %d frames", last, got[0], len(got))
	}
	return number
}

// publish calls send with one number after another until the test has heard enough.
func publish(t *testing.T, send func(frames []string) error) {
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(5 * time.Millisecond):
			}
			if err := send(pushed(i)); err != nil {
				done <- err
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); must(t, <-done) })
}

func pureSubscriber(t *testing.T, w way) {
	served := newWorker(t, newContext(t), zmq.PUB, newSecurity(t, "NULL"))
	endpoint := w.open(t, "tcp", []worker{served})
	publish(t, func(frames []string) error {
		_, err := served.SendMessage(frames)
		return err
	})
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := pure.NewSub(limit)
	defer client.Close()
	must(t, client.SetOption(pure.OptionSubscribe, ""))
	must(t, client.Dial(endpoint))
	for i, last := 0, -1; i < 20; i++ {
		got, err := client.Recv()
		must(t, err)
		last = pureNext(t, last, framesOf(got))
	}
}

func purePublisher(t *testing.T, w way) {
	served := newPureWorker(t, "PUB")
	client := newClient(t, newContext(t), zmq.SUB, newSecurity(t, "NULL"), "")
	must(t, client.SetSubscribe(""))
	must(t, client.Connect(w.open(t, "tcp", []worker{served})))
	publish(t, func(frames []string) error { return served.SendMulti(pureMessage(frames)) })
	for i, last := 0, -1; i < 20; i++ {
		last = pureNext(t, last, client.recv(t))
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
