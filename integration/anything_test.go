package integration

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// startAnything is a proxy whose pool looks at no byte, before a worker of any kind.
func startAnything(t *testing.T, worker string) *proxy {
	t.Helper()
	return startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", worker, "--expect", "any")
}

// TestAnythingStream has libzmq's STREAM sockets at both ends: each is told of the other before a byte has passed, and the
// server speaks first.
func TestAnythingStream(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	server, client := newSocket(t, ctx, zmq.STREAM), newSocket(t, ctx, zmq.STREAM)
	must(t, server.Bind("tcp://127.0.0.1:*"))
	at, err := server.GetLastEndpoint()
	must(t, err)
	must(t, client.Connect(startAnything(t, at).frontend[0]))
	next := func(s *socket, want string) (id string) {
		t.Helper()
		m := s.recv(t)
		if m[1] != want {
			t.Fatalf("received %q, not %q", m[1], want)
		}
		return m[0]
	}
	to, from := next(server, ""), next(client, "")
	server.send(t, to, "welcome\n")
	next(client, "welcome\n")
	client.send(t, from, "no ZMTP")
	next(server, "no ZMTP")
}

// TestAnythingTLS has ZMTP in TLS pass: a REQ socket and a REP socket, each behind a relay of its own that adds or takes away TLS.
func TestAnythingTLS(t *testing.T) {
	t.Parallel()
	certified := httptest.NewUnstartedServer(nil) // for its certificate
	certified.StartTLS()
	t.Cleanup(certified.Close)
	trusted := certified.Client().Transport.(*http.Transport).TLSClientConfig

	ctx, sec := newContext(t), newSecurity(t, "NULL")
	served := newWorker(t, ctx, zmq.REP, sec)
	plain := strings.TrimPrefix(served.listen(t, "tcp://127.0.0.1:*"), "tcp://")
	served.serve(t, echo)
	inner, err := tls.Listen("tcp", "127.0.0.1:0", certified.TLS)
	must(t, err)
	relayAll(t, inner, func() (net.Conn, error) { return net.Dial("tcp", plain) })
	front := strings.TrimPrefix(startAnything(t, "tcp://"+inner.Addr().String()).frontend[0], "tcp://")
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	relayAll(t, outer, func() (net.Conn, error) { return tls.Dial("tcp", front, trusted) })

	c := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, c.Connect("tcp://"+outer.Addr().String()))
	for range 3 {
		c.send(t, "sealed", strings.Repeat("x", 100_000))
		if got := c.recv(t); len(got) != 2 || len(got[1]) != 100_000 {
			t.Errorf("the answer has %d frames", len(got))
		}
	}
}

// relayAll passes on what comes to a listener, until the test ends.
func relayAll(t *testing.T, l net.Listener, dial func() (net.Conn, error)) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer a.Close()
				b, err := dial()
				if err != nil {
					return
				}
				defer b.Close()
				go func() {
					_, _ = io.Copy(b, a)
					b.Close()
				}()
				_, _ = io.Copy(a, b)
			}()
		}
	}()
}

// TestAnythingUpgraded has what a WebSocket begins with pass: a request, the answer that switches protocols, and what both say then.
func TestAnythingUpgraded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		if err := errors.Join(rw.Flush(), c.SetDeadline(time.Now().Add(patience))); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(c, rw)
	}))
	t.Cleanup(server.Close)
	c := dialRaw(t, startAnything(t, "tcp://"+server.Listener.Addr().String()).frontend[0])
	c.send(t, []byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
	must(t, c.SetReadDeadline(time.Now().Add(patience)))
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, nil)
	must(t, err)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the answer is %s", answer.Status)
	}
	frame := []byte{0x82, 0x03, 1, 2, 3}
	c.send(t, frame)
	got := make([]byte, len(frame))
	if _, err := io.ReadFull(in, got); err != nil || string(got) != string(frame) {
		t.Errorf("read %x: %v", got, err)
	}
	c.Close()
}
