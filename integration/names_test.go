package integration

import (
	"context"
	"net"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/internal/dnstest"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// serveNames has this process's resolver ask a DNS server of the test, for as long as that lasts. It must not be parallel.
func serveNames(t *testing.T) *dnstest.Server {
	t.Helper()
	s := dnstest.Start(t)
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Address())
	}}
	t.Cleanup(func() { net.DefaultResolver = before })
	return s
}

// TestNamesAreLookedUpAtEachDial moves a worker's name to another machine: the next client is there, although the old
// machine still serves and the old answer was for an hour.
func TestNamesAreLookedUpAtEachDial(t *testing.T) {
	const name = "worker.streamq.test"
	n := serveNames(t)
	n.SetTTL(3600)
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 2, 1)
	first := ws.sockets[0].listen(t, "tcp://127.0.0.21:*")
	port := first[strings.LastIndex(first, ":"):]
	ws.sockets[1].listen(t, "tcp://127.0.0.22"+port)
	p := openPool(t, func(c *stream.Config) {
		c.Workers = []pairing.WorkerConfig{{Name: "moving", Endpoint: "tcp://" + name + port}}
	})
	ws.serve()
	for i, want := range []string{"w0", "w0", "w1", "w0"} {
		n.SetAddresses(name, map[string]string{"w0": "127.0.0.21", "w1": "127.0.0.22"}[want])
		before, _ := n.Asked()
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend))
		if got := ask(t, c); got != want {
			t.Errorf("client %d is at %s, the name now means %s", i, got, want)
		}
		if now, _ := n.Asked(); now == before {
			t.Error("the name was not looked up")
		}
	}
}
