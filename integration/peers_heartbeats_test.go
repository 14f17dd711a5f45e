//go:build peers

package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"
)

// between is the time between two heartbeats of a peer, which gives a connection up after 20.
const between = 100 * time.Millisecond

// heartbeats has a peer that sends PING (RFC 37) keep a connection as long as PONG comes back, for longer than it would wait
// for one, and end it when nothing comes: as a client, and as a worker, which also answers the client's PING.
func heartbeats(t *testing.T, p program) {
	for _, w := range relayWays() {
		t.Run("heartbeats/client/"+w.name, func(t *testing.T) {
			t.Parallel()
			p.lacking(t)
			served := &greeter{}
			p.startClient(t, task{
				kind: "DEALER", to: "ROUTER", connect: w.open(t, "tcp", []worker{served}), identity: "client", requests: 1, atOnce: 1, size: 10, sec: newSecurity(t, "NULL"), beat: between,
			}) // which waits for its reply, and is killed
			served.client(t).beat(t)
		})
		t.Run("heartbeats/worker/"+w.name, func(t *testing.T) {
			t.Parallel()
			p.lacking(t)
			served := &processWorker{program: p, kind: "ROUTER", sec: newSecurity(t, "NULL"), slots: 1, beat: between}
			client := dialRaw(t, w.open(t, "tcp", []worker{served}))
			client.send(t, hello("DEALER"))
			must(t, client.greeted())
			client.beat(t)
		})
	}
}

// hello is all that a peer of one kind says in its handshake.
func hello(kind string) []byte { return append(greeting("NULL", 0), ready(kind)...) }

// greeter is a raw worker that says so to whoever comes: an agent looks whether its worker does, before there is a client.
type greeter struct {
	rawWorker
	came chan *rawPeer
}

func (w *greeter) listen(t testing.TB, endpoint string) string {
	t.Helper()
	at := w.rawWorker.listen(t, endpoint)
	w.came = make(chan *rawPeer, 100)
	go func() {
		for {
			c, err := w.listener.Accept()
			if err != nil {
				return // closed
			}
			if _, err := c.Write(hello("ROUTER")); err == nil {
				w.came <- &rawPeer{c}
			}
		}
	}()
	return at
}

func (w *greeter) dialIn(t testing.TB, endpoint string) {
	t.Helper()
	w.rawWorker.dialIn(t, endpoint)
	w.dialled.send(t, signature()) // it is nobody's slot before that
}

// client is the first who ends its handshake.
func (w *greeter) client(t *testing.T) *rawPeer {
	t.Helper()
	if w.dialled != nil {
		w.dialled.send(t, hello("ROUTER")[len(signature()):])
		must(t, w.dialled.greeted())
		return w.dialled
	}
	limit := time.After(patience)
	for {
		select {
		case p := <-w.came:
			t.Cleanup(func() { p.Close() })
			if p.greeted() == nil {
				return p
			}
		case <-limit:
			t.Fatal("nobody has come")
		}
	}
}

// greeted reads the other side's handshake.
func (p *rawPeer) greeted() error {
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.ReadFull(p, make([]byte, 64)); err != nil {
		return err
	}
	_, _, err := p.frame()
	return err
}

// beat answers 30 heartbeats of the other side, asks for one itself, and then is silent.
func (p *rawPeer) beat(t *testing.T) {
	t.Helper()
	beats, answered := 0, false
	for beats < 30 || !answered {
		body, isCommand, err := p.frame()
		if err != nil {
			t.Fatalf("it has ended the connection after %d heartbeats: %v", beats, err)
		}
		switch {
		case isCommand && bytes.HasPrefix(body, []byte("\x04PING")) && len(body) >= 7:
			if beats == 0 {
				p.send(t, command("PING", []byte("\x00\x00mine")))
			}
			beats++
			p.send(t, command("PONG", body[7:])) // behind the TTL
		case isCommand && bytes.HasPrefix(body, []byte("\x04PONG")):
			if string(body[5:]) != "mine" {
				t.Errorf("PONG has %q", body[5:])
			}
			answered = true
		}
	}
	must(t, p.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.Copy(io.Discard, p); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("nothing was said to it any more, and it has not ended the connection: %v", err)
	}
}

// frame reads the next one, and says whether it is a command.
func (p *rawPeer) frame() (body []byte, isCommand bool, err error) {
	if err := p.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, false, err
	}
	var head [9]byte
	if _, err := io.ReadFull(p, head[:2]); err != nil {
		return nil, false, err
	}
	size := uint64(head[1])
	if head[0]&2 != 0 { // a long one
		if _, err := io.ReadFull(p, head[2:]); err != nil {
			return nil, false, err
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	body = make([]byte, size)
	_, err = io.ReadFull(p, body)
	return body, head[0]&4 != 0, err
}
