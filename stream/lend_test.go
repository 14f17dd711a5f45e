package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// lentPairs runs a test with a pair that the relay of package splice has.
func lentPairs(t *testing.T, test func(t *testing.T, r *rig, client, worker net.Conn), changes ...func(*Config)) {
	t.Helper()
	splicedPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		r.expectLent(1)
		test(t, r, client, worker)
	}, changes...)
}

// splicedPairs runs a test with an open pair of which both connections are the loop's
// own: of a worker that dialled in, and of one that the proxy dialled.
func splicedPairs(t *testing.T, test func(t *testing.T, r *rig, client, worker net.Conn), changes ...func(*Config)) {
	t.Run("dialled in", func(t *testing.T) {
		r := newRig(t, append(changes, func(c *Config) { c.Relay = RelaySplice })...)
		client, worker := r.pair()
		test(t, r, client, worker)
	})
	t.Run("listening", func(t *testing.T) {
		endpoint, accept := listeningWorker(t)
		r := newRig(t, append(changes, withWorker(endpoint), func(c *Config) { c.Relay = RelaySplice })...)
		client, worker := r.dialledPair(accept)
		test(t, r, client, worker)
	})
}

// anyNetwork are those that half-close, ofResets those that know of resets.
var (
	anyNetwork = []string{"tcp", "ipc"}
	ofResets   = []string{"tcp"}
)

// openPairs runs a test with an open pair of each kind that there is: young and lent to the
// relay of package splice, or on the stream relay, over these networks, of a worker that
// dialled in and of one that the proxy dialled.
func openPairs(t *testing.T, networks []string, test func(t *testing.T, r *rig, client, worker net.Conn), changes ...func(*Config)) {
	pairsOf(t, []string{"young", "lent", "stream"}, networks, test, changes...)
}

// loopPairs are those of which the loop moves the bytes, at least at first.
func loopPairs(t *testing.T, networks []string, test func(t *testing.T, r *rig, client, worker net.Conn), changes ...func(*Config)) {
	pairsOf(t, []string{"young", "stream"}, networks, test, changes...)
}

func pairsOf(t *testing.T, kinds, networks []string, test func(t *testing.T, r *rig, client, worker net.Conn), changes ...func(*Config)) {
	for _, kind := range kinds {
		for _, network := range networks {
			for _, listens := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, listening %t", kind, network, listens), func(t *testing.T) {
					r, client, worker := openPair(t, kind, network, listens, changes...)
					test(t, r, client, worker)
				})
			}
		}
	}
}

func openPair(t *testing.T, kind, network string, listens bool, changes ...func(*Config)) (r *rig, client, worker net.Conn) {
	all := append(slices.Clone(changes), func(c *Config) {
		if c.Relay = RelaySplice; kind == "stream" {
			c.Relay = RelayStream
		}
	})
	all = append(all, boundOver(t, network))
	var accept func() net.Conn
	if listens {
		var endpoint string
		endpoint, accept = listeningWorkerOver(t, network)
		all = append(all, withWorker(endpoint))
	}
	if r = newRig(t, all...); listens {
		client, worker = r.dialledPair(accept)
	} else {
		client, worker = r.pair()
	}
	if kind == "lent" {
		r.expectLent(1)
	}
	return r, client, worker
}

// boundOver has a pool listen over a network.
func boundOver(t *testing.T, network string) func(*Config) {
	return func(c *Config) {
		if network == "ipc" {
			at := "ipc://" + t.TempDir()
			c.Frontend, c.Backend = []string{at + "/f"}, []string{at + "/b"}
		}
	}
}

// listeningWorkerOver is listeningWorker over a network.
func listeningWorkerOver(t *testing.T, network string) (endpoint string, accept func() net.Conn) {
	t.Helper()
	if network != "ipc" {
		return listeningWorker(t)
	}
	path := t.TempDir() + "/w"
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return "ipc://" + path, accepting(t, ln)
}

// endSending ends the sending of an end that a test has.
func endSending(c net.Conn) { _ = c.(interface{ CloseWrite() error }).CloseWrite() }

// expectLent has open pairs grow up and waits until so many are lent.
func (r *rig) expectLent(want int) {
	r.t.Helper()
	eventually(r.t, "pairs are lent", func() bool {
		n := 0
		r.onLoop(func(l *loop) {
			l.eachConn(func(c *conn) {
				if !c.client() || c.flow == nil {
					return
				}
				if c.flow.open {
					l.growUp(c.flow)
				}
				if c.lent() {
					n++
				}
			})
		})
		return n == want
	})
}

// eitherSide runs a test with open pairs in which the client does something first, and again
// with the worker in its place. The pair is to end for the reason that belongs to that side.
func eitherSide(t *testing.T, networks []string, ofClient, ofWorker pairing.Reason, test func(t *testing.T, r *rig, first, second net.Conn), changes ...func(*Config)) {
	for side, reason := range []pairing.Reason{ofClient, ofWorker} {
		t.Run(reason.String(), func(t *testing.T) {
			openPairs(t, networks, func(t *testing.T, r *rig, client, worker net.Conn) {
				sides := [...]net.Conn{client, worker}
				test(t, r, sides[side], sides[1-side])
				r.expectReasons(1, reason)
				r.expectQuiet()
			}, changes...)
		})
	}
}

// eitherSideLent is that of pairs that the relay of package splice has, over TCP.
func eitherSideLent(t *testing.T, ofClient, ofWorker pairing.Reason, test func(t *testing.T, r *rig, first, second net.Conn)) {
	for side, reason := range []pairing.Reason{ofClient, ofWorker} {
		t.Run(reason.String(), func(t *testing.T) {
			lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
				sides := [...]net.Conn{client, worker}
				test(t, r, sides[side], sides[1-side])
				r.expectReasons(1, reason)
				r.expectQuiet()
			})
		})
	}
}

// One side may end its sending and still receive, whichever it is.
func TestHalfClose(t *testing.T) {
	eitherSide(t, anyNetwork, pairing.ClientClosed, pairing.WorkerClosed, halfClose)
}

func halfClose(t *testing.T, _ *rig, first, second net.Conn) {
	t.Helper()
	send(t, first, []byte("question"))
	endSending(first)
	if got := expectEnd(t, second); string(got) != "question" {
		t.Errorf("got %q", got)
	}
	answer := bytes.Repeat([]byte("answer"), 1<<20)
	go func() { _, _ = second.Write(answer); _ = second.Close() }()
	if got := expectEnd(t, first); !bytes.Equal(got, answer) {
		t.Errorf("got %d bytes of %d", len(got), len(answer))
	}
}

// A side that neither closes in its turn nor moves a byte is ended after the
// finish timeout.
func TestHalfClosedForEver(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		endSending(client)
		expectEnd(t, worker) // and keeps it
		r.expectReasons(1, pairing.ClientClosed)
		r.expectQuiet()
	}, func(c *Config) { c.Pairing.FinishTimeout = 300 * time.Millisecond })
}

// A reset of one side is passed on as a reset, behind what was sent before it.
func TestResetIsPassedOn(t *testing.T) {
	eitherSide(t, ofResets, pairing.ClientReset, pairing.WorkerReset, expectReset)
}

func expectReset(t *testing.T, _ *rig, first, second net.Conn) {
	t.Helper()
	send(t, first, []byte("last words"))
	eventually(t, "they have arrived", func() bool { return unacknowledged(first) == 0 })
	expect(t, second, []byte("last words"))
	reset(first)
	_ = second.SetReadDeadline(time.Now().Add(patience))
	if n, err := io.Copy(io.Discard, second); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v: want a reset", n, err)
	}
}

// One side ends its sending, the other answers one that does not read yet, and
// then either is reset: who is left has everything that was sent to it, and is
// reset behind that. The first end is the reason.
func TestResetAfterHalfClose(t *testing.T) {
	for name, firstIsReset := range map[string]bool{"the first is reset": true, "the second is reset": false} {
		t.Run(name, func(t *testing.T) {
			eitherSide(t, ofResets, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
				resetAfterHalfClose(t, r, first, second, firstIsReset)
			})
		})
	}
}

func resetAfterHalfClose(t *testing.T, r *rig, first, second net.Conn, firstIsReset bool) {
	t.Helper()
	endSending(first)
	expectEnd(t, second)
	before := r.passed()
	answer := bytes.Repeat([]byte("answer"), 100_000) // fits into the kernel's buffers
	send(t, second, answer)
	eventually(t, "the answer has been taken", func() bool { return r.passed() == before+uint64(len(answer)) })
	if firstIsReset {
		reset(first)
		expectResetAfterEnd(t, second)
		return
	}
	reset(second)
	_ = first.SetReadDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(first); !bytes.Equal(got, answer) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %d bytes of %d, %v: want all, and a reset", len(got), len(answer), err)
	}
}

// The idle lease sees what the relay moves: a pair that moves something lives,
// and one that does not is found.
func TestIdleLeaseOfLentPair(t *testing.T) {
	const ttl = 400 * time.Millisecond
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		var gap time.Duration // the longest between two bytes: the machine may be slow
		last := time.Now()
		for start := last; time.Since(start) < 4*ttl && gap < ttl; time.Sleep(ttl / 20) {
			send(t, worker, []byte("x"))
			expect(t, client, []byte("x"))
			gap, last = max(gap, time.Since(last)), time.Now()
			if ended := r.reasons(); len(ended) > 0 && gap < ttl {
				t.Fatalf("ended %v, although bytes moved every %v", ended, gap)
			}
		}
		expectEnd(t, client)
		r.expectReasons(1, pairing.IdleExpired)
	}, func(c *Config) { c.Pairing.Lease = pairing.Lease{Strategy: pairing.LeaseIdle, TTL: ttl} })
}

// Pairs that are halted are taken back, and lent again afterwards; nothing is lost.
func TestHaltOfLentPair(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		data := make([]byte, 16<<20)
		for i := range data {
			data[i] = byte(i * 7 / 3)
		}
		go func() { _, _ = client.Write(data); endSending(client) }()
		received := make(chan []byte, 1)
		go func() { got, _ := io.ReadAll(worker); received <- got }()
		for range 20 {
			if err := r.pool.Pause(context.Background()); err != nil {
				t.Fatal(err)
			}
			in, _, err := r.pool.Traffic(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			if later, _, _ := r.pool.Traffic(context.Background()); later != in {
				t.Errorf("%d bytes were read in a pause", later.Bytes-in.Bytes)
			}
			if err := r.pool.Resume(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if got := <-received; !bytes.Equal(got, data) {
			t.Errorf("got %d bytes of %d, or not the same ones", len(got), len(data))
		}
	})
}

// Who is kicked while the relay has the pair is gone at once, and so is its partner.
func TestKickOfLentPair(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		holdBack(t, client)
		var id pairing.PeerID
		r.onLoop(func(l *loop) { c, _ := l.sides(); id = c.id })
		if info, err := r.pool.Kick(context.Background(), id); err != nil || info == nil {
			t.Fatal(info, err)
		}
		expectEnd(t, client)
		r.expectReasons(1, pairing.Kicked)
		_, _ = io.Copy(io.Discard, worker)
		r.expectQuiet()
	})
}

// What has passed is counted, whoever moved it.
func TestCountOfLentPair(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		before := r.snapshot()
		send(t, client, make([]byte, 1000))
		expect(t, worker, make([]byte, 1000))
		send(t, worker, make([]byte, 500))
		expect(t, client, make([]byte, 500))
		var after Snapshot
		eventually(t, "all is counted, by a thread that has it pass first", func() bool {
			after = r.snapshot()
			return after.BytesIn == before.BytesIn+1000 && after.BytesOut == before.BytesOut+500
		})
		expectOfWorkers(t, before, after, 1000, 500)
		_ = client.Close()
		_ = worker.Close()
		r.expectReasons(1, pairing.ClientClosed)
		if a := r.ended[0]; a.BytesIn != before.BytesIn+1000 || a.BytesOut != before.BytesOut+500 {
			t.Errorf("reported %d and %d", a.BytesIn, a.BytesOut)
		}
	})
}

// expectOfWorkers is that so many bytes more are counted as the worker's, of which there is one.
func expectOfWorkers(t *testing.T, before, after Snapshot, in, out uint64) {
	t.Helper()
	if len(after.WorkerBytes) != 1 {
		t.Errorf("of workers %v is counted", after.WorkerBytes)
	}
	for name, now := range after.WorkerBytes {
		then := before.WorkerBytes[name]
		if now[0]-then[0] != in || now[1]-then[1] != out {
			t.Errorf("counted %v and then %v of %s, want %d and %d more", then, now, name, in, out)
		}
	}
}

// What the loop has moved itself is counted, too, and what a worker had that is no more is forgotten.
func TestCountOfWorkers(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, func(c *Config) {
		c.Relay = RelayStream
		c.Workers = []pairing.WorkerConfig{{Name: "w", Endpoint: endpoint}}
	})
	client, worker := r.dialledPair(accept)
	before := r.snapshot()
	send(t, client, make([]byte, 1000))
	expect(t, worker, make([]byte, 1000))
	send(t, worker, make([]byte, 500))
	expect(t, client, make([]byte, 500))
	after := r.snapshot()
	expectOfWorkers(t, before, after, 1000, 500)
	if got := after.WorkerBytes["w"]; got != [2]uint64{after.BytesIn, after.BytesOut} {
		t.Errorf("of the only worker %v is counted, of all %d and %d", got, after.BytesIn, after.BytesOut)
	}
	_ = client.Close()
	expectEnd(t, worker)
	_ = worker.Close()
	r.expectReasons(1, pairing.ClientClosed)
	expectOfWorkers(t, after, r.snapshot(), 0, 0)
	if err := r.pool.RemoveWorker(context.Background(), "w"); err != nil {
		t.Fatal(err)
	}
	if got := r.snapshot(); len(got.WorkerBytes) != 0 || got.BytesIn != after.BytesIn {
		t.Errorf("of what is no more %v is counted, and of all %d", got.WorkerBytes, got.BytesIn)
	}
}
