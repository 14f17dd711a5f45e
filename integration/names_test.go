package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// names is a DNS server that answers for every name with the address that it is told.
type names struct {
	address atomic.Pointer[[4]byte]
	asked   atomic.Int64
}

// serveNames has this process's resolver ask the server, for as long as the test lasts. The test must not be parallel.
func serveNames(t *testing.T) *names {
	t.Helper()
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	n := &names{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.serve(t, listener)
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", listener.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		listener.Close()
		<-done
	})
	return n
}

func (n *names) serve(t testing.TB, listener net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := listener.ReadFrom(buffer)
		if err != nil {
			return // closed
		}
		if _, err := listener.WriteTo(n.answer(buffer[:size]), from); err != nil {
			t.Errorf("a DNS answer: %v", err)
		}
	}
}

// answer makes a message with an address of a question for one, and one without of any other (RFC 1035, section 4).
func (n *names) answer(question []byte) []byte {
	const header, typeA = 12, 1
	end := header + bytes.IndexByte(question[header:], 0) + 1 // of the name
	m := append([]byte(nil), question[:end+4]...)
	m[2] |= 0x80                                      // it is an answer
	copy(m[4:header], []byte{0, 1, 0, 0, 0, 0, 0, 0}) // to one question; more sections it may have had are cut off
	if binary.BigEndian.Uint16(m[end:]) != typeA {
		return m
	}
	n.asked.Add(1)
	m[7] = 1                                                   // with one record:
	m = append(m, 0xC0, header, 0, typeA, 0, 1)                // of the name that was asked for, type A, class IN,
	m = append(m, binary.BigEndian.AppendUint32(nil, 3600)...) // for an hour,
	address := n.address.Load()
	return append(append(m, 0, byte(len(address))), address[:]...)
}

// TestNamesAreLookedUpAtEachDial moves a worker's name to another machine: the next client is there, although the old
// machine still serves and the old answer was for an hour.
func TestNamesAreLookedUpAtEachDial(t *testing.T) {
	n := serveNames(t)
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 2, 1)
	first := ws.sockets[0].listen(t, "tcp://127.0.0.21:*")
	port := first[strings.LastIndex(first, ":"):]
	ws.sockets[1].listen(t, "tcp://127.0.0.22"+port)
	p := openPool(t, func(c *stream.Config) {
		c.Workers = []pairing.WorkerConfig{{Name: "moving", Endpoint: "tcp://worker.streamq.test" + port}}
	})
	ws.serve()
	for i, want := range []string{"w0", "w0", "w1", "w0"} {
		n.address.Store(&[4]byte{127, 0, 0, map[string]byte{"w0": 21, "w1": 22}[want]})
		before := n.asked.Load()
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend))
		if got := ask(t, c); got != want {
			t.Errorf("client %d is at %s, the name now means %s", i, got, want)
		}
		if n.asked.Load() == before {
			t.Error("the name was not looked up")
		}
	}
}
