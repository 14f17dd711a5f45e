package stream

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Connections that say nothing are probes, closed at once or held for the handshake
// timeout: they are counted, make no event, and are no failure of anybody. One byte
// makes a client of them.
func TestSilentConnectionsAreProbes(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		var mu sync.Mutex
		var events []string
		r := newRig(t, relay, func(c *Config) {
			c.Pairing.HandshakeTimeout = 1500 * time.Millisecond // in which also a busy machine reads a byte
			c.Events = func(e Event) { mu.Lock(); events = append(events, e.Topic+" "+e.Reason); mu.Unlock() }
		})
		for range 20 {
			_ = r.client().Close()
			reset(r.client())
			_ = r.client() // until it is ended
		}
		r.expectReasons(60, pairing.ProbeOnly)
		var failed pairing.Failed
		r.onLoop(func(l *loop) { failed = l.table.FailedSince(l.now(), 10) })
		mu.Lock()
		if failed.Count != 0 || len(events) != 0 {
			t.Errorf("%d have failed, and the events are %q", failed.Count, events)
		}
		mu.Unlock()

		c := r.client()
		send(t, c, signature[:1])
		eventually(t, "a client has ended", func() bool { return len(r.reasons()) == 61 })
		mu.Lock()
		defer mu.Unlock()
		if got := r.reasons()[60]; got != pairing.HandshakeTimeout || !slices.Equal(events, []string{"client.connected ", "client.ended handshake-timeout"}) {
			t.Errorf("it ended with %v, and the events are %q", got, events)
		}
	})
}
