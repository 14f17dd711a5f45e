package stream

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

func expectAny(c *Config) { c.ExpectAny = true }

// Where anything may be spoken a client that is silent has its worker at once, the worker
// may speak first, nothing is taken for a handshake, and each side's end is passed on.
func TestWorkerSpeaksFirst(t *testing.T) {
	for way, pair := range map[string]func(t *testing.T, relay func(*Config)) (r *rig, client, worker net.Conn){
		"dialled": func(t *testing.T, relay func(*Config)) (*rig, net.Conn, net.Conn) {
			endpoint, accept := listeningWorker(t)
			r := newRig(t, relay, expectAny, withWorker(endpoint))
			return r, r.client(), accept()
		},
		"dialled in": func(t *testing.T, relay func(*Config)) (*rig, net.Conn, net.Conn) {
			r := newRig(t, relay, expectAny)
			worker := r.worker()
			send(t, worker, []byte("220 he")) // before there is anybody
			eventually(t, "the worker is a slot", func() bool { return r.snapshot().Stats.Slots == 1 })
			return r, r.client(), worker
		},
	} {
		t.Run(way, func(t *testing.T) {
			onBothRelays(t, func(t *testing.T, relay func(*Config)) {
				r, client, worker := pair(t, relay)
				if way == "dialled in" {
					expect(t, client, []byte("220 he"))
				}
				send(t, worker, []byte("220 hello\r\n"))
				expect(t, client, []byte("220 hello\r\n"))
				send(t, client, []byte("GET / HTTP/1.1\r\n\r\n"))
				expect(t, worker, []byte("GET / HTTP/1.1\r\n\r\n"))
				send(t, worker, make([]byte, 1<<16)) // ZMTP would have an impossible frame in it
				expect(t, client, make([]byte, 1<<16))
				if s := r.snapshot(); s.Stats.Open != 1 {
					t.Errorf("%d pairs are open", s.Stats.Open)
				}
				_ = client.Close()
				expectEnd(t, worker)
				_ = worker.Close()
				r.expectReasons(1, pairing.ClientClosed)
				r.expectQuiet()
			})
		})
	}
}

// What a client has sent before there was a worker, and from a balancer behind its header, is the worker's.
func TestAnythingWaits(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, expectAny, fromLoopback)
		client := r.client()
		send(t, client, append(header(1), "\x16\x03\x01 is no ZMTP"...))
		eventually(t, "it waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
		worker := r.worker()
		expect(t, worker, []byte("\x16\x03\x01 is no ZMTP"))
		send(t, worker, []byte{0x16})
		expect(t, client, []byte{0x16})
		if info, err := r.pool.Find(t.Context(), "192.0.2.1:4000"); err != nil || info == nil {
			t.Errorf("nobody is at the client's address: %v", err)
		}
	})
}

// ZMTP passes as well, whatever it is in its handshake.
func TestZMTPAmongAnything(t *testing.T) {
	onBothRelays(t, func(t *testing.T, relay func(*Config)) {
		r := newRig(t, relay, expectAny)
		r.pair()
	})
}

// After a reload what comes is taken as it then says.
func TestExpectIsReloaded(t *testing.T) {
	r := newRig(t)
	cfg := r.cfg
	cfg.ExpectAny = true
	worker := r.slot()
	if err := r.pool.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	client := r.client()
	expect(t, client, signature)
	send(t, client, []byte("anything"))
	expect(t, worker, []byte("anything"))
	if err := r.pool.Reload(t.Context(), r.cfg); err != nil {
		t.Fatal(err)
	}
	other := r.client()
	send(t, other, []byte("anything"))
	expectEnd(t, other)
	r.expectReasons(1, pairing.NotZMTP)
}

// A pair that the table has ended before the loop has made it, as where a dial succeeds and a probe of the same worker
// fails within one turn (on-down: end), is over in order.
func TestPairThatEndsBeforeItIsMade(t *testing.T) {
	r := newRig(t, expectAny, withWorker("tcp://"+blackHoleTCP(t).String()), func(c *Config) { c.ConnectTimeout = time.Minute })
	r.client()
	eventually(t, "the worker is dialled", func() bool { return r.snapshot().Stats.Clients[pairing.PeerDialling] == 1 })
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sockets.Close(ends[1])
	r.onLoop(func(l *loop) {
		var client pairing.PeerID
		l.table.EachPeer(func(p *pairing.Peer) bool { client = p.ID; return false })
		l.dialled(client, l.dialler.nextID(), connection{Connection: sockets.Connection{FD: ends[0]}})
		l.act(l.table.End(l.now(), client, pairing.Kicked))
	})
	r.expectReasons(1, pairing.Kicked)
}
