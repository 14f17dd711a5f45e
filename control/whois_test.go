package control

import (
	"net"
	"net/netip"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
)

// A worker that knows an address only, as a ZAP handler does, learns whose it is.
func TestWhoisOfAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRig(t, func(_ *rig, c *Config, p *stream.Config) {
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*")
		p.Backend = nil
		p.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: "tcp://" + l.Addr().String()}}
		p.ClientAddresses = clientaddr.Setting{Prefix: netip.MustParsePrefix("127.64.0.0/10"), Stable: true}
	})
	peer := r.dialAs(r.server.Bound()[1], nil)
	front, _ := r.pool.Bound()
	serve := func(identity string) (client, worker net.Conn) {
		t.Helper()
		client = r.connectFrom("127.0.0.1:0", front)
		r.say(peer, wire.OK, "HELLO", "client", identity, "endpoint="+client.LocalAddr().String())
		greet(t, client)
		if worker, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { worker.Close() })
		return client, worker
	}
	client, worker := serve("ann")
	address := netip.MustParseAddrPort(worker.RemoteAddr().String()).Addr().String()
	k, err := peer.Whois(r.context(), address, "")
	if err != nil || k.Client != client.LocalAddr().String() || k.Address != "127.0.0.1" || k.Identity != "ann" || k.Connections != 1 {
		t.Errorf("%+v %v", k, err)
	}
	serve("bob") // from the same address
	k, err = peer.Whois(r.context(), address, "")
	if err != nil || k.Client != "" || k.Address != "127.0.0.1" || k.Identity != "" || k.Connections != 2 {
		t.Errorf("of two: %+v %v", k, err)
	}
	r.say(peer, wire.NotFound, "WHOIS", "127.64.0.1")
	r.say(peer, wire.Malformed, "WHOIS", "127.64.0.1:")
}
