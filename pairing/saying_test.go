package pairing

import (
	"slices"
	"testing"
	"time"
)

// newSharedRig is one that asks others who its clients are.
func newSharedRig(t *testing.T) *rig {
	return newRig(t, func(c *Config) { c.SharedWait, c.HintTTL, c.HintMax = 20*time.Millisecond, time.Minute, 100 })
}

// unnamed has a client come that is ready, and says whether others are asked who it is.
func (r *rig) unnamed(address, endpoint string) (id PeerID, asked bool) {
	id = r.arrive(address, endpoint)
	return id, has(r.ClientReady(r.now, id), Identify)
}

func has(actions []Action, op Op) bool {
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Op == op })
}

// knowing is what others say who know all that was said here until now.
func (r *rig) knowing(s Saying) Heard { return Heard{Saying: s, Known: true, Until: r.now + 1} }

func (r *rig) is(id PeerID, identity string) {
	r.t.Helper()
	if p := r.Peer(id); p == nil || p.Identity() != identity {
		r.t.Errorf("%d is %+v, not %q", id, p, identity)
	}
}

// TestSaidElsewhere: a client is who others say that it is, and what is said of it counts.
func TestSaidElsewhere(t *testing.T) {
	r := newSharedRig(t)
	for _, said := range []Saying{
		{Endpoint: "10.0.0.1:1", Identity: "ann", Prefer: []string{"w2"}, Hello: true},
		{Address: "10.0.0.1", Identity: "bob", Prefer: []string{"w2"}},
	} {
		id, asked := r.unnamed("10.0.0.1", "10.0.0.1:1")
		if !asked || !r.Peer(id).isHeld() {
			t.Fatal("nobody is asked")
		}
		r.Identified(r.now, id, r.knowing(said))
		r.is(id, said.Identity)
		if is, _ := r.Identity(r.now, said.Identity); !slices.Equal(is.Prefer, said.Prefer) || r.Peer(id).isHeld() {
			t.Errorf("it is %+v", is)
		}
		r.End(r.now, id, Kicked)
	}
	id, _ := r.unnamed("10.0.0.1", "10.0.0.1:1")
	r.Identified(r.now, id, r.knowing(Saying{Address: "10.0.0.1"}))
	if r.is(id, ""); r.Peer(id).isHeld() {
		t.Error("it waits still")
	}
}

// TestTakenElsewhere: what is said here of the next client from an address is used up by one that came elsewhere; while
// others tell nothing it is not.
func TestTakenElsewhere(t *testing.T) {
	for _, one := range []struct {
		what string
		is   func(r *rig) Heard
		want string
	}{
		{"taken", func(r *rig) Heard { return r.knowing(Saying{Address: nat}) }, ""},
		{"others do not tell", func(*rig) Heard { return Heard{} }, "ann"},
		{"they have lost it", func(r *rig) Heard {
			return Heard{Saying: Saying{Address: nat}, Known: true, Since: r.now, Until: r.now + 1}
		}, "ann"},
		{"it was said since", func(*rig) Heard { return Heard{Saying: Saying{Address: nat}, Known: true, Until: 0} }, "ann"},
		{"another has it", func(r *rig) Heard { return r.knowing(Saying{Address: nat, Identity: "bob"}) }, "bob"},
	} {
		r := newSharedRig(t)
		if err := r.hello("ann", nat); err != nil {
			t.Fatal(err)
		}
		r.now = time.Second
		id, _ := r.unnamed(nat, nat+":1")
		r.is(id, "")
		r.Identified(r.now, id, one.is(r))
		if p := r.Peer(id); p.Identity() != one.want {
			t.Errorf("%s: it is %q", one.what, p.Identity())
		}
	}
	r := newSharedRig(t)
	if err := r.hello("ann", nat); err != nil {
		t.Fatal(err)
	}
	id, _ := r.unnamed(nat, nat+":1")
	r.now += 20 * time.Millisecond // and nobody has answered
	r.Tick(r.now)
	r.is(id, "ann")
}

// TestContestedElsewhere: who cannot be told from another who has said HELLO elsewhere gets no name, and is told so.
func TestContestedElsewhere(t *testing.T) {
	say := func(r *rig, is Heard) ([]Action, error) {
		return r.HelloAfter(r.now, Hint{Identity: "bob", Address: nat, Source: nat}, is)
	}
	contested := func(a Action) bool { return a.Op == Say && a.Saying.Contested && a.Saying.Address == nat }
	for _, said := range []Saying{{Address: nat, Contested: true}, {Address: nat, Identity: "ann", Hello: true}} {
		r := newSharedRig(t)
		actions, err := say(r, r.knowing(said))
		r.ambiguous(err)
		if !slices.ContainsFunc(actions, contested) {
			t.Errorf("others are told %v", actions)
		}
		id, _ := r.unnamed(nat, nat+":1")
		r.Identified(r.now, id, r.knowing(Saying{Address: nat, Contested: true}))
		r.is(id, "")
	}
	r := newSharedRig(t)
	if err := r.hello("ann", nat); err != nil {
		t.Fatal(err)
	}
	r.now = time.Second // ann has come elsewhere: nobody is in the way of bob
	actions, err := say(r, r.knowing(Saying{Address: nat}))
	if err != nil || !slices.ContainsFunc(actions, func(a Action) bool { return a.Op == Say && a.Saying.Identity == "bob" }) {
		t.Errorf("%v, %v", actions, err)
	}
}

// TestNameForNobody: a name that was taken for a client that has gone waits for the next one.
func TestNameForNobody(t *testing.T) {
	r := newSharedRig(t)
	id, _ := r.unnamed(nat, nat+":1")
	r.End(r.now, id, Kicked)
	actions := r.Identified(r.now, id, r.knowing(Saying{Address: nat, Identity: "ann", Hello: true}))
	if !has(actions, Say) {
		t.Errorf("others are told %v", actions)
	}
	id, _ = r.unnamed(nat, nat+":2")
	r.Identified(r.now, id, Heard{})
	r.is(id, "ann")
}

// TestAskedAgain: who must have a name is asked for until it has one.
func TestAskedAgain(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.SharedWait, c.HintTTL, c.HintMax, c.RequireHello, c.HintWait = 20*time.Millisecond, time.Minute, 100, true, time.Second
	})
	id, _ := r.unnamed(nat, nat+":1")
	for range 3 {
		if actions := r.Identified(r.now, id, r.knowing(Saying{Address: nat})); !has(actions, Identify) || !actions[0].Again {
			t.Fatalf("it did %v", actions)
		}
	}
	r.Identified(r.now, id, r.knowing(Saying{Endpoint: nat + ":1", Identity: "ann", Hello: true}))
	r.is(id, "ann")
	other, _ := r.unnamed(nat, nat+":2")
	r.now += time.Second
	if actions := r.Tick(r.now); !slices.ContainsFunc(actions, func(a Action) bool { return a.Peer == other && a.Reason == HeartbeatExpired }) {
		t.Errorf("it did %v", actions)
	}
}
