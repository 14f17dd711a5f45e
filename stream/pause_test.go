package stream

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// plenty is more than the kernel's buffers between two sides take, in bytes.
const plenty = 24 << 20

// A reader that is slow but reads has everything, however long that takes after
// the other side has ended its sending.
func TestSlowReaderHasEverything(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		// What is read in a drain timeout is more than the reader's kernel holds, so
		// that some of it has been delivered meanwhile.
		const perTimeout = 256 << 10
		_ = worker.(*net.TCPConn).SetReadBuffer(perTimeout / 4)
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
	}, func(c *Config) { c.Pairing.DrainTimeout = time.Hour }) // the test says when it is over
}

// What is held back for a side that has ended its sending is there after PAUSE
// and RESUME, and so is what follows.
func TestPauseOfHalfClosedPair(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		_ = client.(*net.TCPConn).CloseWrite()
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
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
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
		_ = c.(*net.TCPConn).CloseWrite()
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
		var lent *loan
		r.onLoop(func(l *loop) { c, _ := l.sides(); lent = c.flow.lent })
		release := r.stall()
		paused := make(chan error, 1)
		go func() { paused <- r.pool.Pause(context.Background()) }()
		eventually(t, "the loop is to pause next", func() bool { return len(r.pool.commands) == 1 })
		reset(client)
		eventually(t, "the relay has seen the reset", func() bool { return lent.End().Over })
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
