package stream

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

func (r *rig) door(identity string, ttl time.Duration) DoorInfo {
	r.t.Helper()
	info, err := r.pool.Door(r.t.Context(), identity, "", ttl)
	if err != nil {
		r.t.Fatal(err)
	}
	return info
}

func (r *rig) doors() (identities []string) {
	r.t.Helper()
	all, err := r.pool.Doors(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, d := range all {
		identities = append(identities, d.Identity)
	}
	return identities
}

func (r *rig) clientsNamed(identity string) (ids []pairing.PeerID) {
	r.t.Helper()
	page, err := r.pool.Page(r.t.Context(), pairing.Selection{Max: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range page.Peers {
		if p.Identity == identity {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Clients of one address have the identity of the door that they come through, although a
// hint waits for the next client from there; and keep it, and their pair, when it is shut.
func TestDoorNamesWhoComesThrough(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		r := newRig(t, relay)
		if err := r.pool.Hint(t.Context(), pairing.Hint{Identity: "mallory", Address: "127.0.0.1"}); err != nil {
			t.Fatal(err)
		}
		var through []net.Conn
		for i, name := range []string{"alice", "bob", "alice"} {
			c := dialPeer(t, r.door(name, time.Minute).Endpoints[0])
			send(t, c, signature)
			through = append(through, c)
			eventually(t, "it waits behind the others", func() bool { return r.snapshot().Stats.Waiting == i+1 })
		}
		if a, b, m := r.clientsNamed("alice"), r.clientsNamed("bob"), r.clientsNamed("mallory"); len(a) != 2 || len(b) != 1 || len(m) != 0 {
			t.Fatalf("%d are alice, %d bob and %d mallory", len(a), len(b), len(m))
		}
		at := r.door("alice", time.Minute)
		if err := r.pool.CloseDoor(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		if listensAt(at.Endpoints[0]) || at.Clients != 2 || !slices.Equal(r.doors(), []string{"bob"}) {
			t.Errorf("a door with %d clients is open yet, or counts wrong: %v", at.Clients, r.doors())
		}
		for _, c := range through {
			w := r.worker()
			send(t, w, signature)
			expect(t, c, signature)
			expect(t, w, signature)
		}
	})
}

// A door that is shut, by its time or by hand, leaves nothing behind once its clients have
// gone, and another may be opened at once, also at its very endpoint.
func TestDoorLeavesNothingBehind(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		r := newRig(t, relay, func(c *Config) { c.DoorMax = 1 })
		at := r.door("alice", 50*time.Millisecond).Endpoints[0]
		eventually(t, "its time is up", func() bool { return len(r.doors()) == 0 })
		if listensAt(at) {
			t.Error("it is open")
		}
		if _, err := r.pool.Door(t.Context(), "bob", at, time.Minute); err != nil {
			t.Fatal(err)
		}
		c := dialPeer(t, at)
		send(t, c, signature)
		eventually(t, "bob is here", func() bool { return len(r.clientsNamed("bob")) == 1 })
		if _, err := r.pool.Door(t.Context(), "carol", "", time.Minute); !errors.Is(err, ErrDoorsFull) {
			t.Error(err)
		}
		if err := r.pool.CloseDoor(t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		if err := r.pool.CloseDoor(t.Context(), "bob"); !errors.Is(err, ErrNoDoor) {
			t.Error(err)
		}
		_ = c.Close()
		eventually(t, "its listeners are closed", func() bool {
			left, _ := query(t.Context(), r.pool, func(l *loop) int { return len(l.doors.marked) + len(l.doors.shut) })
			return left == 0
		})
		if bound, _ := r.pool.Bound(); !listensAt(bound[0]) {
			t.Error("the frontend has gone with it")
		}
	})
}

// Many doors come and go, each of another identity, and whoever comes through one of them
// is never somebody else.
func TestDoorsOneAfterAnother(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		name := []string{"a", "b", "c"}[i%3]
		c := dialPeer(t, r.door(name, time.Minute).Endpoints[0])
		eventually(t, "it has come", func() bool { return len(r.clientsNamed(name)) == 1 })
		if err := r.pool.CloseDoor(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		eventually(t, "it has gone", func() bool { return len(r.clientsNamed(name)) == 0 })
	}
}

// The doors of the configuration stay, and only a reload closes one.
func TestDoorsOfTheConfiguration(t *testing.T) {
	at := func(port string) string { return "tcp://127.0.0.1:" + port }
	port := strings.TrimPrefix(freePort(t), at(""))
	r := newRig(t, func(c *Config) { c.Doors = []DoorConfig{{"alice", at(port)}} })
	if info := r.door("alice", time.Minute); !info.Listed || info.Left != 0 || info.Endpoints[0] != at(port) {
		t.Errorf("%+v", info)
	}
	if err := r.pool.CloseDoor(t.Context(), "alice"); !errors.Is(err, ErrDoorListed) {
		t.Error(err)
	}
	cfg := r.cfg
	cfg.Doors = []DoorConfig{{"bob", at(port)}}
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := r.doors(); !slices.Equal(got, []string{"bob"}) || !listensAt(at(port)) {
		t.Errorf("%v", got)
	}
	send(t, dialPeer(t, at(port)), signature)
	eventually(t, "bob is here", func() bool { return len(r.clientsNamed("bob")) == 1 })
	cfg.Doors = nil
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is shut", func() bool { return !listensAt(at(port)) && len(r.doors()) == 0 })
}

// The listener of a door is a descriptor, also while the door is shut and somebody is inside.
func TestDoorsAreCounted(t *testing.T) {
	r := newRig(t)
	before := r.snapshot().Descriptors
	at := r.door("alice", time.Minute).Endpoints[0]
	c := dialPeer(t, at)
	send(t, c, signature)
	eventually(t, "alice is here", func() bool { return len(r.clientsNamed("alice")) == 1 })
	r.closeDoor("alice")
	if n := r.snapshot().Descriptors - before; n != 2 {
		t.Errorf("%d descriptors are counted, of a client and a door", n)
	}
	_ = c.Close()
	eventually(t, "the door is taken away", func() bool { return r.snapshot().Descriptors == before })
}

// A port of a multicast address can be listened at, and reached by nobody.
func TestDoorAtAMulticastAddress(t *testing.T) {
	r := newRig(t)
	for _, at := range []string{"tcp://239.1.2.3:5999", "tcp://255.255.255.255:5999", "tcp://[ff02::1]:5999"} {
		if _, err := r.pool.Door(t.Context(), "alice", at, time.Minute); err == nil || !strings.Contains(err.Error(), "nobody can connect") {
			t.Errorf("%s: %v", at, err)
		}
	}
	if d := r.doors(); len(d) > 0 {
		t.Errorf("%v", d)
	}
}

// Who has an endpoint that a door cannot have is said, and found by whoever says it: the pool goes on meanwhile.
func TestWhoHasADoorsEndpointIsFoundOutsideTheLoop(t *testing.T) {
	r := newRig(t)
	frontend, _ := r.pool.Bound()
	taken := frontend[0]
	cfg := r.cfg
	cfg.Doors = []DoorConfig{{"alice", taken}}
	for what, err := range map[string]error{
		"a door":          doorError(r.pool.Door(t.Context(), "alice", taken, time.Minute)),
		"a configuration": r.pool.Reload(t.Context(), cfg),
	} {
		var e *takenError
		if !errors.As(err, &e) || !errors.Is(err, unix.EADDRINUSE) {
			t.Fatalf("%s: %v", what, err)
		}
		if e.by != nil {
			t.Errorf("%s: the loop has read /proc", what)
		}
		if !strings.Contains(err.Error(), "in use by this process") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func doorError(_ DoorInfo, err error) error { return err }
