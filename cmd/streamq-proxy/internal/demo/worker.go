package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pebbe/zmq4"
)

// heed is how long a worker may take to see that it is to stop.
const heed = 50 * time.Millisecond

// lingerTime is for what is half sent when a socket is closed. Without any libzmq may read on, when the connection ends, in
// a pipe that it has given up, and abort the process (4.3.4: session_base_t::clean_pipes).
const lingerTime = time.Second

// worker answers each request with the request itself and its own name in one
// more frame. One goroutine, serve, uses its socket.
type worker struct {
	name    string
	dialsIn bool
	kind    zmq4.Type // ROUTER or REP
	// endpoint is where it listens, or the address that it dials in from.
	endpoint string
	// visitors are the requests that did not come from the demo's own clients.
	visitors atomic.Uint64
	socket   *zmq4.Socket
}

// newListening makes a worker that listens on a loopback port of its own.
func newListening(zctx *zmq4.Context, server keys, name string, kind zmq4.Type) (*worker, error) {
	w := &worker{name: name, kind: kind}
	err := w.open(zctx, server, func(s *zmq4.Socket) error {
		err := listen(func(port int) error { return s.Bind(fmt.Sprint("tcp://127.0.0.1:", port)) })
		if err != nil {
			return err
		}
		w.endpoint, err = s.GetLastEndpoint()
		return err
	})
	return w, err
}

// newDialling makes a worker that will dial in from that loopback address: each
// has an address of its own because that is what the proxy tells them apart by.
func newDialling(zctx *zmq4.Context, server keys, name, address string) (*worker, error) {
	w := &worker{name: name, kind: zmq4.REP, dialsIn: true, endpoint: address}
	// Without IMMEDIATE the socket keeps the replies that a departed client did
	// not fetch and sends them to the next one on the same slot.
	err := w.open(zctx, server, func(s *zmq4.Socket) error { return s.SetImmediate(true) })
	return w, err
}

func (w *worker) open(zctx *zmq4.Context, server keys, ready func(*zmq4.Socket) error) error {
	s, err := zctx.NewSocket(w.kind)
	if err != nil {
		return fmt.Errorf("worker %s: %w", w.name, err)
	}
	err = errors.Join(
		s.SetLinger(lingerTime),
		s.SetRcvtimeo(heed),
		s.SetSndtimeo(heed),
		s.SetCurveServer(1),
		s.SetCurveSecretkey(server.secret),
	)
	if err == nil {
		err = ready(s)
	}
	if err != nil {
		_ = s.Close()
		return fmt.Errorf("worker %s: %w", w.name, err)
	}
	w.socket = s
	return nil
}

// dial offers that many slots to the backend. A REP socket, unlike a DEALER,
// makes a connection of every connect to the same endpoint.
func (w *worker) dial(backend string, slots int) error {
	_, port := cutPort(backend)
	for range slots {
		if err := w.socket.Connect(fmt.Sprintf("tcp://%s:0;127.0.0.1:%s", w.endpoint, port)); err != nil {
			return fmt.Errorf("worker %s: %w", w.name, err)
		}
	}
	return nil
}

// serve answers until ctx ends, then closes the socket.
func (w *worker) serve(ctx context.Context) error {
	defer w.close()
	for ctx.Err() == nil {
		m, err := w.socket.RecvMessageBytes(0)
		if zmq4.AsErrno(err) == zmq4.Errno(syscall.EAGAIN) {
			continue
		}
		if err != nil {
			return fmt.Errorf("worker %s: %w", w.name, err)
		}
		if !slices.ContainsFunc(m, func(frame []byte) bool { return bytes.HasPrefix(frame, []byte(mark)) }) {
			w.visitors.Add(1)
		}
		// Who asked may have left: such a reply is dropped, or times out.
		if _, err := w.socket.SendMessage(m, w.name); err != nil && zmq4.AsErrno(err) != zmq4.Errno(syscall.EAGAIN) {
			return fmt.Errorf("worker %s: %w", w.name, err)
		}
	}
	return nil
}

func (w *worker) close() { _ = w.socket.Close() }

// mode is how the worker is there, in words for the table.
func (w *worker) mode() string {
	if w.dialsIn {
		return "dials in"
	}
	return "listens"
}
