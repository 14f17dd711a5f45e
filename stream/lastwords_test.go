package stream

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// unasked is all that a peer says that waits for no answer, of a version of ZMTP: so many bytes at least.
func unasked(version string, size int) []byte {
	words := map[string][]byte{
		"1.0": {1, 0},
		"2.0": append(bytes.Clone(signature), 1, 5, 0, 0),
		"3.1": nullPeer(),
	}[version]
	for n := 0; len(words) < size; n++ {
		body := noise(byte(n), 100)
		header := []byte{0, byte(len(body))}
		if version == "1.0" {
			header = []byte{byte(len(body)) + 1, 0}
		}
		words = append(append(words, header...), body...)
	}
	return words
}

// eachLastWords runs a test on each relay, over each network, with each version, and with less and more than
// is read of somebody who waits, but no more than TCP sends at once: what a peer has not sent when its answer comes it
// never sends. greeting is what the partner says.
func eachLastWords(t *testing.T, test func(t *testing.T, network string, where func(*Config), greeting, words []byte)) {
	for _, relay := range []Relay{RelaySplice, RelayStream} {
		for _, network := range anyNetwork {
			for _, version := range []string{"1.0", "2.0", "3.1"} {
				for _, size := range []int{300, 30_000} {
					t.Run(fmt.Sprintf("%v, %s, %s, %d bytes", relay, network, version, size), func(t *testing.T) {
						where := func(c *Config) { c.Relay = relay; boundOver(t, network)(c) }
						test(t, network, where, unasked(version, 0), unasked(version, size))
					})
				}
			}
		}
	}
}

// sayAndClose is who says everything unasked and closes at once.
func sayAndClose(t *testing.T, c net.Conn, words []byte) {
	t.Helper()
	send(t, c, words)
	_ = c.Close()
}

// slotSaying is a worker that has dialled in, has said that much, and waits.
func (r *rig) slotSaying(words []byte) net.Conn {
	r.t.Helper()
	worker := r.worker()
	send(r.t, worker, words)
	eventually(r.t, "the worker is a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	return worker
}

// Nothing is lost of what a client says that has closed at once: not where a slot waits, nor where a worker
// is dialled, nor where one comes later.
func TestLastWordsOfAClient(t *testing.T) {
	eachLastWords(t, func(t *testing.T, network string, where func(*Config), greeting, words []byte) {
		t.Run("slot", func(t *testing.T) {
			r := newRig(t, where)
			worker := r.slotSaying(greeting)
			sayAndClose(t, r.client(), words)
			r.expectLastWords(worker, words)
		})
		t.Run("slot that comes later", func(t *testing.T) {
			r := newRig(t, where)
			sayAndClose(t, r.client(), words)
			r.expectKept(pairing.PeerWaiting)
			worker := r.worker()
			send(t, worker, greeting)
			r.expectLastWords(worker, words)
		})
		t.Run("worker that listens", func(t *testing.T) {
			endpoint, accept := listeningWorkerOver(t, network)
			r := newRig(t, where, withWorker(endpoint))
			sayAndClose(t, r.client(), words)
			worker := accept()
			send(t, worker, greeting)
			r.expectLastWords(worker, words)
		})
		t.Run("worker that listens later", func(t *testing.T) {
			endpoint, accept := listeningWorkerOver(t, network)
			r := newRig(t, where)
			sayAndClose(t, r.client(), words)
			r.expectKept(pairing.PeerWaiting)
			if err := r.pool.AddWorker(t.Context(), pairing.WorkerConfig{Name: "w", Endpoint: endpoint}); err != nil {
				t.Fatal(err)
			}
			worker := accept()
			send(t, worker, greeting)
			r.expectLastWords(worker, words)
		})
	})
}

// What is withheld of a worker that dialled in until it has said its own word is not lost either.
func TestLastWordsThatAreWithheld(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		worker, words := r.slot(), unasked("3.1", 300)
		sayAndClose(t, r.client(), words)
		r.expectKept(pairing.PeerPaired)
		send(t, worker, nullPeer()[len(signature):])
		r.expectLastWords(worker, words)
	})
}

// Nor is what a worker says that dials in, whether a client waits for it or comes later.
func TestLastWordsOfAWorker(t *testing.T) {
	eachLastWords(t, func(t *testing.T, _ string, where func(*Config), greeting, words []byte) {
		t.Run("client that waits", func(t *testing.T) {
			r := newRig(t, where)
			client := r.client()
			send(t, client, greeting)
			eventually(t, "it waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
			sayAndClose(t, r.worker(), words)
			r.expectLastWords(client, words)
		})
		t.Run("client that comes later", func(t *testing.T) {
			r := newRig(t, where)
			sayAndClose(t, r.worker(), words)
			r.expectKept(pairing.PeerSlot)
			client := r.client()
			send(t, client, greeting)
			r.expectLastWords(client, words)
		})
	})
}

// Of whom nobody wants to hear no more is kept than of others that wait, and no longer; and as many as others.
func TestLastWordsThatNobodyHears(t *testing.T) {
	eachLastWords(t, func(t *testing.T, _ string, where func(*Config), _, words []byte) {
		r := newRig(t, where, func(c *Config) { c.Pairing.QueueMax, c.Pairing.QueueTimeout = 2, 29*time.Second })
		for range 3 {
			sayAndClose(t, r.client(), words)
		}
		eventually(t, "one is refused", func() bool { return len(r.reasons()) > 0 })
		r.expectKept(pairing.PeerWaiting)
		r.onLoop(func(l *loop) {
			l.eachConn(func(c *conn) {
				if most := firstReads * readChunk * 5 / 4; cap(c.said()) > most {
					t.Errorf("%d bytes are kept, want %d at most", cap(c.said()), most)
				}
			})
		})
		cfg := r.cfg
		cfg.Pairing.QueueTimeout = time.Millisecond
		if err := r.pool.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all have gone", func() bool { return len(r.reasons()) == 3 })
		if got := r.reasons(); got[0] != pairing.QueueFull || got[1] != pairing.NoWorker || got[2] != pairing.NoWorker {
			t.Errorf("ended %v", got)
		}
		r.onLoop(func(l *loop) { l.releaseAll() })
		r.expectQuiet()
	})
}

// Who resets its connection wants nothing of what it said to be heard.
func TestResetOfLastWords(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		client := r.client()
		send(t, client, unasked("3.1", 30_000))
		eventually(t, "it waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
		reset(client)
		r.expectReasons(1, pairing.ClientReset)
		r.expectQuiet()
	})
}

// expectKept waits until a connection is in a state, and it is known that it has closed.
func (r *rig) expectKept(state pairing.PeerState) {
	r.t.Helper()
	eventually(r.t, "its end is known, and it is kept", func() (kept bool) {
		r.onLoop(func(l *loop) {
			l.table.EachPeer(func(p *pairing.Peer) bool {
				kept = kept || p.State() == state && p.Conn.(*conn).lastWords
				return true
			})
		})
		return kept
	})
}

// expectLastWords has a peer be told what was said, and then the end.
func (r *rig) expectLastWords(to net.Conn, words []byte) {
	r.t.Helper()
	if got := expectEnd(r.t, to); !bytes.Equal(got, words) {
		r.t.Errorf("got %d bytes of %d, or not the same ones", len(got), len(words))
	}
	_ = to.Close()
	eventually(r.t, "its stay has ended", func() bool { return len(r.reasons()) == 1 })
	r.expectQuiet()
}

// Last words go along with a pool that is handed over, on either relay, of a client and of a worker.
func TestLastWordsAreHandedOver(t *testing.T) {
	eachLastWords(t, func(t *testing.T, _ string, where func(*Config), greeting, words []byte) {
		t.Run("client", func(t *testing.T) {
			old := newRig(t, where)
			sayAndClose(t, old.client(), words)
			old.expectKept(pairing.PeerWaiting)
			r := handedOver(t, old)
			r.expectKept(pairing.PeerWaiting)
			worker := r.worker()
			send(t, worker, greeting)
			r.expectLastWords(worker, words)
		})
		t.Run("worker", func(t *testing.T) {
			old := newRig(t, where)
			sayAndClose(t, old.worker(), words)
			old.expectKept(pairing.PeerSlot)
			r := handedOver(t, old)
			r.expectKept(pairing.PeerSlot)
			client := r.client()
			send(t, client, greeting)
			r.expectLastWords(client, words)
		})
	})
}

// handedOver is the successor of a pool, which has ended.
func handedOver(t *testing.T, old *rig) *rig {
	t.Helper()
	s := succeed(t, old)
	s.save()
	r := s.commit()
	s.expectRetired()
	return r
}
