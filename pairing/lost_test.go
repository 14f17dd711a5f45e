package pairing

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// arrive has a client connect, and nothing more.
func (r *rig) arrive(address, endpoint string) PeerID {
	r.t.Helper()
	r.next++
	r.ClientConnected(r.now, r.next, Origin{Address: address, Endpoint: endpoint}, nil)
	return r.next
}

// A hint whose connection does not come is counted and told, with who came instead.
func TestLostHint(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintTTL, c.HandshakeTimeout = time.Minute, 0 })
	r.arrive("203.0.113.1", "203.0.113.1:1") // before anybody said anything
	r.now = time.Second
	r.Hint(r.now, Hint{Identity: "ann", Endpoint: "10.0.0.7:40112", Source: "203.0.113.9"})
	for i := range 6 {
		r.now += time.Second
		r.arrive("203.0.113.9", fmt.Sprint("203.0.113.9:", i))
	}
	r.Hint(r.now, Hint{Identity: "bob", Endpoint: "203.0.113.9:5"}) // has a name after all
	r.arrive("localhost:0:1:2", "")
	r.dialIn("10.0.0.8", "10.0.0.8:1") // is no client
	if _, lost := r.LostHint(); lost || r.Stats(r.now).HintsExpired != 0 {
		t.Error("it is lost before its time")
	}
	r.now = 61 * time.Second
	if at, ok := r.Deadline(); !ok || at != 61*time.Second+lostSlack {
		t.Errorf("it is looked for at %v, %v", at, ok)
	}
	r.Tick(r.now)
	want := []string{"localhost:0:1:2", "203.0.113.9:4", "203.0.113.9:3", "203.0.113.9:2"}
	h, lost := r.LostHint()
	if !lost || h.Identity != "ann" || h.Endpoint != "10.0.0.7:40112" || h.Address != "" || h.Worker || !slices.Equal(h.Came, want) {
		t.Errorf("%+v, %v, want %q", h, lost, want)
	}
	if _, again := r.LostHint(); again || r.Stats(r.now).HintsExpired != 1 {
		t.Error("it is told twice, or counted wrongly")
	}
	r.sound()
}

// Of workers' connections those are told that have no name, too.
func TestLostHintOfWorker(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintTTL = time.Minute })
	r.Hint(0, Hint{Identity: "w1", Endpoint: "10.0.0.7:1", Worker: true})
	r.arrive("10.0.0.9", "10.0.0.9:1")
	r.dialIn("10.0.0.8", "10.0.0.8:1")
	r.now = time.Minute
	r.Tick(r.now)
	if h, lost := r.LostHint(); !lost || !h.Worker || !slices.Equal(h.Came, []string{"10.0.0.8:1"}) {
		t.Errorf("%+v, %v", h, lost)
	}
}

// What is used, taken back, pushed out or only a preference is not lost.
func TestNotLost(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintTTL, c.HintMax = time.Minute, 2 })
	r.Hint(0, Hint{Identity: "used", Endpoint: "10.0.0.1:1"})
	r.arrive("10.0.0.1", "10.0.0.1:1")
	r.Hint(0, Hint{Identity: "back", Address: "10.0.0.2"})
	r.Unhint(0, "back")
	r.Hint(0, Hint{Identity: "prefers", Prefer: []string{"w1"}})
	for i := range 3 { // of which the first makes room
		r.Hint(0, Hint{Identity: fmt.Sprint("id-", i), Address: "10.0.0.3"})
	}
	r.now = 30 * time.Second
	r.Hint(r.now, Hint{Identity: "id-2", Address: "10.0.0.3"}) // said again
	r.now = time.Minute
	r.Tick(r.now)
	if n := r.Stats(r.now).HintsExpired; n != 1 {
		t.Errorf("%d are lost, not id-1 alone", n)
	}
	if h, _ := r.LostHint(); h.Identity != "id-1" || h.Address != "10.0.0.3" {
		t.Errorf("%+v", h)
	}
	r.now = 90 * time.Second
	r.Tick(r.now)
	if n := r.Stats(r.now).HintsExpired; n != 2 {
		t.Errorf("%d are lost, not id-2, too", n)
	}
	r.sound()
}
