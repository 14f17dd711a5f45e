package integration

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// The only name and password that a PLAIN worker of these tests lets in.
const plainUser, plainPassword = "user", "pass"

// startZAP lets in who has that name and password: libzmq refuses every PLAIN client of a worker that has nobody to ask.
func startZAP(t testing.TB, ctx *zmq.Context) {
	t.Helper()
	answerZAP(t, ctx, func(r zapRequest) bool {
		return r.mechanism == "PLAIN" && len(r.credentials) == 2 && r.credentials[0] == plainUser && r.credentials[1] == plainPassword
	})
}

// zapRequest is what a handler is told of a client (RFC 27).
type zapRequest struct {
	address, mechanism string
	credentials        []string
}

// answerZAP answers a context's authentication requests, on a goroutine of its own. A context has one such handler at most,
// and a second one does nothing.
func answerZAP(t testing.TB, ctx *zmq.Context, let func(zapRequest) bool) {
	t.Helper()
	handler := newSocket(t, ctx, zmq.REP)
	if err := handler.Bind("inproc://zeromq.zap.01"); err != nil {
		if !errors.Is(err, zmq.Errno(syscall.EADDRINUSE)) {
			t.Fatal(err)
		}
		handler.close()
		return
	}
	must(t, handler.SetRcvtimeo(10*time.Millisecond))
	var stopping atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stopping.Load() {
			m, err := handler.RecvMessage(0)
			if err != nil {
				continue
			}
			// version, request id, domain, address, identity, mechanism, credentials
			status, text := "400", "not let in"
			if len(m) > 5 && let(zapRequest{m[3], m[5], m[6:]}) {
				status, text = "200", "OK"
			}
			if _, err := handler.SendMessage(m[0], m[1], status, text, plainUser, ""); err != nil {
				t.Errorf("ZAP: %v", err)
			}
		}
	}()
	t.Cleanup(func() { stopping.Store(true); <-done })
}
