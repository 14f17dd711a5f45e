package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// signature is the first ten bytes of a ZMTP 3 greeting as libzmq sends them (RFC 23).
func signature() []byte { return []byte{0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F} }

// greeting is a whole ZMTP 3.1 greeting for a mechanism of any name up to 20 letters.
func greeting(mechanism string, asServer byte) []byte {
	g := append(signature(), 3, 1)
	g = append(g, mechanism...)
	g = append(g, make([]byte, 32-len(g))...)
	return append(append(g, asServer), make([]byte, 31)...)
}

// command is a ZMTP command frame.
func command(name string, data []byte) []byte {
	body := append([]byte{byte(len(name))}, name...)
	body = append(body, data...)
	if len(body) < 256 {
		return append([]byte{4, byte(len(body))}, body...)
	}
	return append(binary.BigEndian.AppendUint64([]byte{6}, uint64(len(body))), body...)
}

// ready is the READY command of a socket type.
func ready(kind string) []byte {
	data := append([]byte{11}, "Socket-Type"...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(kind)))
	return command("READY", append(data, kind...))
}

// rawPeer is a TCP connection that plays a peer byte by byte.
type rawPeer struct {
	net.Conn
}

// dialRaw connects to a tcp:// endpoint.
func dialRaw(t testing.TB, endpoint string) *rawPeer {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return &rawPeer{c}
}

// rawWorker is a raw peer's way to be a worker: the peer is there once the proxy has dialled it, or has been dialled.
type rawWorker struct {
	listener net.Listener
	dialled  *rawPeer
}

func (w *rawWorker) listen(t testing.TB, _ string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	w.listener = l
	return "tcp://" + l.Addr().String()
}

func (w *rawWorker) dialIn(t testing.TB, endpoint string) {
	t.Helper()
	w.dialled = dialRaw(t, endpoint)
}

// peer returns the next connection to the worker. A worker that has dialled in has only the one.
func (w *rawWorker) peer(t testing.TB) *rawPeer {
	t.Helper()
	if w.dialled != nil {
		return w.dialled
	}
	must(t, w.listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	c, err := w.listener.Accept()
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return &rawPeer{c}
}

func (p *rawPeer) send(t testing.TB, b ...[]byte) {
	t.Helper()
	must(t, p.SetWriteDeadline(time.Now().Add(patience)))
	_, err := p.Write(bytes.Join(b, nil))
	must(t, err)
}

// expect reads exactly these bytes.
func (p *rawPeer) expect(t testing.TB, want ...[]byte) {
	t.Helper()
	w := bytes.Join(want, nil)
	got := make([]byte, len(w))
	must(t, p.SetReadDeadline(time.Now().Add(patience)))
	if n, err := io.ReadFull(p, got); err != nil {
		t.Fatalf("read %d of %d bytes (%x): %v", n, len(w), got[:n], err)
	}
	if !bytes.Equal(got, w) {
		t.Fatalf("read %x, want %x", got, w)
	}
}

// expectEnd reads until the other side has closed, and fails on any byte before that.
func (p *rawPeer) expectEnd(t testing.TB) {
	t.Helper()
	must(t, p.SetReadDeadline(time.Now().Add(patience)))
	n, err := p.Read(make([]byte, 1))
	if n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; want the end of the connection", n, err)
	}
}

// tcp is the connection with what only TCP has.
func (p *rawPeer) tcp() *net.TCPConn { return p.Conn.(*net.TCPConn) }

// expectSilence fails when a byte or the end comes within a while. It can only find what comes soon, so it is never the
// only check.
func (p *rawPeer) expectSilence(t testing.TB) {
	t.Helper()
	must(t, p.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	b := make([]byte, 64)
	if n, err := p.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %x, %v; want silence", b[:n], err)
	}
}

// openRaw pairs a raw client with a raw worker by w and takes both through a NULL handshake. flags are the proxy's.
func openRaw(t testing.TB, w way, flags ...string) (client, served *rawPeer) {
	t.Helper()
	rw := &rawWorker{}
	endpoint := w.open(t, "tcp", []worker{rw}, flags...)
	client = dialRaw(t, endpoint)
	if rw.dialled != nil {
		rw.dialled.send(t, signature()) // it is nobody's slot before that
	}
	client.send(t, signature())
	served = rw.peer(t)
	served.expect(t, signature())
	if rw.dialled == nil {
		served.send(t, signature())
	}
	client.expect(t, signature())
	shakeHands(t, client, served)
	return client, served
}

// open pairs a raw client with a raw worker that listens, and takes both through a NULL handshake.
func (w *rawWorker) open(t testing.TB, frontend string) (client, served *rawPeer) {
	t.Helper()
	client = dialRaw(t, frontend)
	client.send(t, signature())
	served = w.peer(t)
	served.expect(t, signature())
	served.send(t, signature())
	client.expect(t, signature())
	shakeHands(t, client, served)
	return client, served
}

// shakeHands completes a NULL handshake after the signatures.
func shakeHands(t testing.TB, client, served *rawPeer) {
	t.Helper()
	rest := greeting("NULL", 0)[10:]
	client.send(t, rest, ready("DEALER"))
	served.send(t, rest, ready("ROUTER"))
	client.expect(t, rest, ready("ROUTER"))
	served.expect(t, rest, ready("DEALER"))
}
