package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
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

// eitherSide runs a test with pairs, young and lent, in which the client does something
// first, and again with the worker in its place. The pair is to end for the reason that
// belongs to that side.
func eitherSide(t *testing.T, ofClient, ofWorker pairing.Reason, test func(t *testing.T, r *rig, first, second net.Conn)) {
	for side, reason := range []pairing.Reason{ofClient, ofWorker} {
		play := func(t *testing.T, r *rig, client, worker net.Conn) {
			sides := [...]net.Conn{client, worker}
			test(t, r, sides[side], sides[1-side])
			r.expectReasons(1, reason)
			r.expectQuiet()
		}
		t.Run(reason.String(), func(t *testing.T) { lentPairs(t, play) })
		t.Run(reason.String()+", young", func(t *testing.T) { splicedPairs(t, play) })
	}
}

// One side may end its sending and still receive, whichever it is.
func TestHalfClose(t *testing.T) {
	eitherSide(t, pairing.ClientClosed, pairing.WorkerClosed, halfClose)
}

func halfClose(t *testing.T, _ *rig, first, second net.Conn) {
	t.Helper()
	send(t, first, []byte("question"))
	_ = first.(*net.TCPConn).CloseWrite()
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
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		_ = client.(*net.TCPConn).CloseWrite()
		expectEnd(t, worker) // and keeps it
		r.expectReasons(1, pairing.ClientClosed)
		r.expectQuiet()
	}, func(c *Config) { c.Pairing.FinishTimeout = 300 * time.Millisecond })
}

// A reset of one side is passed on as a reset, behind what was sent before it.
func TestResetIsPassedOn(t *testing.T) {
	eitherSide(t, pairing.ClientReset, pairing.WorkerReset, expectReset)
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
			eitherSide(t, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
				resetAfterHalfClose(t, r, first, second, firstIsReset)
			})
		})
	}
}

func resetAfterHalfClose(t *testing.T, r *rig, first, second net.Conn, firstIsReset bool) {
	t.Helper()
	_ = first.(*net.TCPConn).CloseWrite()
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
		go func() { _, _ = client.Write(data); _ = client.(*net.TCPConn).CloseWrite() }()
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
		after := r.snapshot()
		if in, out := after.BytesIn-before.BytesIn, after.BytesOut-before.BytesOut; in != 1000 || out != 500 {
			t.Errorf("counted %d and %d", in, out)
		}
		_ = client.Close()
		_ = worker.Close()
		r.expectReasons(1, pairing.ClientClosed)
		if a := r.ended[0]; a.BytesIn != before.BytesIn+1000 || a.BytesOut != before.BytesOut+500 {
			t.Errorf("reported %d and %d", a.BytesIn, a.BytesOut)
		}
	})
}
