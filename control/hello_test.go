package control

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// helloRig is one that peers call by way of loopback, as all of one address.
func helloRig(t *testing.T) *rig {
	return newRig(t, func(_ *rig, c *Config, p *stream.Config) {
		c.Endpoints, p.Pairing.HandshakeTimeout = []string{"tcp://127.0.0.1:*"}, 0
	})
}

// Twenty clients of one address say HELLO without an endpoint at once, and connect,
// whatever they are told: none gets another's name, and who was told that it has one has it.
func TestHelloFromOneAddress(t *testing.T) {
	const clients = 20
	r := helloRig(t)
	var conns [clients]net.Conn
	var accepted [clients]bool
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range clients {
		c := r.dial()
		all.Go(func() {
			<-begin
			reply, err := c.Do(r.context(), "HELLO", "client", fmt.Sprint("id-", i))
			if accepted[i] = reply.Code == wire.OK; !accepted[i] && reply.Code != wire.Conflict {
				t.Errorf("client %d: %v, %v", i, reply, err)
			}
			frontend, _ := r.pool.Bound()
			if conns[i], err = net.Dial("tcp", strings.TrimPrefix(frontend[0], "tcp://")); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	all.Wait()
	refused := 0
	for i, c := range conns {
		if c == nil {
			t.FailNow()
		}
		defer c.Close()
		name := ""
		eventually(t, "it is known", func() bool {
			info, err := r.pool.Find(r.context(), c.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			if info != nil {
				name = info.Identity
			}
			return info != nil
		})
		if name != "" && (name != fmt.Sprint("id-", i) || !accepted[i]) {
			t.Errorf("client %d is %q, and was told so: %v", i, name, accepted[i])
		}
		if !accepted[i] {
			refused++
		}
	}
	t.Logf("%d of %d were refused", refused, clients)
}

// A single client needs no endpoint, before it connects and after.
func TestHelloOfTheOnlyOne(t *testing.T) {
	r := helloRig(t)
	c := r.dial()
	named := func(conn net.Conn, want string) {
		t.Helper()
		eventually(t, "it has its name", func() bool {
			info, err := r.pool.Find(r.context(), conn.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			return info != nil && info.Identity == want
		})
	}
	r.say(c, wire.OK, "HELLO", "client", "ann")
	named(r.client(), "ann")
	second := r.client()
	eventually(t, "it is there", func() bool { return r.snapshot().Connections == 2 })
	r.say(c, wire.OK, "HELLO", "client", "bob")
	named(second, "bob")

	r.client()
	r.client()
	eventually(t, "they are there", func() bool { return r.snapshot().Connections == 4 })
	if text := r.say(c, wire.Conflict, "HELLO", "client", "cyd").Text; !strings.Contains(text, "several connections from 127.0.0.1 have no name") ||
		!strings.Contains(text, "endpoint=IP:PORT") {
		t.Errorf("it says %q", text)
	}
}
