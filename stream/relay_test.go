package stream

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
)

func TestBytesPassBothWays(t *testing.T) {
	for name, endpoints := range map[string]func(*Config){
		"tcp": func(*Config) {},
		"ipc": func(c *Config) {
			c.Frontend = []string{"ipc://" + filepath.Join(t.TempDir(), "f")}
			c.Backend = []string{"ipc://" + filepath.Join(t.TempDir(), "b")}
		},
		"abstract ipc": func(c *Config) {
			c.Frontend, c.Backend = []string{"ipc://@streamq-test-f"}, []string{"ipc://@streamq-test-b"}
		},
		"a name": func(c *Config) {
			c.Frontend, c.Backend = []string{"tcp://localhost:0"}, []string{"tcp://localhost:0"}
		},
		"tcp6": func(c *Config) {
			c.Frontend, c.Backend = []string{"tcp://[::1]:0"}, []string{"tcp://[::1]:0"}
		},
	} {
		onBothRelays(t, func(t *testing.T, relay func(*Config)) {
			t.Run(name, func(t *testing.T) {
				if strings.Contains(name, "ipc") {
					relay = func(*Config) {} // only auto and stream carry ipc
				}
				r := newRig(t, endpoints, relay)
				client, worker := r.pair()
				send(t, client, []byte("to the worker"))
				expect(t, worker, []byte("to the worker"))
				send(t, worker, []byte("to the client"))
				expect(t, client, []byte("to the client"))
				_ = client.Close()
				if rest := expectEnd(t, worker); len(rest) != 0 {
					t.Errorf("the worker got %q that nobody sent", rest)
				}
				_ = worker.Close()
				r.expectReasons(1, pairing.ClientClosed)
				r.expectQuiet()
			})
		})
	}
}

// R5 and R9: a slot's greeting is kept until a client is there, whoever comes
// first, and the client's is not lost either.
func TestGreetingWaitsForItsPartner(t *testing.T) {
	onBothRelays(t, testGreetingWaits)
}

func testGreetingWaits(t *testing.T, relay func(*Config)) {
	t.Run("worker first", func(t *testing.T) {
		r := newRig(t, relay)
		r.pair()
	})
	t.Run("client first", func(t *testing.T) {
		r := newRig(t, relay)
		client := r.client()
		send(t, client, signature)
		eventually(t, "the client waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
		worker := r.worker()
		send(t, worker, signature)
		expect(t, worker, signature)
		expect(t, client, signature)
	})
	t.Run("client before its dial", func(t *testing.T) {
		endpoint, accept := listeningWorker(t)
		r := newRig(t, withWorker(endpoint), relay)
		r.dialledPair(accept)
	})
}

// transfer sends size random bytes, closes, and expects all of them at the other end.
func transfer(t *testing.T, from, to net.Conn, size int64) {
	t.Helper()
	sum := make(chan [32]byte, 1)
	go func() {
		h := sha256.New()
		block := make([]byte, 1<<20)
		_, _ = rand.Read(block)
		for left := size; left > 0; {
			n := min(left, int64(len(block)))
			if _, err := from.Write(block[:n]); err != nil {
				t.Errorf("sending, %d bytes before the end: %v", left, err)
				break
			}
			h.Write(block[:n])
			left -= n
		}
		_ = from.Close()
		sum <- [32]byte(h.Sum(nil))
	}()
	h := sha256.New()
	n, _ := io.Copy(h, to)
	_ = to.Close()
	if want := <-sum; n != size || !bytes.Equal(h.Sum(nil), want[:]) {
		t.Errorf("got %d bytes of %d, or not the same ones", n, size)
	}
}

// What one side sent is delivered to the other before that is closed.
func TestEverythingArrivesBeforeTheClose(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		const size = 200 << 20
		t.Run("worker that dialled in to client", func(t *testing.T) {
			r := newRig(t, relay)
			client, worker := r.pair()
			transfer(t, worker, client, size)
			r.expectReasons(1, pairing.WorkerClosed)
		})
		t.Run("client to worker that dialled in", func(t *testing.T) {
			r := newRig(t, relay)
			client, worker := r.pair()
			transfer(t, client, worker, size)
			r.expectReasons(1, pairing.ClientClosed)
		})
		t.Run("listening worker to client", func(t *testing.T) {
			endpoint, accept := listeningWorker(t)
			r := newRig(t, withWorker(endpoint), relay)
			client, worker := r.dialledPair(accept)
			transfer(t, worker, client, size)
			r.expectReasons(1, pairing.WorkerClosed)
		})
	})
}

// What is relayed by the STREAM sockets costs no allocation, whatever its size.
func TestStreamRelayAllocatesNothing(t *testing.T) {
	for _, size := range []int{64, 200 << 10} {
		r := newRig(t, func(c *Config) { c.Relay = RelayStream })
		client, worker := r.pair()
		message, got := make([]byte, size), make([]byte, size)
		pass := func() {
			if _, err := client.Write(message); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(worker, got); err != nil {
				t.Fatal(err)
			}
		}
		pass()
		if n := testing.AllocsPerRun(100, pass); n >= 1 {
			t.Errorf("%v allocations for %d bytes", n, size)
		}
	}
}
