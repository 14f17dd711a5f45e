package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// plenty is more than the kernel's buffers between two sides take, in bytes.
const plenty = 24 << 20

// A reader that is slow but reads has everything, however long that takes after
// the other side has ended its sending.
func TestSlowReaderHasEverything(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		// What is read in a finish timeout is more than the reader's kernel holds, so
		// that some of it has been delivered meanwhile.
		const perTimeout = 256 << 10
		_ = worker.(interface{ SetReadBuffer(bytes int) error }).SetReadBuffer(perTimeout / 4)
		sendAndEnd(client, plenty/4)
		_ = worker.SetReadDeadline(time.Now().Add(patience))
		got, share := 0, make([]byte, perTimeout)
		for {
			n, err := io.ReadFull(worker, share)
			got += n
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v after %d bytes", err, got)
			}
			r.drainTimeoutPasses()
		}
		if got != plenty/4 {
			t.Errorf("got %d bytes of %d", got, plenty/4)
		}
	}, func(c *Config) { c.Pairing.FinishTimeout = time.Hour }) // the test says when it is over
}

// What is held back for a side that has ended its sending is there after PAUSE
// and RESUME, and so is what follows.
func TestPauseOfHalfClosedPair(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		endSending(client)
		expectEnd(t, worker)
		sendAndEnd(worker, plenty)
		r.pauseWithBacklog()
		if got := len(expectEnd(t, client)); got != plenty {
			t.Errorf("got %d bytes of %d", got, plenty)
		}
	})
}

// The same with a pair-buffer that is smaller than what the relay holds of a pair.
func TestPauseWithSmallBuffer(t *testing.T) {
	openPairs(t, anyNetwork, func(t *testing.T, r *rig, client, worker net.Conn) {
		sendAndEnd(client, plenty)
		r.pauseWithBacklog()
		if got := len(expectEnd(t, worker)); got != plenty {
			t.Errorf("got %d bytes of %d", got, plenty)
		}
	}, func(c *Config) { c.PairBuffer = MinPairBuffer })
}

// sendAndEnd sends so many bytes and ends the sending, while the test goes on.
func sendAndEnd(c net.Conn, size int) {
	go func() {
		_, _ = c.Write(make([]byte, size))
		endSending(c)
	}()
}

// pauseWithBacklog pauses the pool and resumes it, until it was paused while
// bytes were held back, which the loop then had.
func (r *rig) pauseWithBacklog() {
	r.t.Helper()
	eventually(r.t, "bytes are held back in a pause", func() bool {
		if err := r.pool.Pause(context.Background()); err != nil {
			r.t.Fatal(err)
		}
		held := r.snapshot().Backlog
		if err := r.pool.Resume(context.Background()); err != nil {
			r.t.Fatal(err)
		}
		return held > 0
	})
}

// A reset that the relay has seen, and of which the loop has not heard when it is
// paused, is passed on and is the reason of the end.
func TestResetBeforePause(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		var loan *splice.Pair
		r.onLoop(func(l *loop) { c, _ := l.sides(); loan = c.flow.loan })
		release := r.stall()
		paused := make(chan error, 1)
		go func() { paused <- r.pool.Pause(context.Background()) }()
		eventually(t, "the loop is to pause next", func() bool { return len(r.pool.commands) == 1 })
		reset(client)
		eventually(t, "the relay has seen the reset", func() bool { return loan.End().Over })
		release()
		if err := <-paused; err != nil {
			t.Fatal(err)
		}
		if err := r.pool.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		_ = worker.SetReadDeadline(time.Now().Add(patience))
		if n, err := worker.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d bytes, %v: want a reset", n, err)
		}
		r.expectReasons(1, pairing.ClientReset)
		r.expectQuiet()
	})
}

// What the relay knew of a pair's end when it was paused still counts when it is
// resumed, and what comes meanwhile counts behind it.

// Whichever side ended its sending first is the reason, also when the other does so
// in the pause.
func TestPauseBetweenTwoEnds(t *testing.T) {
	eitherSide(t, ofResets, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
		other := r.connOf(second)
		endSending(first)
		expectEnd(t, second)
		r.whilePaused(func() {
			endSending(second)
			r.expectState(other, tcpClose)
		})
	})
}

// Who ended its sending in order, and is reset in the pause, ended in order.
func TestResetInPauseAfterHalfClose(t *testing.T) {
	eitherSide(t, ofResets, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
		one := r.connOf(first)
		endSending(first)
		expectEnd(t, second)
		r.whilePaused(func() {
			reset(first)
			r.expectState(one, tcpClose)
			send(t, second, []byte("too late")) // the relay finds the reset by writing
		})
		expectResetAfterEnd(t, second)
	})
}

// Who is reset in the pause after the other has begun to end, and is found by the loop.
func TestFollowerResetInPause(t *testing.T) {
	eitherSide(t, ofResets, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
		r.littleRoomFor(second)
		holdBack(t, first)
		endSending(first)
		eventually(t, "the end has arrived behind what is held back", func() bool {
			if r.halfClosed() == 1 {
				return true
			}
			expect(t, second, make([]byte, little/2))
			return false
		})
		r.whilePaused(func() {
			if r.cfg.Relay == RelayStream { // where libzmq holds it, and is heard when the pause is over
				reset(second)
				return
			}
			if r.snapshot().Backlog == 0 {
				t.Error("nothing was held back")
			}
			reset(second)
			eventually(t, "the loop knows", func() bool { return r.snapshot().Connections < 2 })
		})
		_ = first.Close()
	})
}

// Of two sides that are reset in the pause the client is seen first.
func TestBothResetInPause(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		sides := [...]*conn{r.connOf(client), r.connOf(worker)}
		r.whilePaused(func() {
			send(t, client, []byte("last words"))
			reset(client)
			reset(worker)
			for _, c := range sides {
				r.expectState(c, tcpClose)
			}
		})
		r.expectReasons(1, pairing.ClientReset)
		r.expectQuiet()
	})
}

// A reset that the relay has found by writing, which spends the socket's error, is
// passed on although the pair is paused before it has ended.
func TestPauseOfPairWithReset(t *testing.T) {
	eitherSideLent(t, pairing.ClientReset, pairing.WorkerReset, func(t *testing.T, r *rig, first, second net.Conn) {
		resetFoundByWriting(t, r, first, second)
		r.whilePaused(func() {})
		expectResetOf(t, second)
	})
}

// The same pair is reset for that reason by the finish timeout.
func TestResetHalfClosedForEver(t *testing.T) {
	eitherSideLent(t, pairing.ClientReset, pairing.WorkerReset, func(t *testing.T, r *rig, first, second net.Conn) {
		resetFoundByWriting(t, r, first, second)
		eventually(t, "it is ended", func() bool {
			r.drainTimeoutPasses()
			return r.snapshot().Connections == 0
		})
		expectResetOf(t, second)
	})
}

// little is less than what may wait in a socket that is read, and it does not grow.
const little = 32 << 10

// littleRoomFor has the kernel keep little of what is sent to an end that a test has.
func (r *rig) littleRoomFor(end net.Conn) {
	r.t.Helper()
	c := r.connOf(end)
	_ = end.(*net.TCPConn).SetReadBuffer(little)
	r.onLoop(func(*loop) { _ = unix.SetsockoptInt(c.link.descriptor(), unix.SOL_SOCKET, unix.SO_SNDBUF, little) })
}

// resetFoundByWriting resets the first side while what it has sent is held back for
// the second, and has the relay find out by a write, and by nothing else.
func resetFoundByWriting(t *testing.T, r *rig, first, second net.Conn) {
	t.Helper()
	one := r.connOf(first)
	r.littleRoomFor(second)
	holdBack(t, first)
	r.whilePaused(func() {
		reset(first)
		r.expectState(one, tcpClose)
		_, _ = unix.GetsockoptInt(one.link.descriptor(), unix.SOL_SOCKET, unix.SO_ERROR) // else it would be announced
	})
	eventually(t, "the relay has seen its end", func() bool { return r.halfClosed() == 1 })
	send(t, second, []byte("x"))
	eventually(t, "the relay has found the reset", func() (found bool) {
		r.onLoop(func(*loop) { found = one.flow.loan == nil || one.flow.loan.End().Abort })
		return found
	})
	r.onLoop(func(*loop) {
		if loan := one.flow.loan; loan == nil || loan.End().Over {
			t.Error("nothing was held back")
		}
	})
}

// A pair that is half-closed when it is paused still has a finish timeout afterwards.
func TestHalfClosedAfterPause(t *testing.T) {
	eitherSide(t, anyNetwork, pairing.ClientClosed, pairing.WorkerClosed, func(t *testing.T, r *rig, first, second net.Conn) {
		endSending(first)
		expectEnd(t, second)
		r.whilePaused(func() {})
		eventually(t, "it is ended", func() bool {
			r.drainTimeoutPasses()
			return r.snapshot().Connections == 0
		})
	})
}

// A side that was left unread when its pair was lent is read again when the loop has
// it back.
func TestLentPairIsNotPaused(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, _, _ net.Conn) {
		r.whilePaused(func() {
			r.onLoop(func(l *loop) { c, _ := l.sides(); c.paused = true })
		})
		r.onLoop(func(l *loop) {
			if c, _ := l.sides(); !c.lent() || c.paused {
				t.Error("it is lent, and still counts as paused")
			}
		})
	})
}

// A pair that cannot be watched any more when it is resumed ends alone.
func TestResumeFails(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Relay = RelaySplice })
	client, worker := r.pair()
	other, _ := r.pair()
	r.expectLent(2)
	c := r.connOf(client)
	r.whilePaused(func() {
		r.onLoop(func(*loop) {
			null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0) // which epoll(7) refuses
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(null) }()
			if err := unix.Dup3(null, c.link.descriptor(), unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
		})
	})
	r.expectReasons(1, pairing.QueueFull)
	expectEnd(t, worker)
	r.expectLent(1)
	send(t, other, []byte("goes on"))
}

// whilePaused does something between PAUSE and RESUME.
func (r *rig) whilePaused(do func()) {
	r.t.Helper()
	if err := r.pool.Pause(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	do()
	if err := r.pool.Resume(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// connOf is the loop's connection to an end that a test has.
func (r *rig) connOf(end net.Conn) (found *conn) {
	r.t.Helper()
	r.onLoop(func(l *loop) {
		l.table.EachPeer(func(p *pairing.Peer) bool {
			if c := p.Conn.(*conn); sockets.PeerEnd(c.link.descriptor()).String() == end.LocalAddr().String() {
				found = c
			}
			return found == nil
		})
	})
	return found
}

// expectState waits until the kernel has a connection in that state.
func (r *rig) expectState(c *conn, state uint8) {
	r.t.Helper()
	eventually(r.t, "the kernel knows", func() (is bool) {
		r.onLoop(func(*loop) {
			info, err := unix.GetsockoptTCPInfo(c.link.descriptor(), unix.IPPROTO_TCP, unix.TCP_INFO)
			is = err == nil && info.State == state
		})
		return is
	})
}

// expectResetOf reads until a connection is reset.
func expectResetOf(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v: want a reset", n, err)
	}
}

// expectResetAfterEnd waits until a connection is reset whose end has been read.
func expectResetAfterEnd(t *testing.T, c net.Conn) {
	t.Helper()
	eventually(t, "it is reset", func() (was bool) {
		onDescriptor(c, func(fd int) { was = wasReset(fd) })
		return was
	})
}
