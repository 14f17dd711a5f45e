package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/internal/freeport"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// freePort is an endpoint that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Next(1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("tcp://127.0.0.1:%d", port)
}

// A configuration with a door that cannot be opened is refused, whatever else it says: every
// door, also one whose port would have been another's, and every worker stay as they are.
func TestReloadWithADoorThatCannotBe(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		stays, goes, moves, isNew := freePort(t), freePort(t), freePort(t), freePort(t)
		everywhere := strings.Replace(moves, "127.0.0.1", "*", 1)
		r := newRig(t, relay, func(c *Config) {
			c.Doors = []DoorConfig{{"stays", stays}, {"goes", goes}, {"moves", moves}}
		})
		other, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		taken := "tcp://" + other.Addr().String()
		worker, _ := listeningWorker(t)
		cfg := r.cfg
		cfg.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: worker}}
		cfg.Doors = []DoorConfig{{"stays", stays}, {"new", isNew}, {"heir", goes}, {"moves", everywhere}, {"late", taken}}
		err = r.pool.Reload(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), `the door of "late" at `+taken+`: address already in use`) {
			t.Errorf("%v", err)
		}
		if got := r.doors(); !slices.Equal(got, []string{"goes", "moves", "stays"}) {
			t.Errorf("%v", got)
		}
		for _, at := range []string{stays, goes, moves} {
			if !listensAt(at) {
				t.Errorf("%s is shut", at)
			}
		}
		if listensAt(isNew) {
			t.Error("a new door is open")
		}
		c := dialPeer(t, goes)
		send(t, c, signature)
		eventually(t, "its client", func() bool { return len(r.clientsNamed("goes")) == 1 })
		if w := r.snapshot().Workers; len(w) != 0 {
			t.Errorf("%+v", w)
		}

		_ = other.Close()
		if err := r.pool.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if got := r.doors(); !slices.Equal(got, []string{"heir", "late", "moves", "new", "stays"}) {
			t.Errorf("%v", got)
		}
		for name, at := range map[string]string{"stays": stays, "new": isNew, "heir": goes, "moves": moves, "late": taken} {
			send(t, dialPeer(t, at), signature)
			eventually(t, name+" is here", func() bool { return len(r.clientsNamed(name)) == 1 })
		}
	})
}

// The doors of a configuration and those of operators are no more than there may be.
func TestReloadWithTooManyDoors(t *testing.T) {
	r := newRig(t, func(c *Config) { c.DoorMax = 2 })
	r.door("operator", time.Minute)
	cfg := r.cfg
	cfg.Doors = []DoorConfig{{"one", freePort(t)}, {"two", freePort(t)}}
	if err := r.pool.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "2 in the configuration and 1 of operators, and door-max is 2") {
		t.Error(err)
	}
	if got := r.doors(); !slices.Equal(got, []string{"operator"}) {
		t.Errorf("%v", got)
	}
	cfg.Doors[1].Identity = "operator" // takes the place of his
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := r.pool.CloseDoor(t.Context(), "operator"); err == nil {
		t.Error("a door of the configuration is closed")
	}
}

// What was prepared keeps doors as they are, and is dropped without a trace.
func TestPreparedDoors(t *testing.T) {
	leaves, comes := freePort(t), freePort(t)
	r := newRig(t, func(c *Config) { c.Doors = []DoorConfig{{"a", leaves}} })
	cfg := r.cfg
	cfg.Doors = []DoorConfig{{"b", leaves}, {"c", comes}}
	change, err := r.pool.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.pool.Door(t.Context(), "d", "", time.Minute); err == nil || !strings.Contains(err.Error(), "a reload is under way") {
		t.Error(err)
	}
	if _, err := r.pool.Prepare(t.Context(), cfg); err == nil {
		t.Error("a second one is prepared")
	}
	early := dialPeer(t, leaves) // waits until it is known whose the door is
	accepted := seam.Followed()
	if err := errors.Join(r.pool.Pause(t.Context()), r.pool.Resume(t.Context())); err != nil {
		t.Fatal(err)
	}
	for range 20 { // turns of the loop, in which it would be accepted
		if r.snapshot(); seam.Followed() != accepted {
			t.Fatal("somebody was let in")
		}
		time.Sleep(time.Millisecond)
	}
	change.Drop()
	send(t, early, signature)
	eventually(t, "it is a's", func() bool { return len(r.clientsNamed("a")) == 1 })
	if listensAt(comes) || !slices.Equal(r.doors(), []string{"a"}) {
		t.Errorf("%v", r.doors())
	}
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	send(t, dialPeer(t, leaves), signature)
	eventually(t, "now it is b's", func() bool { return len(r.clientsNamed("b")) == 1 && len(r.clientsNamed("a")) == 1 })
	change, err = r.pool.Prepare(t.Context(), r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.pool.Drain(time.Minute)
	if err := change.Apply(t.Context()); err == nil {
		t.Error("a pool that drains is reloaded")
	}
}

// A door of an operator's that is to become the configuration's does so, although its time is up before all pools are
// prepared.
func TestDoorWhoseTimeIsUpInAReload(t *testing.T) {
	r := newRig(t)
	at := r.door("operator", 50*time.Millisecond).Endpoints[0]
	cfg := r.cfg
	cfg.Doors = []DoorConfig{{"operator", at}}
	change, err := r.pool.Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // nothing can be waited for that must not happen
	if err := change.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.doors(); !slices.Equal(got, []string{"operator"}) || !listensAt(at) {
		t.Errorf("%v, listens: %v", got, listensAt(at))
	}
}

// Only where the configuration has changed a worker, what it says counts, also against an operator's word.
func TestReloadOfASteeredWorker(t *testing.T) {
	first, _ := listeningWorker(t)
	second, _ := listeningWorker(t)
	r := newRig(t, func(c *Config) {
		c.Workers = []pairing.WorkerConfig{{Name: "removed", Endpoint: first}, {Name: "same", Endpoint: first}}
	})
	good := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	good(r.pool.RemoveWorker(t.Context(), "removed"))
	good(r.pool.RemoveWorker(t.Context(), "same"))
	for _, name := range []string{"moved", "heavy"} {
		good(r.pool.AddWorker(t.Context(), pairing.WorkerConfig{Name: name, Endpoint: first}))
		good(r.pool.SetWorkerState(t.Context(), name, pairing.Draining))
	}
	cfg := r.cfg
	cfg.Workers = []pairing.WorkerConfig{
		{Name: "removed", Endpoint: first, Weight: 3}, // which the configuration says anew
		{Name: "same", Endpoint: first},
		{Name: "moved", Endpoint: second},
		{Name: "heavy", Endpoint: first, Weight: 5, MaxPairs: 7},
	}
	good(r.pool.Reload(t.Context(), cfg))
	var got []string
	for _, w := range r.snapshot().Workers {
		got = append(got, strings.Join([]string{w.Name, w.Endpoint, w.State.String(), string(rune('0' + w.Weight)), string(rune('0' + w.MaxPairs))}, " "))
	}
	want := []string{"heavy " + first + " draining 5 7", "moved " + second + " ready 1 0", "removed " + first + " ready 3 0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
