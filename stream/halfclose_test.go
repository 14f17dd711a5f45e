package stream

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
)

// A half-closed pair lives as long as the side that is left reads what was sent
// to it, on a unix socket as well, whose kernel does not count what is delivered.
func TestHalfClosedUnixReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, withWorker("ipc://"+path), func(c *Config) {
		c.Relay, c.Pairing.FinishTimeout = RelaySplice, time.Hour // the test says when it is over
	})
	client, worker := r.dialledPair(accepting(t, listener))
	r.expectLent(1)
	const size, share = 100_000, 70_000 // the share is more than one write of the relay
	send(t, client, make([]byte, size))
	endSending(client)
	eventually(t, "the worker's kernel has everything", func() bool { return unread(worker) == size })
	eventually(t, "the loop knows", func() bool { return r.halfClosed() == 1 })
	r.onLoop(func(l *loop) {
		h, _ := l.nextHalfClosed()
		h.progress = h.flow.progress()
	})
	expect(t, worker, make([]byte, share))
	r.drainTimeoutPasses()
	if r.halfClosed() != 1 {
		t.Fatal("it was ended although the worker reads")
	}
	r.drainTimeoutPasses()
	r.expectReasons(1, pairing.ClientClosed)
	_, _ = io.Copy(io.Discard, worker)
	r.expectQuiet()
}

// A finish timeout that a reload makes shorter applies to the pairs that are
// half-closed already.
func TestHalfClosedAndReloaded(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		endSending(client)
		expectEnd(t, worker) // and keeps it
		eventually(t, "the loop knows", func() bool { return r.halfClosed() == 1 })
		cfg := r.cfg
		cfg.Pairing.FinishTimeout = time.Millisecond
		if err := r.pool.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		r.expectReasons(1, pairing.ClientClosed)
		r.expectQuiet()
	}, func(c *Config) { c.Pairing.FinishTimeout = time.Hour })
}

// News of a pair that was taken back and lent again meanwhile is no news of it.
func TestNewsOfFormerLoan(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, _, _ net.Conn) {
		r.onLoop(func(l *loop) {
			client, _ := l.sides()
			former := client.flow.loan
			if err := l.pauseAll(); err != nil {
				t.Error(err)
			}
			if err := l.resume(); err != nil {
				t.Error(err)
			}
			if !client.lent() || client.flow.loan == former {
				t.Error("the pair is not lent again")
			}
			client.flow.Told(former)
			l.hearOfLent()
		})
		if n := r.halfClosed(); n != 0 {
			t.Errorf("%d pairs are half-closed", n)
		}
	})
}

// halfClosed is how many lent pairs have begun to end.
func (r *rig) halfClosed() (n int) {
	r.t.Helper()
	r.onLoop(func(l *loop) {
		n = l.halves.Len()
		r.noteHalves(l)
	})
	return n
}

// noteHalves notes the pairs that are half-closed at this time.
func (r *rig) noteHalves(l *loop) {
	r.halves = map[*halfClosed]bool{}
	for e := l.halves.Front(); e != nil; e = e.Next() {
		r.halves[e.Value.(*halfClosed)] = true
	}
}

// drainTimeoutPasses has the loop look at the half-closed pairs as if it had, since the
// test heard of them last: for a pair that the loop has heard of just now it has not.
func (r *rig) drainTimeoutPasses() {
	r.t.Helper()
	r.onLoop(func(l *loop) {
		for e := l.halves.Front(); e != nil; e = e.Next() {
			if h := e.Value.(*halfClosed); r.halves[h] {
				h.looked = l.clock - l.cfg.Pairing.FinishTimeout
			}
		}
		l.endHalfClosed()
		r.noteHalves(l)
	})
}

// unread is how many bytes the kernel has for a connection that it has not read yet.
func unread(c net.Conn) (n int) {
	onDescriptor(c, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCINQ) })
	return n
}

// noise is so many bytes of which none may be missing.
func noise(seed byte, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// A side that sends much, to one that does not read yet, and ends its sending, is passed on
// whole, and only behind it its end; what the other answers then arrives as well.
func TestHalfCloseBehindBackpressure(t *testing.T) {
	eitherSide(t, anyNetwork, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
		question, answer := noise(1, plenty), noise(2, plenty/4)
		go func() { _, _ = first.Write(question); endSending(first) }()
		before := uint64(0)
		eventually(t, "the sender is held back", func() bool {
			now := r.passed()
			stuck := now == before && now > 0
			before = now
			time.Sleep(20 * time.Millisecond)
			return stuck
		})
		if got := expectEnd(t, second); !bytes.Equal(got, question) {
			t.Errorf("got %d bytes of %d, or not the same ones", len(got), len(question))
		}
		go func() { _, _ = second.Write(answer); _ = second.Close() }()
		if got := expectEnd(t, first); !bytes.Equal(got, answer) {
			t.Errorf("answered were %d bytes of %d, or not the same ones", len(got), len(answer))
		}
	})
}

// Both sides send much before either reads, and end their sending at once.
func TestBothHalfCloseBehindBackpressure(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		sides := [...]net.Conn{client, worker}
		for i, c := range sides {
			go func() { _, _ = c.Write(noise(byte(i), plenty)); endSending(c) }()
		}
		before := r.passed()
		eventually(t, "bytes pass", func() bool { return r.passed() > before })
		got := make(chan []byte, 1)
		go func() { b, _ := io.ReadAll(client); got <- b }()
		if b := expectEnd(t, worker); !bytes.Equal(b, noise(0, plenty)) {
			t.Errorf("the worker got %d bytes of %d, or not the same ones", len(b), plenty)
		}
		if b := <-got; !bytes.Equal(b, noise(1, plenty)) {
			t.Errorf("the client got %d bytes of %d, or not the same ones", len(b), plenty)
		}
		eventually(t, "the pair has ended", func() bool { return len(r.reasons()) == 1 })
		r.expectQuiet()
	})
}

// A worker that closes at once when it has said everything, to a client that takes its
// time, and that is reset or closes in the middle: whatever comes, it costs nobody else anything.
func TestHalfClosesLeaveNothingBehind(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		const pairs = 60
		for i := range pairs {
			client, worker := r.pair()
			send(t, client, []byte("question"))
			endSending(client)
			if got := expectEnd(t, worker); string(got) != "question" {
				t.Errorf("got %q", got)
			}
			switch i % 4 {
			case 0:
				send(t, worker, []byte("answer"))
				_ = worker.Close()
				if got := expectEnd(t, client); string(got) != "answer" {
					t.Errorf("got %q", got)
				}
				_ = client.Close()
			case 1:
				reset(worker)
				expectEnd(t, client)
			case 2:
				reset(client)
				expectEnd(t, worker)
				_ = worker.Close()
			case 3:
				_ = client.Close()
				_, _ = worker.Write(noise(3, 1<<16)) // to nobody
				_ = worker.Close()
			}
		}
		r.expectReasons(pairs, pairing.ClientClosed)
		r.expectQuiet()
		eventually(t, "libzmq has let go of all", func() bool {
			due := 0
			r.onLoop(func(l *loop) { due = len(l.frontend.due) + len(l.backend.due) })
			return due == 0 && seam.Followed() == 0
		})
	})
}

// Who ends its sending, or closes, while it is left unread for a partner that takes nothing is found, and the pair is
// ended a finish timeout later; if the partner reads before that it has everything.
func TestEndOfWhoIsHeldBack(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"ends its sending": endSending, "closes": func(c net.Conn) { _ = c.Close() }} {
		t.Run(name, func(t *testing.T) {
			eitherSide(t, anyNetwork, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, _ net.Conn) {
				r.holdBackALittle(first)
				end(first)
				eventually(t, "its end is found", func() bool { return r.halfClosed() == 1 })
				r.expectRest()
				eventually(t, "it is ended", func() bool { // the kernel may acknowledge something yet
					r.drainTimeoutPasses()
					return r.halfClosed() == 0
				})
			}, smallPairBuffer)
		})
		t.Run(name+" and is read at last", func(t *testing.T) {
			eitherSide(t, anyNetwork, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
				sent := r.holdBackALittle(first)
				end(first)
				eventually(t, "its end is found", func() bool { return r.halfClosed() == 1 })
				if got := expectEnd(t, second); !bytes.Equal(got, make([]byte, sent)) {
					t.Errorf("%d bytes of %d, or not the same ones", len(got), sent)
				}
				_ = second.Close()
			}, smallPairBuffer)
		})
	}
}

func smallPairBuffer(c *Config) { c.PairBuffer, c.Pairing.FinishTimeout = MinPairBuffer, time.Hour }

// holdBackALittle sends until nothing more moves, and says how much; what is unread of it leaves room for a FIN.
func (r *rig) holdBackALittle(from net.Conn) (sent int) {
	r.t.Helper()
	block := make([]byte, 16<<10)
	var before progress
	unmoved := 0
	eventually(r.t, "it is left unread", func() bool {
		left, held := 0, false
		var now progress
		r.onLoop(func(l *loop) {
			client, _ := l.sides()
			for _, c := range client.flow.sides() {
				some, _ := unix.IoctlGetInt(c.link.descriptor(), unix.SIOCINQ)
				left, held = left+some, held || c.paused || c.lent()
			}
			now = client.flow.progress()
		})
		if unmoved++; now != before {
			unmoved = 0
		}
		if before = now; left == 0 || !held && unmoved == 20 {
			send(r.t, from, block)
			sent, unmoved = sent+len(block), 0
		}
		return unmoved == 20
	})
	return sent
}

// expectRest waits until this process does nothing.
func (r *rig) expectRest() {
	r.t.Helper()
	eventually(r.t, "it rests", func() bool {
		before := cpuTime(r.t)
		time.Sleep(100 * time.Millisecond) // in which it is measured
		return cpuTime(r.t)-before < 50*time.Millisecond
	})
}

// A half-closed pair costs no time as long as nothing comes, nor does a peer that is held or
// over ipc has gone for good: libzmq is not told of an end that it must not see again and again.
func TestHalfClosedCostsNoTime(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		endSending(client)
		expectEnd(t, worker)
		if _, unix := client.(*net.UnixConn); unix {
			_ = client.Close()
		}
		r.expectRest()
		_ = worker.Close()
		r.expectReasons(1, pairing.ClientClosed)
		r.expectQuiet()
	})
}

// cpuTime is what this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// An end before the pair has opened is taken for a connection that was closed, wherever that is.
func TestFINBeforeThePair(t *testing.T) {
	everywhere(t, func(t *testing.T, where func(*Config)) {
		r := newRig(t, where)
		waiting := r.client()
		send(t, waiting, nullPeer())
		eventually(t, "it waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
		endSending(waiting)
		r.expectReasons(1, pairing.ClientClosed)
		expectEnd(t, waiting)

		worker := r.slot()
		endSending(worker)
		eventually(t, "the slot is gone", func() bool { return r.snapshot().Stats.Slots == 0 })
		expectEnd(t, worker)

		worker = r.slot()
		client := r.client()
		send(t, client, signature)
		expect(t, worker, signature)
		endSending(client)
		expectEnd(t, worker)
		_ = worker.Close()
		eventually(t, "it has ended", func() bool { return len(r.reasons()) == 2 })
		if got := r.reasons()[1]; got != pairing.ClientGaveUp {
			t.Errorf("ended %v", got)
		}
		r.expectQuiet()
	})
}

// Who is reset while much is still on its way to it, behind which its partner has ended its sending, does not have that
// partner told that all is well.
func TestResetOfWhoIsOwedMuch(t *testing.T) {
	eitherSide(t, ofResets, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
		r.littleRoomFor(second)
		send(t, first, noise(1, 4*little))
		endSending(first)
		eventually(t, "the loop knows of the end", func() bool { return r.halfClosed() == 1 })
		reset(second)
		expectResetOf(t, first)
	})
}

// What a side has said before it is reset arrives, also where its partner takes it only later. A unix peer is reset by its
// own close, if something was unread.
func TestWordsBeforeAReset(t *testing.T) {
	for side, reason := range []pairing.Reason{pairing.ClientReset, pairing.WorkerReset} {
		t.Run(reason.String(), func(t *testing.T) {
			openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
				first, second := client, worker
				if side == 1 {
					first, second = worker, client
				}
				r.onLoop(func(l *loop) { // it has little room
					one, other := l.sides()
					_ = unix.SetsockoptInt([]*conn{other, one}[side].link.descriptor(), unix.SOL_SOCKET, unix.SO_SNDBUF, little)
				})
				send(t, second, []byte("x"))
				eventually(t, "it is unread", func() bool { return unread(first) == 1 })
				words := noise(1, 4*little)
				send(t, first, words)
				eventually(t, "all of it is the proxy's", func() bool { return unsent(first) == 0 })
				if tcp, is := first.(*net.TCPConn); is {
					_ = tcp.SetLinger(0)
				}
				_ = first.Close()
				if r.cfg.Relay == RelaySplice { // the other finds out when it reads
					eventually(t, "who was reset is forgotten", func() (gone bool) {
						r.onLoop(func(l *loop) { gone = l.figures.connections < 2 })
						return gone
					})
				}
				expect(t, second, words)
				_, _ = io.Copy(io.Discard, second)
				r.expectQuiet()
			})
		})
	}
}

// unsent are the bytes that a TCP peer has not acknowledged.
func unsent(c net.Conn) (n int) {
	if _, tcp := c.(*net.TCPConn); tcp {
		onDescriptor(c, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.TIOCOUTQ) })
	}
	return n
}
