package stream

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
)

// onLoop runs f between two turns.
func (r *rig) onLoop(f func(l *loop)) {
	r.t.Helper()
	if err := r.pool.await(r.t.Context(), func() error { f(r.pool.loop); return nil }); err != nil {
		r.t.Fatal(err)
	}
}

// stall stops the loop until release is called.
func (r *rig) stall() (release func()) {
	stalled, let := make(chan struct{}), make(chan struct{})
	r.pool.post(func() { close(stalled); <-let })
	<-stalled
	return func() { close(let) }
}

// sides finds the two connections of the only pair.
func (l *loop) sides() (client, worker *conn) {
	l.table.EachPeer(func(p *pairing.Peer) bool {
		if c := p.Conn.(*conn); c.client() {
			client = c
		} else {
			worker = c
		}
		return true
	})
	return client, worker
}

// holdBack sends until nothing more is taken.
func holdBack(t *testing.T, from net.Conn) {
	t.Helper()
	block := make([]byte, 64<<10)
	eventually(t, "the sender is held back", func() bool {
		_ = from.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, err := from.Write(block)
		return errors.Is(err, os.ErrDeadlineExceeded)
	})
	_ = from.SetWriteDeadline(time.Time{})
}

// A peer that dies while it is held back, its partner being held back, too, is
// not touched any more when the partner has room again.
func TestBothHeldBackAndOneDies(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Relay = RelaySplice })
	client, worker := r.pair()
	holdBack(t, worker)
	holdBack(t, client)
	reset(client)
	eventually(t, "the client has gone", func() bool { return r.snapshot().Connections == 1 })
	_, _ = io.Copy(io.Discard, worker)
	_ = worker.Close()
	r.expectReasons(1, pairing.ClientReset)
	r.expectQuiet()
}

// silentEnd is a client that sends much and ends, before the loop has heard that it
// came. The loop must be stalled meanwhile.
func silentEnd(t *testing.T, r *rig) {
	t.Helper()
	c := r.client()
	send(t, c, signature)
	for range MinPairBuffer/4/readChunk - 2 { // the connect notice is one, the signature another
		eventually(t, "libzmq has read it", func() bool { return unacknowledged(c) == 0 })
		time.Sleep(time.Millisecond) // two chunks must not become one
		send(t, c, []byte{3})
	}
	time.Sleep(2 * time.Millisecond)
	_ = c.Close()
	time.Sleep(20 * time.Millisecond)
}

// When the notice of a connection's end is lost before its descriptor was
// duplicated, the number may be another connection's. Ending the one must not
// end the other.
func TestDescriptorOfAnother(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, func(c *Config) {
			c.PairBuffer = MinPairBuffer
			c.Pairing.HandshakeTimeout = 3 * time.Second // in which also a busy machine shakes hands
		})
		release := r.stall()
		silentEnd(t, r)
		innocent := r.client() // libzmq's accept gets the number that the other had
		send(t, innocent, signature)
		time.Sleep(20 * time.Millisecond)
		release()
		eventually(t, "only the living client waits", func() bool { return r.snapshot().Connections == 1 })
		worker := r.worker()
		send(t, worker, signature)
		expect(t, worker, signature)
		expect(t, innocent, signature)
		send(t, innocent, nullPeer()[len(signature):])
		send(t, worker, nullPeer()[len(signature):])
		expect(t, innocent, nullPeer()[len(signature):])
		eventually(t, "the ghost has ended", func() bool { return len(r.reasons()) == 1 })
		_ = innocent.SetReadDeadline(time.Now().Add(3500 * time.Millisecond)) // longer than any limit that the ghost has
		if _, err := innocent.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the open pair was ended for another connection's sake: %v", err)
		}
	})
}

// The same when nobody has the number.
func TestDescriptorOfNobody(t *testing.T) {
	r := newRig(t, func(c *Config) { c.PairBuffer = MinPairBuffer })
	release := r.stall()
	silentEnd(t, r)
	release()
	r.expectQuiet()
}

// A unix listener that is too busy to answer is not one that was left behind.
func TestBusyPathIsNotFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 { // more than the backlog takes
		if c, err := net.DialTimeout("unix", path, 100*time.Millisecond); err == nil {
			defer func() { _ = c.Close() }()
		}
	}
	if err := FreePath(path); err == nil {
		t.Error("the path of a busy listener counts as free")
	}
}

// A survivor of four thousand million connections is ended before its number
// comes round, adopted or not.
func TestSurvivorMakesWay(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		r.pair()
		r.onLoop(func(l *loop) {
			c, _ := l.sides()
			l.guardWrap(l.frontend, (uint32(c.id)-1)&^(1<<20-1))
		})
		r.expectReasons(1, pairing.Drained)
	})
}

// Dials count against the budget of descriptors from their beginning.
func TestDialsAreInTheBudget(t *testing.T) {
	endpoint, _ := listeningWorker(t)
	r := newRig(t, withWorker(endpoint), func(c *Config) { c.Relay = RelayStream })
	r.onLoop(func(*loop) { r.ctx.limit = 200 })
	var crowd []net.Conn
	for range 88 {
		crowd = append(crowd, r.client())
	}
	eventually(t, "all are there", func() bool { return r.snapshot().Connections == len(crowd) })
	for _, c := range crowd {
		send(t, c, signature)
	}
	eventually(t, "all have what there is", func() bool {
		s := r.snapshot()
		if s.Descriptors > s.DescriptorLimit {
			t.Fatalf("%d descriptors of %d", s.Descriptors, s.DescriptorLimit)
		}
		return int(s.Stats.PairsTotal)+len(r.reasons()) == len(crowd)
	})
	for _, why := range r.reasons() {
		if why != pairing.QueueFull {
			t.Errorf("ended %v", why)
		}
	}
}

// A failed write takes the connection's error with it; the end is still a reset.
func TestResetThatAWriteWasToldOf(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Relay = RelaySplice })
	client, worker := r.pair()
	release := r.stall()
	send(t, worker, make([]byte, 100))
	reset(client)
	time.Sleep(2 * time.Millisecond)
	release()
	if _, err := io.Copy(io.Discard, worker); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the worker was told %v", err)
	}
	r.expectReasons(1, pairing.ClientReset)
	r.expectQuiet()
}

// A draining pool ends who waits, and returns when the last pair
// has ended by itself, however far the deadline is.
func TestDrainWaitsForPairs(t *testing.T) {
	r := newRig(t)
	client, worker := r.pair()
	waiting := r.client()
	send(t, waiting, signature)
	eventually(t, "a client waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
	r.pool.Drain(1<<63 - 1)
	expectEnd(t, waiting)
	r.expectReasons(1, pairing.Shutdown)
	send(t, client, []byte("still here"))
	expect(t, worker, []byte("still here"))
	_, _ = client.Close(), worker.Close()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
}

// At the deadline what is left ends.
func TestDrainDeadline(t *testing.T) {
	r := newRig(t)
	client, _ := r.pair()
	r.pool.Drain(50 * time.Millisecond)
	expectEnd(t, client)
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
	r.expectReasons(1, pairing.Drained)
}

func TestReload(t *testing.T) {
	r := newRig(t)
	endpoint, accept := listeningWorker(t)
	cfg := r.cfg
	cfg.Workers = []pairing.WorkerConfig{{Name: "added", Endpoint: endpoint}}
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	client := r.client()
	send(t, client, signature)
	expect(t, accept(), signature)
	cfg.Frontend = []string{"tcp://127.0.0.1:1"}
	if err := r.pool.Reload(t.Context(), cfg); err == nil {
		t.Error("an endpoint was changed under a running pool")
	}
	cfg.Frontend, cfg.Workers = r.cfg.Frontend, nil
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker is only there for its pair", func() bool {
		s := r.snapshot()
		return !s.Usable && s.Stats.Handshaking == 1
	})
}

// A worker that the configuration no longer names, and that dials in as well, is not
// dialled any more and keeps its slots and what an operator has said of it.
func TestReloadOfWorkerThatDialsIn(t *testing.T) {
	r := newRig(t)
	endpoint, _ := listeningWorker(t)
	cfg := r.cfg
	cfg.Workers = []pairing.WorkerConfig{{Name: "127.0.0.1", Endpoint: endpoint}}
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	send(t, r.worker(), signature)
	eventually(t, "a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
	if err := r.pool.SetWorkerState(t.Context(), "127.0.0.1", pairing.Draining); err != nil {
		t.Fatal(err)
	}
	cfg.Workers = nil
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if w := r.snapshot().Workers; len(w) != 1 || w[0].Endpoint != "" || w[0].State != pairing.Draining || w[0].Slots != 1 || w[0].Removed {
		t.Errorf("%+v", w)
	}
}

// Who goes on sending and does not care about our FIN is not read for ever.
func TestFloodAfterTheEnd(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, func(c *Config) { c.PairBuffer = MinPairBuffer })
		client, worker := r.pair()
		_ = client.Close()
		expectEnd(t, worker)
		var sent atomic.Int64
		flood(worker, &sent) // until it is refused
		r.expectReasons(1, pairing.ClientClosed)
		r.expectQuiet()
	})
}

// A client that floods before it is paired is left unread: little is kept of it,
// nobody else notices, and it may leave.
func TestFloodBeforeThePair(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay)
		client, worker := r.pair()
		const floods = 20
		var crowd []net.Conn
		var wg sync.WaitGroup
		for range floods {
			c := r.client()
			crowd = append(crowd, c)
			send(t, c, nullPeer())
			wg.Go(func() { flood(c, new(atomic.Int64)) })
		}
		eventually(t, "all of them wait", func() bool {
			send(t, client, []byte("beside"))
			expect(t, worker, []byte("beside"))
			return r.snapshot().Stats.Waiting == floods
		})
		for _, c := range crowd {
			reset(c)
		}
		wg.Wait()
		r.expectReasons(floods, pairing.ClientReset)
		eventually(t, "only the pair is left", func() bool { return r.snapshot().Connections == 2 })
	})
}

// However much a client says before there is a worker, the worker gets all of it.
func TestMuchBeforeThePair(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		endpoint, heard := hearingWorker(t)
		r := newRig(t, relay, withWorker(endpoint))
		says := make([]byte, 1<<20)
		_, _ = rand.NewChaCha8([32]byte{2}).Read(says)
		copy(says, nullPeer())
		for _, size := range []int{maxEarly, maxEarly + 1, 2 * maxEarly, 5 * maxEarly, len(says)} {
			for range 8 {
				c := r.client()
				send(t, c, says[:size])
				expect(t, c, nullPeer())
				_ = c.(*net.TCPConn).CloseWrite()
				if got := <-heard; !bytes.Equal(got, says[:size]) {
					t.Fatalf("of %d bytes %d arrived", size, len(got))
				}
				expectEnd(t, c)
				_ = c.Close()
			}
		}
		r.expectReasons(5*8, pairing.ClientClosed)
		r.expectQuiet()
	})
}

// hearingWorker says what a NULL peer says to whoever is paired with it, and passes on all that each said.
func hearingWorker(t *testing.T) (endpoint string, heard <-chan []byte) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	all := make(chan []byte, 1000)
	hear := func(c net.Conn) {
		defer c.Close()
		_, _ = c.Write(nullPeer())
		if b, _ := io.ReadAll(c); len(b) > 0 {
			all <- b
		}
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go hear(c)
		}
	}()
	return "tcp://" + ln.Addr().String(), all
}
