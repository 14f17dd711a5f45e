package stream

import (
	"net"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/pacing"
)

// waitedFor says how many connections are waited for, and whether their pair is
// the only one that says something.
func (r *rig) waitedFor() (talkers int, alone bool) {
	r.t.Helper()
	_, err := query(r.t.Context(), r.pool, func(l *loop) struct{} {
		alone = l.gathering.lone()
		l.table.EachPeer(func(p *pairing.Peer) bool {
			if l.gathering.many(p.Conn.(*conn), &run{more: true}) {
				talkers++
			}
			return true
		})
		return struct{}{}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return talkers, alone
}

func (r *rig) expectGathering(when string, talkers int, alone bool) {
	r.t.Helper()
	if n, lone := r.waitedFor(); n != talkers || lone != alone {
		r.t.Errorf("%s: %d connections are waited for, alone: %v; want %d, %v", when, n, lone, talkers, alone)
	}
}

// Only who says much without an answer is waited for, if its partner is direct
// only while no other pair is kept waiting by that.
func TestGathersFromWhoSaysMuch(t *testing.T) {
	t.Run("dialling", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Relay = RelayStream })
		testGathers(t, r, r.pair, 1)
	})
	t.Run("listening", func(t *testing.T) {
		endpoint, accept := listeningWorker(t)
		r := newRig(t, withWorker(endpoint), func(c *Config) { c.Relay = RelayStream })
		testGathers(t, r, func() (client, worker net.Conn) { return r.dialledPair(accept) }, 0)
	})
}

// disturbed is how many are waited for beside another pair.
func testGathers(t *testing.T, r *rig, pair func() (client, worker net.Conn), disturbed int) {
	client, worker := pair()
	other, _ := pair()
	pass := func(from, to net.Conn, n int) {
		t.Helper()
		send(t, from, make([]byte, n))
		expect(t, to, make([]byte, n))
	}
	for range 2 {
		pass(client, worker, pacing.GatherAfter)
		pass(worker, client, 1)
	}
	r.expectGathering("asked and answered", 0, false)
	pass(client, worker, pacing.GatherAfter)
	pass(client, worker, 1)
	r.expectGathering("much was said", disturbed, false)
	for range pacing.GatherAlone / pacing.GatherAfter {
		pass(client, worker, pacing.GatherAfter)
	}
	r.expectGathering("nobody else spoke for long", 1, true)
	send(t, other, []byte{1})
	eventually(t, "the other pair is heard of", func() bool { _, alone := r.waitedFor(); return !alone })
	r.expectGathering("another pair spoke", disturbed, false)
	pass(worker, client, 1)
	r.expectGathering("much was answered", 0, false)
}
