package control

import (
	"net"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Two clients of one address come through two doors, and each has the identity of its own,
// where HELLO could not tell them apart.
func TestDoor(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	for _, name := range []string{"alice", "bob"} {
		d := body[wire.DoorInfo](t, r.say(c, wire.OK, "DOOR", name, "ttl=1h"))
		if d.Identity != name || len(d.Endpoints) != 1 || d.Left <= 3590 || d.Left > 3600 {
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
		{"a,b"},
		{"a\nb"},
		{"alice", "ttl=0s"},
		{"alice", "ttl=25h"},
		{"alice", "off", "ttl=1m"},
	} {
		r.say(c, wire.Malformed, "DOOR", said...)
	}
	for _, said := range [][]string{
		{"alice", "endpoint=ipc:///tmp/door"},
		{"alice", "endpoint=nonsense"},
		{"alice", "endpoint=tcp://192.0.2.1:5555"},
	} {
		r.say(c, wire.Conflict, "DOOR", said...)
	}
	if open := body[wire.Doors](t, r.say(c, wire.OK, "DOORS")); len(open.Doors) != 0 {
		t.Errorf("%+v", open)
	}
}
