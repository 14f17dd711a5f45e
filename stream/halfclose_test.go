package stream

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
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
	_ = client.(*net.TCPConn).CloseWrite()
	eventually(t, "the worker's kernel has everything", func() bool { return unread(worker) == size })
	eventually(t, "the loop knows", func() bool { return r.halfClosed() == 1 })
	r.onLoop(func(l *loop) {
		h, _ := l.nextHalfClosed()
		h.progress = h.loan.progress()
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
	lentPairs(t, func(t *testing.T, r *rig, client, worker net.Conn) {
		_ = client.(*net.TCPConn).CloseWrite()
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
			l.pool.relayTold(former)
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
