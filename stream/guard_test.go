package stream

import (
	"bytes"
	"testing"
)

// However much a client says while its READY is withheld, little of it is kept, and its worker has all of it at last.
func TestWithheldIsLittle(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, func(c *Config) { c.PairBuffer = MinPairBuffer })
		worker, client := r.slot(), r.client()
		words := unasked("3.1", 4<<20)
		go func() { _, _ = client.Write(words); endSending(client) }()
		kept := 0
		eventually(t, "it is left unread", func() (paused bool) {
			r.onLoop(func(l *loop) {
				if c, _ := l.sides(); c != nil && c.flow != nil {
					kept, paused = len(c.flow.shaking.withheld), c.paused
				}
			})
			return paused
		})
		most := maxEarly + readBuffer
		if r.cfg.Relay == RelayStream { // what libzmq may have read by then
			most = maxEarly + int(share(r.cfg.PairBuffer)) + firstReads*readChunk
		}
		if kept > most {
			t.Errorf("%d bytes are withheld, want %d at most", kept, most)
		}
		send(t, worker, nullPeer()[len(signature):])
		if got := expectEnd(t, worker); !bytes.Equal(got, words) {
			t.Errorf("got %d bytes of %d, or not the same ones", len(got), len(words))
		}
	})
}
