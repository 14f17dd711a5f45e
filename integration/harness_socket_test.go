package integration

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// frames are a message.
type frames = [][]byte

// newContext is libzmq's context of one test, ended after every socket of the test.
func newContext(t testing.TB) *zmq.Context {
	t.Helper()
	ctx, err := zmq.NewContext()
	must(t, err)
	must(t, ctx.SetMaxSockets(8192))
	t.Cleanup(func() { must(t, ctx.Term()) })
	return ctx
}

// socket is a libzmq socket that one goroutine of the test uses.
type socket struct {
	*zmq.Socket
	closed bool
}

// newSocket makes a socket that gives up after patience and is closed, dropping what is unsent, with the test.
func newSocket(t testing.TB, ctx *zmq.Context, kind zmq.Type) *socket {
	t.Helper()
	s, err := ctx.NewSocket(kind)
	must(t, err)
	must(t, s.SetLinger(0))
	must(t, s.SetRcvtimeo(patience))
	must(t, s.SetSndtimeo(patience))
	sock := &socket{Socket: s}
	t.Cleanup(sock.close)
	return sock
}

// newClient makes a connecting socket with an identity ("" for none).
func newClient(t testing.TB, ctx *zmq.Context, kind zmq.Type, sec security, identity string) *socket {
	t.Helper()
	s := newSocket(t, ctx, kind)
	if identity != "" {
		must(t, s.SetIdentity(identity))
	}
	sec.asClient(t, s.Socket)
	return s
}

func (s *socket) close() {
	if !s.closed {
		s.closed = true
		_ = s.Close()
	}
}

// send sends one message.
func (s *socket) send(t testing.TB, m ...string) {
	t.Helper()
	_, err := s.SendMessage(m)
	must(t, err)
}

// recv receives one message.
func (s *socket) recv(t testing.TB) []string {
	t.Helper()
	m, err := s.RecvMessage(0)
	if err != nil {
		t.Fatalf("nothing received: %v", err)
	}
	return m
}

// timedOut says that a call on a socket gave up waiting.
func timedOut(err error) bool {
	return errors.Is(err, zmq.Errno(syscall.EAGAIN))
}

// socketWorker is a worker on a libzmq socket. Until serve is called the socket is the test's own.
type socketWorker struct {
	*socket
	slots int    // how many times it dials in
	from  string // the address it dials in from, "" for any
}

// newWorker makes a worker that offers one slot. ZMQ_IMMEDIATE is set, as every worker that dials in must: a pipe
// that outlives its connection would carry one client's late replies to the next.
func newWorker(t testing.TB, ctx *zmq.Context, kind zmq.Type, sec security) *socketWorker {
	t.Helper()
	s := newSocket(t, ctx, kind)
	sec.asServer(t, ctx, s.Socket)
	must(t, s.SetImmediate(true))
	must(t, s.SetReconnectIvl(20*time.Millisecond))
	must(t, s.SetBacklog(4096))
	return &socketWorker{socket: s, slots: 1}
}

func (w *socketWorker) listen(t testing.TB, endpoint string) string {
	t.Helper()
	must(t, w.Bind(endpoint))
	bound, err := w.GetLastEndpoint()
	must(t, err)
	return bound
}

func (w *socketWorker) dialIn(t testing.TB, endpoint string) {
	t.Helper()
	if w.from != "" { // zmq_tcp(7): "tcp://source:port;destination:port"
		endpoint = "tcp://" + w.from + ":0;" + strings.TrimPrefix(endpoint, "tcp://")
	}
	for range w.slots {
		must(t, w.Connect(endpoint))
	}
}

// serve hands every message to reply on a goroutine of its own and sends what comes back, nothing when that is nil. The
// socket belongs to that goroutine from now on; it stops and closes the socket with the test, or by the returned
// function. The goroutine must be the only one to call reply.
func (w *socketWorker) serve(t testing.TB, reply func(frames) frames) (stop func()) {
	t.Helper()
	must(t, w.SetRcvtimeo(10*time.Millisecond))
	var stopping atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer w.close()
		for !stopping.Load() {
			m, err := w.RecvMessageBytes(0)
			if err != nil {
				if timedOut(err) {
					continue
				}
				t.Errorf("worker: %v", err)
				return
			}
			if m = reply(m); m == nil {
				continue
			}
			if _, err := w.SendMessage(m); err != nil && !stopping.Load() {
				t.Errorf("worker: %v", err)
			}
		}
	}()
	stop = sync.OnceFunc(func() { stopping.Store(true); <-done })
	t.Cleanup(stop)
	return stop
}

// echo is the reply of a worker that returns what it gets.
func echo(m frames) frames { return m }
