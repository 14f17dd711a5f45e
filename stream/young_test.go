package stream

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A reset and the other side's FIN that come in the same turn: the other is reset,
// and not told by a FIN that all is well.
func TestResetBesideFIN(t *testing.T) {
	loopPairs(t, ofResets, func(t *testing.T, r *rig, client, worker net.Conn) {
		r.onLoop(func(*loop) {
			reset(worker)
			endSending(client)
		})
		expectResetOf(t, client)
		r.expectReasons(1, pairing.WorkerReset)
		r.expectQuiet()
	})
}

// A side that takes nothing more has been reset, although its other side ends in order
// before that is read.
func TestFINBehindBrokenWrite(t *testing.T) {
	loopPairs(t, ofResets, func(t *testing.T, r *rig, client, worker net.Conn) {
		r.onLoop(func(*loop) {
			send(t, client, []byte("in vain"))
			endSending(client)
			reset(worker)
		})
		expectResetOf(t, client)
		r.expectReasons(1, pairing.WorkerReset)
		r.expectQuiet()
	})
}

// A side that has ended its sending in order may be reset later, and its partner is then.
func TestResetAfterFIN(t *testing.T) {
	openPairs(t, ofResets, func(t *testing.T, r *rig, client, worker net.Conn) {
		endSending(client)
		expectEnd(t, worker)
		reset(client)
		_ = worker.SetWriteDeadline(time.Now().Add(patience))
		if _, err := io.Copy(worker, zeros{}); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%v, want a reset", err)
		}
		r.expectReasons(1, pairing.ClientClosed)
		r.expectQuiet()
	})
}

// A pair that says little grows up all the same.
func TestPairGrowsUp(t *testing.T) {
	splicedPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		eventually(t, "it is lent", func() (lent bool) {
			r.onLoop(func(l *loop) { l.eachConn(func(c *conn) { lent = lent || c.lent() }) })
			return lent
		})
		send(t, client, []byte("question"))
		expect(t, worker, []byte("question"))
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// On the stream relay a side that libzmq has let go of has ended as its notice says,
// although something was written to it before that.
func TestWrittenToAfterTheEnd(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		client, worker := r.pair()
		r.onLoop(func(*loop) {
			_ = worker.Close()
			send(t, client, []byte("in vain"))
			time.Sleep(20 * time.Millisecond) // libzmq's thread has time to find the end
		})
		expectEnd(t, client)
		_ = client.Close()
		r.expectReasons(1, pairing.WorkerClosed)
		r.expectQuiet()
	})
}

// A client that waits costs no more than the documents say, whatever it sends.
func TestWaitingClientIsSmall(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		client := r.client()
		flooding := append(nullPeer(), make([]byte, 200_000)...)
		go func() { _, _ = client.Write(flooding) }()
		held := 0
		eventually(t, "it is left unread", func() (paused bool) {
			r.onLoop(func(l *loop) {
				l.eachConn(func(c *conn) { held, paused = cap(c.said()), c.paused })
			})
			return paused
		})
		most := 2 * maxEarly // as slices grow
		if r.cfg.Relay == RelayStream {
			most = firstReads * readChunk * 5 / 4 // which libzmq has read before it is told to stop, in two pieces a slice that grows by a quarter
		}
		if held > most {
			t.Errorf("%d bytes are kept of a client that waits, want at most %d", held, most)
		}
		_ = client.Close()
	})
}
