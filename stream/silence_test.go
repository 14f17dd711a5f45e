package stream

import (
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A client that has shown its signature and is silent keeps a worker that shakes hands with
// one at a time from the next for 2 to 4 s, and not for the handshake's time; the next
// waits meanwhile, and the worker has one connection.
func TestSilentClientMakesRoom(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		t.Parallel()
		endpoint, accept := listeningWorker(t)
		r := newRig(t, relay, withWorker(endpoint), func(c *Config) { c.Workers[0].MaxHandshakes, c.Pairing.HandshakeTimeout = 1, time.Hour })
		silent := r.client()
		send(t, silent, signature)
		first := accept()
		send(t, first, nullPeer()[:64])
		expect(t, silent, nullPeer()[:64])
		good := r.client()
		send(t, good, nullPeer())
		eventually(t, "the next waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
		second := accept()
		expectEnd(t, silent)
		expect(t, second, nullPeer())
		send(t, second, nullPeer())
		expect(t, good, nullPeer())
		r.expectReasons(1, pairing.HandshakeTimeout)
		if s := r.snapshot().Workers[0]; s.Pairs != 1 || s.State != pairing.Ready {
			t.Errorf("%+v", s)
		}
	})
}
