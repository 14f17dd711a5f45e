package control

import (
	"net"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Two clients of one address come through two doors, and each has the identity of its own,
// where HELLO could not tell them apart.
func TestDoor(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	for _, name := range []string{"alice", "bob"} {
		d := body[wire.DoorInfo](t, r.say(c, wire.OK, "DOOR", name, "ttl=1h"))
		if d.Identity != name || len(d.Endpoints) != 1 || d.Left == nil || *d.Left <= 3590 || *d.Left > 3600 {
			t.Fatalf("%+v", d)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.Endpoints[0], "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		greet(t, conn)
	}
	eventually(t, "both are here", func() bool {
		open := body[wire.Doors](t, r.say(c, wire.OK, "DOORS"))
		return len(open.Doors) == 2 && open.Doors[0].Clients == 1 && open.Doors[1].Clients == 1
	})
	if s := body[wire.Status](t, r.say(c, wire.OK, "STATUS")).Pools[0]; s.Doors != 2 || s.DoorClients != 2 {
		t.Errorf("%+v", s)
	}
	if p := body[wire.Pools](t, r.say(c, wire.OK, "POOLS")).Pools[0]; p.Doors != 2 {
		t.Errorf("%+v", p)
	}
	for _, name := range []string{"alice", "bob"} {
		r.say(c, wire.OK, "EXPLAIN", name)
		r.say(c, wire.OK, "DOOR", name, "off")
		r.say(c, wire.NotFound, "DOOR", name, "off")
	}
	if open := body[wire.Doors](t, r.say(c, wire.OK, "DOORS")); len(open.Doors) != 0 {
		t.Errorf("%+v", open)
	}
}

func TestDoorThatCannotBe(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	for _, said := range [][]string{
		{},
		{""},
		{"a,b"},
		{"a\nb"},
		{strings.Repeat("a", pairing.MaxName+1)},
		{"alice", "of"},
		{"alice", "ttl=0s"},
		{"alice", "ttl=-1s"},
		{"alice", "ttl=25h"},
		{"alice", "ttl=9999999999h"},
		{"alice", "ttl=60"},
		{"alice", "ttl=1m", "ttl=1m"},
		{"alice", "off", "ttl=1m"},
		{"alice", "off", "off"},
		{"alice", "endpoint=ipc:///tmp/door"},
		{"alice", "endpoint=ipc://@door"},
		{"alice", "endpoint=nonsense"},
		{"alice", "endpoint=tcp://127.0.0.1"},
		{"alice", "endpoint=tcp://127.0.0.1:65536"},
		{"alice", "endpoint=tcp://127.0.0.1:-1"},
		{"alice", "endpoint=inproc://door"},
	} {
		r.say(c, wire.Malformed, "DOOR", said...)
	}
	frontend, backend := r.pool.Bound()
	for _, said := range [][]string{
		{"alice", "endpoint=tcp://192.0.2.1:5555"},
		{"alice", "endpoint=" + frontend[0]},
		{"alice", "endpoint=" + backend[0]},
		{"alice", "endpoint=tcp://nobody.invalid:0"},
	} {
		r.say(c, wire.Conflict, "DOOR", said...)
	}
	r.say(c, wire.NotFound, "DOOR", "alice", "pool=none")
	if open := body[wire.Doors](t, r.say(c, wire.OK, "DOORS")); len(open.Doors) != 0 {
		t.Errorf("%+v", open)
	}
	at := body[wire.DoorInfo](t, r.say(c, wire.OK, "DOOR", "alice", "endpoint=tcp://*:0")).Endpoints[0]
	r.say(c, wire.Conflict, "DOOR", "bob", "endpoint="+at)
	r.say(c, wire.Conflict, "DOOR", "alice", "endpoint=tcp://127.0.0.1:0")
	r.say(c, wire.OK, "DOOR", "alice", "endpoint="+at, "ttl=2h")
}

// A door of the file has no end that could be told.
func TestDoorOfTheFile(t *testing.T) {
	r := newRig(t, func(_ *rig, _ *Config, c *stream.Config) {
		c.Doors = []stream.DoorConfig{{Identity: "alice", Endpoint: "tcp://127.0.0.1:0"}}
	})
	c := r.dial()
	open := body[wire.Doors](t, r.say(c, wire.OK, "DOORS"))
	if len(open.Doors) != 1 || open.Doors[0].Left != nil {
		t.Errorf("%+v", open)
	}
	r.say(c, wire.Conflict, "DOOR", "alice", "off")
}
