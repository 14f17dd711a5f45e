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

// startZAP answers a context's authentication requests (RFC 27): libzmq refuses every PLAIN client of a worker that has
// nobody to ask. A context has one such handler at most, and a second start does nothing.
func startZAP(t testing.TB, ctx *zmq.Context) {
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
			status, text := "400", "wrong name or password"
			if len(m) == 8 && m[5] == "PLAIN" && m[6] == plainUser && m[7] == plainPassword {
				status, text = "200", "OK"
			}
			if _, err := handler.SendMessage(m[0], m[1], status, text, plainUser, ""); err != nil {
				t.Errorf("ZAP: %v", err)
			}
		}
	}()
	t.Cleanup(func() { stopping.Store(true); <-done })
}
