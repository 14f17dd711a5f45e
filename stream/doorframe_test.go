package stream

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
)

func (r *rig) doorAt(identity, endpoint string) DoorInfo {
	r.t.Helper()
	info, err := r.pool.Door(r.t.Context(), identity, endpoint, time.Minute)
	if err != nil {
		r.t.Fatal(err)
	}
	return info
}

func (r *rig) closeDoor(identity string) {
	r.t.Helper()
	if err := r.pool.CloseDoor(r.t.Context(), identity); err != nil {
		r.t.Fatal(err)
	}
}

// A door at the port of another that was shut has its own clients only; the other's go on,
// and the port is given up when all have gone.
func TestDoorWhereAnotherWas(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		r := newRig(t, relay)
		at := r.door("alice", time.Minute).Endpoints[0]
		through := func(identity string) func() {
			c := dialPeer(t, at)
			send(t, c, signature)
			eventually(t, identity+" is here", func() bool { return len(r.clientsNamed(identity)) == 1 })
			return func() { _ = c.Close() }
		}
		aliceLeaves := through("alice")
		r.closeDoor("alice")
		if d := r.doorAt("bob", at); d.Clients != 0 {
			t.Errorf("%d clients came through before it was open", d.Clients)
		}
		bobLeaves := through("bob")
		if d := r.doorAt("bob", ""); d.Clients != 1 || r.snapshot().DoorClients != 2 {
			t.Errorf("%+v of %d", d, r.snapshot().DoorClients)
		}
		r.closeDoor("bob")
		bobLeaves()
		eventually(t, "bob has gone", func() bool { return len(r.clientsNamed("bob")) == 0 })
		aliceLeaves()
		eventually(t, "nothing is left", func() bool {
			left, _ := query(t.Context(), r.pool, func(l *loop) int { return len(l.doors.marked) + len(l.doors.shut) + l.doors.inside })
			return left == 0
		})
		if _, err := r.pool.Door(t.Context(), "carol", at, time.Minute); err != nil {
			t.Error(err)
		}
	})
}

// Who was accepted at a door is of that door, although another has its port before anybody
// has heard of the connection.
func TestDoorOfWhoWasAcceptedBefore(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		at := r.door("alice", time.Minute).Endpoints[0]
		busy, followed := make(chan struct{}), seam.Followed()
		r.pool.post(func() { <-busy })
		c := dialPeer(t, at)
		send(t, c, signature)
		eventually(t, "it is accepted", func() bool { return seam.Followed() > followed })
		opened := make(chan error, 1)
		r.pool.post(func() { r.pool.loop.shutDoor(r.pool.loop.doors.open["alice"]) })
		r.pool.post(func() {
			site, err := siteOf(t.Context(), at)
			if err == nil {
				_, err = r.pool.loop.openFor("bob", at, site, time.Minute)
			}
			opened <- err
		})
		close(busy)
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is here", func() bool { return r.snapshot().Connections == 1 })
		if a, b := r.clientsNamed("alice"), r.clientsNamed("bob"); len(a) != 1 || len(b) != 0 {
			t.Errorf("%d are alice and %d bob", len(a), len(b))
		}
	})
}

// A door that is opened again while the pool is paused lets nobody in before it goes on, and
// by then what a reload has said counts for it.
func TestDoorOpenedAgainIsAsTheOthers(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Relay = RelaySplice })
	at := r.door("alice", time.Minute).Endpoints[0]
	r.closeDoor("alice")
	cfg := r.cfg
	cfg.Relay = RelayStream
	if err := errors.Join(r.pool.Reload(t.Context(), cfg), r.pool.Pause(t.Context())); err != nil {
		t.Fatal(err)
	}
	r.doorAt("bob", at)
	followed := seam.Followed()
	c := dialPeer(t, at)
	send(t, c, signature)
	for range 20 { // turns of the loop, in which it would be accepted
		if r.snapshot(); seam.Followed() != followed {
			t.Fatal("somebody was let in")
		}
		time.Sleep(time.Millisecond)
	}
	if err := r.pool.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bob is here", func() bool { return len(r.clientsNamed("bob")) == 1 })
	if own, _ := query(t.Context(), r.pool, func(l *loop) (own bool) {
		l.table.EachPeer(func(p *pairing.Peer) bool { own = p.Conn.(*conn).own() != nil; return true })
		return own
	}); own {
		t.Error("its connection was taken from libzmq")
	}
}

// When the pool drains no door is open.
func TestNoDoorWhileDraining(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Doors = []DoorConfig{{"listed", "tcp://127.0.0.1:0"}} })
	r.pair() // which the drain waits for
	at := r.door("alice", time.Minute).Endpoints[0]
	r.pool.Drain(time.Minute)
	eventually(t, "they are shut", func() bool { return len(r.doors()) == 0 && r.snapshot().Doors == 0 })
	if listensAt(at) {
		t.Error("it is open")
	}
	if _, err := r.pool.Door(t.Context(), "bob", "", time.Minute); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

// Without a descriptor no door opens, which is said, and nothing stays behind.
func TestDoorWithoutADescriptor(t *testing.T) {
	r := newRig(t)
	r.doorAt("alice", "")
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = 3 // the standard ones; another could be closed meanwhile by what an earlier test has left
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	_, err := r.pool.Door(t.Context(), "bob", "", time.Minute)
	if again := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); again != nil {
		t.Fatal(again)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Errorf("%v", err)
	}
	if got := r.doors(); !slices.Equal(got, []string{"alice"}) {
		t.Errorf("%v", got)
	}
	r.doorAt("bob", "")
}

// A thousand doors that are opened and shut leave nothing behind.
func TestThousandDoors(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) }) // a test keeps what is logged
	fixed := freePort(t)
	round := func(n int) {
		t.Helper()
		for i := range n {
			endpoint := ""
			if i%2 == 0 {
				endpoint = fixed
			}
			r.doorAt("a", endpoint)
			r.closeDoor("a")
			if i%10 == 9 {
				eventually(t, "they have gone", func() bool {
					left, _ := query(t.Context(), r.pool, func(l *loop) int {
						for _, e := range l.doors.shut {
							e.until = min(e.until, l.clock-doorRest) // which nobody waits for a hundred times
						}
						l.doors.look()
						return len(l.doors.marked) + len(l.doors.shut)
					})
					return left == 0
				})
			}
		}
	}
	measure := func() (descriptors, goroutines int, heap uint64) {
		t.Helper()
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return len(all), runtime.NumGoroutine(), m.HeapAlloc
	}
	round(50)
	descriptors, goroutines, heap := measure()
	round(1000)
	eventually(t, "descriptors, goroutines and memory are as before", func() bool {
		d, g, h := measure() // libzmq closes a little later
		return d <= descriptors && g <= goroutines && h <= heap+64<<10
	})
}
