package integration

import (
	"fmt"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestLateReplyLeak holds the one thing that no proxy can mend, because it happens inside the worker: a worker that
// dials in with ZMQ_IMMEDIATE=0 (libzmq's default) keeps its outgoing pipe when its connection ends, and what the pipe
// still holds for a client that has left goes to the next client, encrypted for that one. With ZMQ_IMMEDIATE=1 the pipe
// ends with the connection, and a worker that listens has a pipe for each connection anyway.
func TestLateReplyLeak(t *testing.T) {
	t.Parallel()
	for _, kind := range []zmq.Type{zmq.REP, zmq.ROUTER, zmq.DEALER} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Run("dialling with IMMEDIATE=0 leaks", func(t *testing.T) {
				if n := lateReplies(t, dialling(), kind, false); n == 0 {
					t.Error("no late reply has leaked: then the warning in docs/guide/modes.md is out of date")
				}
			})
			t.Run("dialling with IMMEDIATE=1 does not", func(t *testing.T) {
				if n := lateReplies(t, dialling(), kind, true); n != 0 {
					t.Errorf("%d replies for the first client reached the second", n)
				}
			})
			if kind == zmq.DEALER {
				return // a DEALER that listens deals its replies out to all its clients, with a proxy and without
			}
			t.Run("listening does not", func(t *testing.T) {
				if n := lateReplies(t, listening(), kind, false); n != 0 {
					t.Errorf("%d replies for the first client reached the second", n)
				}
			})
		})
	}
}

// lateReplies lets one client ask for more replies than all buffers on the way hold and leave without reading them, and
// returns how many of those replies the next client gets before its own.
func lateReplies(t *testing.T, w way, kind zmq.Type, immediate bool) (late int) {
	const replies = 900 // below the worker's high-water mark of 1000, so that it never waits
	big := strings.Repeat("r", 64<<10)
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	served := newWorker(t, ctx, kind, sec)
	must(t, served.SetImmediate(immediate))
	endpoint := w.open(t, "tcp", []worker{served})
	const envelope = "" // the delimiter that REP wants and the others return
	var request []string

	// Two identities: a worker that has not yet seen the first client's end would ignore a second one of the same.
	first := newClient(t, ctx, zmq.DEALER, sec, "first")
	must(t, first.SetRcvhwm(1))
	must(t, first.Connect(endpoint))
	for i := range replies {
		if i == 0 || kind == zmq.REP { // which replies once to each request
			first.send(t, envelope, "first")
			request = served.recv(t)
		}
		served.reply(t, request, fmt.Sprintf("for first %d", i), big)
	}
	first.close()

	second := newClient(t, ctx, zmq.DEALER, sec, "second")
	must(t, second.Connect(endpoint))
	second.send(t, envelope, "second")
	for request = served.recv(t); request[len(request)-1] != "second"; request = served.recv(t) {
		if kind == zmq.REP {
			served.reply(t, request, "for first, which has gone")
		}
	}
	// By now the worker's queue may be full of what is for nobody: the second client makes room as it reads.
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		served.reply(t, request, "for second")
	}()
	for m := second.recv(t); m[len(m)-1] != "for second"; m = second.recv(t) {
		late++
	}
	<-answered
	return late
}

// reply sends these frames behind what a request began with: a ROUTER's client identity and the empty delimiter.
func (w *socketWorker) reply(t testing.TB, request []string, m ...string) {
	if _, err := w.SendMessage(append(request[:len(request)-1:len(request)-1], m...)); err != nil {
		t.Errorf("reply: %v", err)
	}
}
