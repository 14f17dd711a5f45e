package control

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// ownAddress is one of this machine that is not loopback: who connects to it
// comes from it, and is thus of another host than who connects over loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no IPv4 address beside loopback: two hosts cannot be told from each other")
	return ""
}

// What belongs to a connection of another host is not for a peer to take, to keep
// alive, to end or to see, and nothing of it changes. Its own host may all that.
func TestOthersIdentity(t *testing.T) {
	host := ownAddress(t)
	clients := ""
	var server wire.Cert
	r := newRig(t, func(r *rig, c *Config, p *stream.Config) {
		server = newCert(t, r.dir, "proxy", wire.Peer)
		if clients = filepath.Join(r.dir, "clients"); os.Mkdir(clients, 0o700) != nil {
			t.Fatal("no directory for certificates")
		}
		c.Cert, c.Clients = filepath.Join(r.dir, "proxy_secret"), clients
		c.Endpoints = append(c.Endpoints, "tcp://127.0.0.1:*", "tcp://"+host+":*")
		p.Frontend, p.Backend = []string{"tcp://" + host + ":0"}, []string{"tcp://" + host + ":0"}
	})
	at := r.server.Bound()
	operator := r.dial()
	own := &client.Security{Cert: newCert(t, clients, "peer", wire.Peer), Server: server.Public}
	stranger, owner := r.dialAs(at[1], own), r.dialAs(at[2], own)
	client, worker := r.pair()
	here, workers := client.LocalAddr().String(), worker.LocalAddr().String()
	if stream.HostOf(here) != host {
		t.Fatalf("the client comes from %s", here)
	}
	r.say(owner, wire.OK, "HELLO", "client", "ann", "endpoint="+here, "prefer=w1")
	r.say(owner, wire.OK, "HELLO", "worker", "w1", "endpoint="+workers)

	r.say(stranger, wire.Forbidden, "HELLO", "client", "eve", "endpoint="+here)
	r.say(stranger, wire.Conflict, "HELLO", "client", "ann", "endpoint=127.0.0.1:4000", "prefer=w9")
	r.say(stranger, wire.Conflict, "HELLO", "client", "ann", "prefer=w9")
	r.say(stranger, wire.Conflict, "HELLO", "worker", "w1", "weight=256")
	r.say(stranger, wire.Forbidden, "HEARTBEAT", "ann")
	r.say(stranger, wire.Forbidden, "BYE", "ann")
	r.say(stranger, wire.Forbidden, "BYE", "w1")
	r.say(stranger, wire.Forbidden, "WHOIS", workers)
	r.say(stranger, wire.NotFound, "HEARTBEAT", "nobody")

	x, err := operator.Pool("").Explain(r.context(), "ann")
	if err != nil || len(x.Clients) != 1 || x.Clients[0].Client != here || x.Clients[0].State != "open" || len(x.Prefer) != 1 || x.Prefer[0] != "w1" {
		t.Errorf("%+v, %v", x, err)
	}
	// Held is what ann and w1 have said, and nothing for a connection to come.
	if s := r.snapshot(); s.Stats.Open != 1 || s.Stats.Hints != 2 || s.Workers[0].Weight != 1 {
		t.Errorf("%d pairs are open, %d hints are held, %+v", s.Stats.Open, s.Stats.Hints, s.Workers)
	}
	if _, err := client.Write([]byte("still here")); err != nil {
		t.Error(err)
	}
	r.say(owner, wire.OK, "HEARTBEAT", "ann")
	if known, err := owner.Whois(r.context(), workers, ""); err != nil || known.Identity != "ann" || known.Client != here {
		t.Errorf("%+v, %v", known, err)
	}
	r.say(operator, wire.OK, "HELLO", "client", "ann", "endpoint=127.0.0.1:4001") // for all
	r.say(owner, wire.OK, "BYE", "ann")
	ended(t, client)
}
