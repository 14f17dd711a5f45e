package stream

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

func TestWhatIsNotZMTPCostsNobodyAnything(t *testing.T) {
	random := make([]byte, 64<<10)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(random)
	for name, say := range map[string]func(net.Conn){
		"a browser":     func(c net.Conn) { fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") },
		"a TLS hello":   func(c net.Conn) { go func() { _ = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() }() },
		"random bytes":  func(c net.Conn) { _, _ = c.Write(random) },
		"ssh":           func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2\r\n") },
		"a probe of 0s": func(c net.Conn) { _, _ = c.Write(make([]byte, 100)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slot()
			c := r.client()
			say(c)
			expectEnd(t, c)
			r.expectReasons(1, pairing.NotZMTP)
			if n := r.snapshot().Stats.Slots; n != 1 {
				t.Errorf("%d slots are left of 1", n)
			}
		})
	}
}

func TestWhoSaysTooLittleEnds(t *testing.T) {
	const atOnce, soon = 300 * time.Millisecond, 2 * time.Second // in which also a busy machine reads what is said
	for name, tc := range map[string]struct {
		say   func(net.Conn)
		limit time.Duration
		want  pairing.Reason
	}{
		"a port scan":       {func(c net.Conn) { _ = c.Close() }, atOnce, pairing.ProbeOnly},
		"a reset":           {reset, atOnce, pairing.ProbeOnly},
		"silence":           {func(net.Conn) {}, atOnce, pairing.ProbeOnly},
		"half a greeting":   {func(c net.Conn) { _, _ = c.Write(signature[:5]) }, soon, pairing.HandshakeTimeout},
		"a greeting, alone": {func(c net.Conn) { _, _ = c.Write(signature) }, patience, pairing.NoWorker},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) {
				c.Pairing.HandshakeTimeout, c.Pairing.QueueTimeout = tc.limit, atOnce
			})
			c := r.client()
			tc.say(c)
			eventually(t, "the client ends", func() bool { return len(r.reasons()) == 1 })
			if got := r.reasons()[0]; got != tc.want {
				t.Errorf("ended %v, want %v", got, tc.want)
			}
			r.expectQuiet()
		})
	}
}

// One byte a second is a handshake that never ends: the limit is on the whole.
func TestDripEndsByTheHandshakeLimit(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Pairing.HandshakeTimeout = 2 * time.Second }) // in which also a busy machine has a pair
	worker := r.slot()
	c := r.client()
	send(t, c, signature)
	expect(t, worker, signature)
	go func() {
		for _, b := range nullPeer()[len(signature):] {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	r.expectReasons(1, pairing.HandshakeTimeout)
	expectEnd(t, worker)
}

func TestMechanismIsRefusedBeforeItArrives(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Mechanisms = []string{"CURVE"} })
	worker := r.slot()
	c := r.client()
	send(t, c, signature)
	expect(t, worker, signature)
	send(t, c, nullPeer()[len(signature):])
	expectEnd(t, c)
	if got := expectEnd(t, worker); len(got) > 2 {
		t.Errorf("the worker got %d bytes of a refused client, the mechanism with them", len(got))
	}
	r.expectReasons(1, pairing.MechanismRefused)
}

// flood sends for as long as anyone takes it, and counts.
func flood(c net.Conn, sent *atomic.Int64) {
	block := make([]byte, 64<<10)
	for {
		n, err := c.Write(block)
		sent.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// everywhere runs a test with each relay, over tcp and over ipc.
func everywhere(t *testing.T, test func(t *testing.T, where func(*Config))) {
	for _, network := range []string{"tcp", "ipc"} {
		t.Run(network, func(t *testing.T) {
			onBothRelays(t, func(t *testing.T, relay func(*Config)) {
				test(t, func(c *Config) {
					relay(c)
					if network == "ipc" {
						dir := t.TempDir()
						c.Frontend, c.Backend = []string{"ipc://" + dir + "/f"}, []string{"ipc://" + dir + "/b"}
					}
				})
			})
		})
	}
}

// A peer that does not read holds up its own partner, and nobody else; when it
// reads again, everything is there, and little was kept.
func TestWhoDoesNotReadHoldsUpItsPartner(t *testing.T) {
	everywhere(t, func(t *testing.T, where func(*Config)) {
		for _, who := range []string{"client", "worker"} {
			t.Run(who, func(t *testing.T) { holdUpPartner(t, who == "worker", where) })
		}
	})
}

func holdUpPartner(t *testing.T, clientSends bool, where func(*Config)) {
	r := newRig(t, where, func(c *Config) { c.PairBuffer = MinPairBuffer })
	quietClient, quietWorker := r.pair()
	client, worker := r.pair()
	from, to := worker, client
	if clientSends {
		from, to = client, worker
	}
	var sent atomic.Int64
	done := make(chan struct{})
	go func() { flood(from, &sent); close(done) }()
	before := int64(-1)
	eventually(t, "the sender is held up", func() bool {
		send(t, quietClient, []byte("ping"))
		expect(t, quietWorker, []byte("ping"))
		now := sent.Load()
		stuck := now == before && now > 0 && unacknowledged(from) > 0
		before = now
		if !stuck {
			time.Sleep(50 * time.Millisecond)
		}
		return stuck
	})
	if b := r.snapshot().Backlog; b > 2*readBuffer {
		t.Errorf("%d bytes are kept", b)
	}
	if reasons := r.reasons(); len(reasons) != 0 {
		t.Fatalf("ended: %v", reasons)
	}
	go func() {
		time.Sleep(100 * time.Millisecond)
		_ = from.(interface{ CloseWrite() error }).CloseWrite()
	}()
	n, _ := io.Copy(io.Discard, to)
	if <-done; n != sent.Load() {
		t.Errorf("got %d bytes of %d", n, sent.Load())
	}
}

// Against a worker that listens nothing is ever lost for want of room: its own
// sending blocks.
func TestListeningWorkerIsHeldBack(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, withWorker(endpoint))
	client, worker := r.dialledPair(accept)
	block := make([]byte, 1<<20)
	_ = worker.SetWriteDeadline(time.Now().Add(2 * time.Second))
	total := 0
	for {
		n, err := worker.Write(block)
		total += n
		if err != nil {
			break
		}
	}
	if reasons := r.reasons(); len(reasons) != 0 {
		t.Fatalf("the pair ended: %v", reasons)
	}
	if b := r.snapshot().Backlog; b > DefaultPairBuffer {
		t.Errorf("%d bytes in the loop", b)
	}
	_ = worker.Close()
	if n, _ := io.Copy(io.Discard, client); n != int64(total) {
		t.Errorf("the client got %d bytes of %d", n, total)
	}
}

// Who ends just when libzmq has read as much as it may is seen to have ended, behind
// everything that he sent: at a high-water mark of libzmq's own the notice would be lost.
func TestEndAtTheEndOfTheWindow(t *testing.T) {
	r := newRig(t, func(c *Config) { c.PairBuffer, c.Relay = MinPairBuffer, RelayStream })
	window := MinPairBuffer / 4 / readChunk
	for chunks := window - 3; chunks <= window+3; chunks++ {
		client, worker := r.pair()
		before := len(r.reasons())
		release := r.stall()
		_, c := r.pool.loop.sides()
		// libzmq reads each by itself and then the end, until it may read no more. No
		// more than that can be waited for.
		while := func(more func() bool) {
			for look := 0; look < 20 && more(); look++ {
				time.Sleep(time.Millisecond)
			}
		}
		for range chunks {
			send(t, worker, make([]byte, 100))
			while(func() bool { return unacknowledged(worker) > 0 || unreadOf(c.link.descriptor()) > 0 })
		}
		_ = worker.Close()
		release()
		if got := len(expectEnd(t, client)); got != chunks*100 {
			t.Errorf("%d chunks: the client got %d bytes of %d", chunks, got, chunks*100)
		}
		_ = client.Close()
		eventually(t, "the pair has ended", func() bool { return len(r.reasons()) == before+1 })
	}
	r.expectQuiet()
}
