package stream

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A descriptor's number may belong to another connection by the time that its
// connect notice is read. Connections that come and go at random moments must
// never cost the ones beside them anything.
func TestChurnLeavesOthersAlone(t *testing.T) { onBothRelays(t, testChurn) }

func testChurn(t *testing.T, relay func(*Config)) {
	r := newRig(t, relay, func(c *Config) { c.Pairing.HandshakeTimeout = 5 * time.Second })
	const pairs, churners, cycles = 20, 8, 250
	var conns [pairs][2]net.Conn
	for i := range conns {
		conns[i][0], conns[i][1] = r.pair()
	}
	var churn sync.WaitGroup
	for i := range churners {
		churn.Go(func() {
			src := rand.New(rand.NewPCG(1, uint64(i)))
			for range cycles {
				c := r.client()
				switch src.IntN(4) {
				case 0:
					_, _ = c.Write(signature)
				case 1:
					_, _ = c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
				}
				time.Sleep(time.Duration(src.IntN(300)) * time.Microsecond)
				if src.IntN(2) == 0 {
					reset(c)
				} else {
					_ = c.Close()
				}
			}
		})
	}
	stop := make(chan struct{})
	go func() { churn.Wait(); close(stop) }()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		for i := range conns {
			msg := fmt.Appendf(nil, "hello from %d", i)
			send(t, conns[i][0], msg)
			expect(t, conns[i][1], msg)
		}
	}
	eventually(t, "only the pairs are left", func() bool { return r.snapshot().Connections == 2*pairs })
	if ended := len(r.reasons()); ended > churners*cycles {
		t.Errorf("%d clients ended, only %d came and went", ended, churners*cycles)
	}
	for i := range conns {
		_ = conns[i][0].Close()
		_ = conns[i][1].Close()
	}
	r.expectQuiet()
}

// A burst is taken at once: libzmq's default backlog of 100 would leave most of
// it to retransmitted SYNs.
func TestStormOfConnects(t *testing.T) {
	r := newRig(t)
	const burst = 3000
	f, _ := r.pool.Bound()
	ep, _ := ParseEndpoint(f[0])
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range burst / 10 {
				c, err := net.Dial("tcp", ep.HostPort())
				if err != nil {
					t.Errorf("a connect failed: %v", err)
					return
				}
				reset(c)
			}
		})
	}
	wg.Wait()
	eventually(t, "each has its reason", func() bool { return len(r.reasons()) >= burst })
	r.expectQuiet()
	if n := len(r.reasons()); n != burst {
		t.Errorf("%d clients ended of %d", n, burst)
	}
}

// Near the limit of descriptors who connects is refused before accept can fail;
// who is there is served on, and when there is room others are, too.
func TestDescriptorsRunOut(t *testing.T) {
	r := newRig(t)
	client, worker := r.pair()
	if err := r.pool.answer(t.Context(), func() error { r.ctx.limit = 100; return nil }); err != nil {
		t.Fatal(err)
	}
	var crowd []net.Conn
	for range 200 {
		crowd = append(crowd, r.client())
	}
	send(t, client, []byte("still served"))
	expect(t, worker, []byte("still served"))
	eventually(t, "the rest is refused", func() bool { return len(r.reasons()) >= 100 })
	for _, why := range r.reasons() {
		if why != pairing.QueueFull {
			t.Errorf("refused for %v", why)
		}
	}
	for _, c := range crowd {
		_ = c.Close()
	}
	eventually(t, "only the pair is left", func() bool { return r.snapshot().Connections == 2 })
	r.pair()
	send(t, client, []byte("still served"))
	expect(t, worker, []byte("still served"))
}

func TestNumbersComeRound(t *testing.T) {
	for _, tc := range []struct {
		next, number uint32
		want         bool
	}{
		{100, 150, true},
		{100, 100, false},
		{100, 50, false},
		{100, 201, false},
		{0xffffffff, 20, true},
		{5, 0xffffffff, false},
	} {
		if got := soon(tc.next, tc.number, 100); got != tc.want {
			t.Errorf("soon(%d, %d) = %v", tc.next, tc.number, got)
		}
	}
}

func TestMaximumClients(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Pairing.MaxClients = 2 })
	a, b := r.pair()
	r.pair()
	third := r.client()
	expectEnd(t, third)
	r.expectReasons(1, pairing.QueueFull)
	_, _ = a.Close(), b.Close()
	eventually(t, "there is room again", func() bool { return len(r.reasons()) == 2 })
	r.pair()
}

func TestMaximumPerAddress(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Pairing.MaxPerAddress = 1; c.Frontend = []string{"tcp://*:0"} })
	first := r.client()
	send(t, first, signature)
	eventually(t, "the first waits", func() bool { return r.snapshot().Stats.Waiting == 1 })
	expectEnd(t, r.client())
	r.expectReasons(1, pairing.QueueFull)
}
