package integration

import (
	"fmt"
	"syscall"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// TestS5ThousandClients has a thousand CURVE clients at once, each with a session of its own, at one worker behind one
// port. The worker tells them apart, each client has its own replies, and each has a connection to the worker to itself.
func TestS5ThousandClients(t *testing.T) {
	const clients = 1000
	needDescriptors(t, 8*clients)
	t.Run("direct", func(t *testing.T) { thousand(t, clients, nil) })
	t.Run("listening", func(t *testing.T) {
		thousand(t, clients, func(endpoint string) *pool {
			return openPool(t, func(c *stream.Config) {
				c.Workers = []pairing.WorkerConfig{{Name: "only", Endpoint: endpoint}}
			})
		})
	})
}

// needDescriptors ends the test on a machine that does not let a process have this many: a client, its two ends in the
// proxy and its end in the worker, and libzmq's mailbox of each socket, are all in this one.
func needDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < n {
		t.Skipf("a limit of %d descriptors is needed (ulimit -n), this machine gives %d", n, limit.Cur)
	}
}

func thousand(t *testing.T, clients int, through func(worker string) *pool) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	served := newWorker(t, ctx, zmq.ROUTER, sec)
	endpoint := served.listen(t, "tcp://127.0.0.1:*")
	var p *pool
	if through != nil {
		p = through(endpoint)
		endpoint = p.frontend
	}
	seen := map[string]int{}
	stop := served.serve(t, func(m frames) frames {
		seen[string(m[0])]++
		return frames{m[0], fmt.Appendf(nil, "%s, so says %s", m[1], m[0])}
	})
	everyone := make([]*socket, clients)
	for i := range everyone {
		everyone[i] = newClient(t, ctx, zmq.DEALER, sec, fmt.Sprintf("client-%d", i))
		must(t, everyone[i].SetHandshakeIvl(2*patience))
		must(t, everyone[i].Connect(endpoint))
	}
	for round := range 3 {
		for i, c := range everyone {
			c.send(t, fmt.Sprintf("%d of %d", round, i))
		}
		for i, c := range everyone {
			want := fmt.Sprintf("%d of %d, so says client-%d", round, i, i)
			if got := c.recv(t); len(got) != 1 || got[0] != want {
				t.Fatalf("client %d got %q, want %q", i, got, want)
			}
		}
		if p != nil {
			if s := p.snapshot(t); s.Stats.Open != clients || s.Connections != 2*clients {
				t.Fatalf("round %d: %d pairs are open by %d connections, want %d by %d",
					round, s.Stats.Open, s.Connections, clients, 2*clients)
			}
		}
	}
	stop()
	if len(seen) != clients {
		t.Errorf("the worker told %d clients apart, want %d", len(seen), clients)
	}
	for id, n := range seen {
		if n != 3 {
			t.Errorf("the worker saw %d requests of %s, want 3", n, id)
		}
	}
}
