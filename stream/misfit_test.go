package stream

import (
	"context"
	"slices"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
)

// oldest is all that a client of ZMTP 1.0 says unasked: an empty identity.
var oldest = []byte{1, 0}

// slotsSpeak has a pool know what its workers that dial in speak, as from a pair that opened.
func (r *rig) slotsSpeak(mechanism string) {
	r.t.Helper()
	if err := r.pool.answer(context.Background(), func() error { r.pool.loop.mechanism = mechanism; return nil }); err != nil {
		r.t.Fatal(err)
	}
}

// A client whose first bytes would end its pair has none: it costs no slot and no dial, and the next is served.
func TestMisfitCostsNobodyAnything(t *testing.T) {
	takesCURVE := func(c *Config) { c.Mechanisms = []string{"CURVE"} }
	anything := func(*Config) {}
	for name, c := range map[string]struct {
		set             func(*Config)
		speak           string // what slots are known to
		say             []byte
		reason          pairing.Reason
		mechanism, hint string
		slotsOnly       bool
	}{
		"ZMTP 1.0 without CURVE": {
			takesCURVE, "", oldest,
			pairing.MechanismRefused, "NULL", "the pool takes CURVE (mechanisms), and not NULL", false,
		},
		"NULL, where CURVE is taken": {
			takesCURVE, "", nullPeer()[:64],
			pairing.MechanismRefused, "NULL", "the pool takes CURVE (mechanisms), and not NULL", false,
		},
		"no mechanism's name": {
			anything, "", slices.Concat(signature, []byte{3, 1}, []byte("null"), make([]byte, 48)),
			pairing.NotZMTP, "", `the client: not ZMTP: "null` + nulls(16) + `" is no mechanism's name`, false,
		},
		"a command that is none": {
			anything, "", append(nullPeer()[:64:64], "\x04\x05\x04QUIT"...),
			pairing.ProtocolError, "NULL", "the client: an unknown command in NULL, when the other side's last was nothing", false,
		},
		"ZMTP 1.0 at slots that speak CURVE": {
			anything, "CURVE", oldest,
			pairing.ProtocolError, "NULL", "the client: ZMTP 1.0 at a worker that speaks CURVE", true,
		},
		"ERROR at once": {
			anything, "", append(nullPeer()[:64:64], "\x04\x0a\x05ERROR\x03400"...),
			pairing.ClientGaveUp, "NULL", "the client: the client sent ERROR: 400", true,
		},
	} {
		check := func(t *testing.T, r *rig) {
			t.Helper()
			send(t, r.client(), c.say)
			if a := r.oneEnded(); a.Reason != c.reason || a.Hint != c.hint || a.Mechanism != c.mechanism || a.Paired {
				t.Errorf("%v, %q, %q, paired %v", a.Reason, a.Hint, a.Mechanism, a.Paired)
			}
			if s := r.snapshot().Stats; s.PairsTotal+s.Dials != 0 {
				t.Errorf("%d pairs, %d dials", s.PairsTotal, s.Dials)
			}
		}
		t.Run(name+"/slot", func(t *testing.T) {
			r := newRig(t, c.set)
			r.slotsSpeak(c.speak)
			r.slot()
			check(t, r)
			if n := r.snapshot().Stats.Slots; n != 1 {
				t.Errorf("%d slots are left of one", n)
			}
		})
		if c.slotsOnly {
			continue
		}
		t.Run(name+"/dialled", func(t *testing.T) {
			endpoint, _ := listeningWorker(t)
			check(t, newRig(t, withWorker(endpoint), c.set))
		})
	}
}

// nulls are n zero bytes as %q writes them.
func nulls(n int) (text string) {
	for range n {
		text += `\x00`
	}
	return text
}

// Where a worker listens, which need not be guarded, an old client may come to it, whatever the slots speak.
func TestOldClientOfAMixedPool(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, func(c *Config) { c.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: endpoint}} })
	r.slotsSpeak("CURVE")
	client := r.client()
	send(t, client, oldest)
	expect(t, accept(), oldest)
}

// Who waits is refused as soon as it says what would end its pair.
func TestMisfitWhileItWaits(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Mechanisms = []string{"CURVE"} })
	client := r.client()
	send(t, client, signature)
	eventually(t, "it waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
	send(t, client, nullPeer()[len(signature):])
	if a := r.oneEnded(); a.Reason != pairing.MechanismRefused || a.Paired {
		t.Errorf("%v, paired %v", a.Reason, a.Paired)
	}
	if n := r.snapshot().Stats.Waiting; n != 0 {
		t.Errorf("%d wait", n)
	}
}
