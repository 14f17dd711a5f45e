package pairing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// hello is HELLO by an address alone, from there.
func (r *rig) hello(identity, address string) error {
	r.t.Helper()
	_, err := r.Hello(r.now, Hint{Identity: identity, Address: address, Source: address})
	return err
}

// ambiguous fails the test unless err says so.
func (r *rig) ambiguous(err error) (a Ambiguous) {
	r.t.Helper()
	var is *Ambiguous
	if !errors.As(err, &is) {
		r.t.Fatalf("%v is not ambiguous", err)
	}
	return *is
}

const nat = "203.0.113.9"

// newHelloRig has clients that may connect and say nothing for as long as they like.
func newHelloRig(t *testing.T) *rig {
	return newRig(t, func(c *Config) { c.HandshakeTimeout, c.HintTTL = 0, time.Minute })
}

// Without an endpoint HELLO is about the only client without a name from its address,
// or about the next one.
func TestHelloByAddress(t *testing.T) {
	r := newHelloRig(t)
	r.arrive("203.0.113.8", "203.0.113.8:1") // somebody else
	first := r.arrive(nat, nat+":1")
	if err := r.hello("ann", nat); err != nil || r.Peer(first).Identity() != "ann" {
		t.Errorf("the only one: %v, it is %q", err, r.Peer(first).Identity())
	}
	if err := r.hello("bob", nat); err != nil {
		t.Errorf("the next one: %v", err)
	}
	if second := r.arrive(nat, nat+":2"); r.Peer(second).Identity() != "bob" {
		t.Errorf("the next one is %q", r.Peer(second).Identity())
	}
	r.arrive(nat, nat+":3")
	r.now = time.Minute // nobody speaks of one that came so long ago
	if err := r.hello("cyd", nat); err != nil {
		t.Errorf("one that is not meant: %v", err)
	}
	if third := r.arrive(nat, nat+":4"); r.Peer(third).Identity() != "cyd" {
		t.Errorf("one beside it is %q", r.Peer(third).Identity())
	}
	r.arrive(nat, nat+":5")
	if a := r.ambiguous(r.hello("dee", nat)); !a.Several || a.Address != nat {
		t.Errorf("%+v", a)
	}
	if info, known := r.Identity(r.now, "dee"); known {
		t.Errorf("what was refused is held: %+v", info)
	}
	r.sound()
}

// While one waits for the next client of an address, another cannot: neither is given
// to whoever comes, until nobody has tried for as long as a hint is held.
func TestHelloContested(t *testing.T) {
	r := newHelloRig(t)
	if err := errors.Join(r.hello("ann", nat), r.hello("ann", nat)); err != nil {
		t.Errorf("the same twice: %v", err)
	}
	if a := r.ambiguous(r.hello("bob", nat)); a.Several || a.Worker != "" {
		t.Errorf("%+v", a)
	}
	one := r.arrive(nat, nat+":1")
	r.ambiguous(r.hello("ann", nat)) // she is as little known
	r.now = 59 * time.Second
	r.ambiguous(r.hello("bob", nat))
	r.now = 118 * time.Second
	r.Tick(r.now)
	r.ambiguous(r.hello("bob", nat)) // a minute has not gone by without
	r.now = 177 * time.Second
	r.Tick(r.now)
	two := r.arrive(nat, nat+":2")
	for _, id := range []PeerID{one, two} {
		if name := r.Peer(id).Identity(); name != "" {
			t.Errorf("somebody is %q", name)
		}
	}
	r.now = 178 * time.Second
	r.Tick(r.now)
	if h, lost := r.LostHint(); !lost || h.Identity != "ann" || r.Stats(r.now).HintsExpired != 1 {
		t.Errorf("%+v, %v", h, lost)
	}
	r.Gone(r.now, one, Closed)
	if err := r.hello("bob", nat); err != nil || r.Peer(two).Identity() != "bob" {
		t.Errorf("afterwards: %v, it is %q", err, r.Peer(two).Identity())
	}
	r.sound()
}

// Twenty clients of one address say HELLO and connect, each in this order and all at
// once, also those that are refused: none gets another's name.
func TestHelloAtOnce(t *testing.T) {
	named := 0
	for seed := range uint64(300) {
		r := newHelloRig(t)
		random := rand.New(rand.NewPCG(seed, 1))
		const clients = 20
		var ids [clients]PeerID
		var said [clients]bool
		for left := 2 * clients; left > 0; r.now += time.Duration(random.IntN(200)) * time.Millisecond {
			i := random.IntN(clients)
			switch {
			case !said[i]:
				_ = r.hello(fmt.Sprint("id-", i), nat)
				said[i] = true
			case ids[i] == 0:
				ids[i] = r.arrive(nat, fmt.Sprint(nat, ":", i+1))
			default:
				continue
			}
			left--
		}
		for i, id := range ids {
			switch name := r.Peer(id).Identity(); name {
			case fmt.Sprint("id-", i):
				named++
			case "":
			default:
				t.Fatalf("seed %d: client %d is %s", seed, i, name)
			}
		}
		r.sound()
	}
	if named == 0 {
		t.Error("nobody ever gets a name")
	}
}

// Operators know whom they mean: their hints for an address go to those who come, in
// their order, and no HELLO from there changes that.
func TestHelloBesideHint(t *testing.T) {
	r := newHelloRig(t)
	r.Hint(0, Hint{Identity: "ann", Address: nat})
	r.Hint(0, Hint{Identity: "bob", Address: nat})
	r.ambiguous(r.hello("eve", nat))
	for i, want := range []string{"ann", "bob", ""} {
		if got := r.Peer(r.arrive(nat, fmt.Sprint(nat, ":", i))).Identity(); got != want {
			t.Errorf("client %d is %q, not %q", i, got, want)
		}
	}
	r.sound()
}

// Clients of one address that lose their worker before their pairs have opened come
// back in any order: none of them gets the other's name.
func TestHelloAgainAtOnce(t *testing.T) {
	r := newHelloRig(t)
	for i, name := range []string{"ann", "bob"} {
		if err := r.hello(name, nat); err != nil {
			t.Fatal(err)
		}
		id := r.arrive(nat, fmt.Sprint(nat, ":", i))
		r.dialIn("w", fmt.Sprint("10.0.0.1:", i))
		r.ClientReady(r.now, id)
		if p := r.Peer(id); p.Identity() != name || p.Partner() == nil {
			t.Fatalf("%q is %q, %v", name, p.Identity(), p.State())
		}
	}
	var workers []PeerID
	r.EachPeer(func(p *Peer) bool {
		if !p.Client() {
			workers = append(workers, p.ID)
		}
		return true
	})
	for _, w := range workers {
		r.Gone(r.now, w, Closed)
	}
	for i := range 2 {
		if name := r.Peer(r.arrive(nat, fmt.Sprint(nat, ":", 8+i))).Identity(); name != "" {
			t.Errorf("one that came back is %q", name)
		}
	}
	r.sound()
}

// The connections from an address are one worker's. While it has some there, no other
// takes them from it.
func TestHelloOfAnotherWorker(t *testing.T) {
	r := newHelloRig(t)
	of := func(name string) error {
		_, err := r.Hello(r.now, Hint{Identity: name, Address: nat, Worker: true, Source: nat})
		return err
	}
	if err := errors.Join(of("w1"), of("w2")); err != nil {
		t.Errorf("before there is anybody: %v", err)
	}
	r.dialIn(nat, nat+":1")
	if a := r.ambiguous(of("w3")); a.Worker != "w2" {
		t.Errorf("%+v", a)
	}
	if err := of("w2"); err != nil {
		t.Errorf("again: %v", err)
	}
	r.Bye(r.now, "w2")
	if err := of("w3"); err != nil {
		t.Errorf("after BYE: %v", err)
	}
	r.dialIn(nat, nat+":2")
	if all := r.Workers(); len(all) != 1 || all[0].Name != "w3" {
		t.Errorf("%+v", all)
	}
	r.sound()
}

// TestForgottenContestNothing: identities that were contested and whose time is over
// take nothing from one that waits from now on, be they forgotten already or not.
func TestForgottenContestNothing(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintTTL = 10 * time.Second })
	r.add(WorkerConfig{Name: "w"})
	hello := func(identity string) {
		_, _ = r.Hello(r.now, Hint{Identity: identity, Address: "10.0.0.1", Source: "10.0.0.1"})
	}
	hello("ann")
	hello("bob")
	r.now += 10 * time.Second // nobody has called Tick
	hello("cyd")
	if c, _, _ := r.come("10.0.0.1"); r.Peer(c).Identity() != "cyd" {
		t.Errorf("the client is %q", r.Peer(c).Identity())
	}
}

// Where workers have to be named only named connections are slots, whether the hint or
// the greeting comes first; others end. What HELLO says of weight and maximum holds.
func TestWorkersHaveToBeNamed(t *testing.T) {
	r := newRig(t, func(c *Config) { c.RequireWorkerHello, c.HandshakeTimeout, c.SlotMaxAge = true, 5*time.Second, 0 })
	r.dialIn("10.0.0.8", "10.0.0.8:1")
	if s := r.Stats(r.now); s.Slots != 0 || r.Usable() {
		t.Errorf("a stranger is a slot: %+v", s)
	}
	first := r.dialIn("10.0.0.9", "10.0.0.9:1")
	if _, err := r.Hello(r.now, Hint{Identity: "w1", Endpoint: "10.0.0.9:1", Worker: true, Weight: 3, MaxPairs: 7}); err != nil {
		t.Fatal(err)
	}
	if p := r.Peer(first); p.State() != PeerSlot || p.Worker() != "w1" {
		t.Errorf("it is %v of %s", p.State(), p.Worker())
	}
	if w := r.worker("w1"); w.Weight != 3 || w.MaxPairs != 7 {
		t.Errorf("%+v", w)
	}
	if _, err := r.Hello(r.now, Hint{Identity: "w2", Address: "10.0.0.10", Worker: true}); err != nil {
		t.Fatal(err)
	}
	r.dialIn("10.0.0.10", "10.0.0.10:1")
	if w := r.worker("w2"); w.Slots != 1 {
		t.Errorf("%+v", w)
	}
	r.sound()
	r.now = 5 * time.Second
	r.Tick(r.now)
	if s := r.Stats(r.now); s.Slots != 2 || s.WorkerPeers[PeerConnected] != 0 {
		t.Errorf("the stranger is still there: %+v", s)
	}
	r.sound()
}
