package integration

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// combination is a legal pair of socket types and what the two say to each other.
type combination struct {
	client, worker zmq.Type
	// play has the two exchange the messages and returns what each received, in order.
	play func(t testing.TB, client, worker *socket, messages [][]string) transcript
}

// transcript is all that the two sides of a combination received.
type transcript struct{ Client, Worker [][]string }

func (c combination) name() string { return c.client.String() + "-" + c.worker.String() }

// combinations are all that are legal, by the valid combinations of zmq_socket(3).
func combinations() []combination {
	return []combination{
		{zmq.REQ, zmq.REP, roundTrips(nil)},
		{zmq.DEALER, zmq.REP, roundTrips([]string{""})}, // a DEALER brings REP's delimiter itself
		{zmq.REQ, zmq.ROUTER, roundTrips(nil)},
		{zmq.DEALER, zmq.ROUTER, roundTrips(nil)},
		{zmq.DEALER, zmq.DEALER, roundTrips(nil)},
		{zmq.ROUTER, zmq.ROUTER, roundTrips([]string{"worker"})}, // each side addresses the other by identity
		{zmq.PAIR, zmq.PAIR, roundTrips(nil)},
		{zmq.PUSH, zmq.PULL, oneWay(true)},
		{zmq.PULL, zmq.PUSH, oneWay(false)},
		{zmq.PUB, zmq.SUB, published(true)},
		{zmq.SUB, zmq.PUB, published(false)},
	}
}

// sampleMessages are single and multipart, empty, and larger than one read of a STREAM socket (8192 bytes).
func sampleMessages() [][]string {
	return [][]string{
		{"hello"},
		{"one", "", "three"},
		{""},
		{strings.Repeat("x", 8192)},
		{"large", strings.Repeat("y", 300_000), "", strings.Repeat("z", 255), strings.Repeat("z", 256)},
		{"last"},
	}
}

// roundTrips sends each message behind the envelope; the worker returns it as it is.
func roundTrips(envelope []string) func(testing.TB, *socket, *socket, [][]string) transcript {
	return func(t testing.TB, client, worker *socket, messages [][]string) (got transcript) {
		t.Helper()
		for i, m := range messages {
			whole := append(envelope[:len(envelope):len(envelope)], m...)
			if i == 0 {
				sendOnceKnown(t, client, whole)
			} else {
				client.send(t, whole...)
			}
			received := worker.recv(t)
			got.Worker = append(got.Worker, received)
			worker.send(t, received...)
			got.Client = append(got.Client, client.recv(t))
		}
		return got
	}
}

// sendOnceKnown sends the first message: a ROUTER knows its peer's identity only after the handshake.
func sendOnceKnown(t testing.TB, s *socket, m []string) {
	t.Helper()
	eventually(t, "the first message can be sent", func() bool {
		_, err := s.SendMessage(m)
		if err != nil && !errors.Is(err, zmq.Errno(syscall.EHOSTUNREACH)) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// oneWay sends each message one way.
func oneWay(toWorker bool) func(testing.TB, *socket, *socket, [][]string) transcript {
	return func(t testing.TB, client, worker *socket, messages [][]string) (got transcript) {
		t.Helper()
		from, to, list := worker, client, &got.Client
		if toWorker {
			from, to, list = client, worker, &got.Worker
		}
		for _, m := range messages {
			from.send(t, m...)
			*list = append(*list, to.recv(t))
		}
		return got
	}
}

// published has the SUB side subscribe to everything. What a PUB sends before it has heard of the subscription is
// dropped, so it repeats a word that does not count until that arrives.
func published(toWorker bool) func(testing.TB, *socket, *socket, [][]string) transcript {
	return func(t testing.TB, client, worker *socket, messages [][]string) (got transcript) {
		t.Helper()
		from, to, list := worker, client, &got.Client
		if toWorker {
			from, to, list = client, worker, &got.Worker
		}
		const knock = "is anybody there?"
		must(t, to.SetRcvtimeo(10*time.Millisecond))
		eventually(t, "the subscription has arrived", func() bool {
			from.send(t, knock)
			_, err := to.RecvMessage(0)
			return err == nil
		})
		must(t, to.SetRcvtimeo(patience))
		for _, m := range messages {
			from.send(t, m...)
			received := to.recv(t)
			for len(received) == 1 && received[0] == knock {
				received = to.recv(t)
			}
			*list = append(*list, received)
		}
		return got
	}
}

// exchange plays a combination by a way and returns what both sides received.
func (c combination) exchange(t testing.TB, w way, transport, mechanism string, messages [][]string) transcript {
	t.Helper()
	ctx := newContext(t)
	sec := newSecurity(t, mechanism)
	served := newWorker(t, ctx, c.worker, sec)
	client := newClient(t, ctx, c.client, sec, "client")
	if c.worker == zmq.ROUTER {
		must(t, served.SetIdentity("worker"))
		must(t, served.SetRouterMandatory(1))
	}
	if c.client == zmq.ROUTER {
		must(t, client.SetRouterMandatory(1))
	}
	for _, s := range []*socket{served.socket, client} {
		if kind, err := s.GetType(); err == nil && kind == zmq.SUB {
			must(t, s.SetSubscribe(""))
		}
	}
	must(t, client.Connect(w.open(t, transport, []worker{served})))
	return c.play(t, client, served.socket, messages)
}

// expected is what both sides must have received, from the messages alone.
func (c combination) expected(messages [][]string) (want transcript) {
	for _, m := range messages {
		atWorker, atClient := m, m
		switch {
		case c.client == zmq.REQ && c.worker == zmq.ROUTER:
			atWorker = append([]string{"client", ""}, m...)
		case c.client == zmq.ROUTER:
			atWorker, atClient = append([]string{"client"}, m...), append([]string{"worker"}, m...)
		case c.worker == zmq.ROUTER:
			atWorker = append([]string{"client"}, m...)
		case c.client == zmq.DEALER && c.worker == zmq.REP:
			atClient = append([]string{""}, m...)
		}
		if c.client != zmq.PUSH && c.client != zmq.PUB {
			want.Client = append(want.Client, atClient)
		}
		if c.worker != zmq.PUSH && c.worker != zmq.PUB {
			want.Worker = append(want.Worker, atWorker)
		}
	}
	return want
}
