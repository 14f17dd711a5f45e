package integration

import (
	"slices"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// interoperate has a peer's client ask a libzmq worker, and a libzmq client ask the peer's worker, by every way, with
// each mechanism that the peer knows. The control is the direct connection, whose replies must have the same digest.
func interoperate(t *testing.T, p program) {
	for _, mechanism := range p.mechanisms {
		for _, kinds := range [][2]string{{"REQ", "REP"}, {"DEALER", "ROUTER"}, {"REQ", "ROUTER"}, {"DEALER", "REP"}} {
			name := mechanism + "/" + kinds[0] + "-" + kinds[1]
			t.Run("client/"+name, func(t *testing.T) { foreignClient(t, p, mechanism, kinds, everyWay()) })
			t.Run("worker/"+name, func(t *testing.T) { foreignWorker(t, p, mechanism, kinds, everyWay()) })
		}
	}
}

func foreignClient(t *testing.T, p program, mechanism string, kinds [2]string, ways []way) {
	p.lacking(t)
	kind, to := kinds[0], kinds[1]
	var want string
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, mechanism)
			served := newWorker(t, ctx, zmqType(to), sec)
			endpoint := w.open(t, "tcp", []worker{served})
			served.serve(t, echo)
			got := p.startClient(t, task{
				kind: kind, to: to, connect: endpoint, identity: "client", requests: 20, atOnce: 2, size: 20_000, sec: sec,
			}).end(t)
			if got.Received != 20 || got.Wrong != 0 {
				t.Errorf("%d replies, %d of them wrong; want 20 and none", got.Received, got.Wrong)
			}
			if want == "" {
				want = got.Digest
			}
			if got.Digest != want {
				t.Errorf("the replies are not what they are directly")
			}
		})
	}
}

func foreignWorker(t *testing.T, p program, mechanism string, kinds [2]string, ways []way) {
	p.lacking(t)
	kind, to := kinds[0], kinds[1]
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			p.lacking(t)
			ctx := newContext(t)
			sec := newSecurity(t, mechanism)
			served := &processWorker{program: p, kind: to, sec: sec, slots: 1}
			client := newClient(t, ctx, zmqType(kind), sec, "client")
			must(t, client.Connect(w.open(t, "tcp", []worker{served})))
			c := combination{client: zmqType(kind), worker: zmqType(to)}
			for _, m := range sampleMessages() {
				if kind == "DEALER" && to == "REP" {
					m = append([]string{""}, m...)
				}
				client.send(t, m...)
				if got := client.recv(t); !slices.Equal(got, m) {
					t.Fatalf("%s got a reply that is not its request (%d frames for %d)", c.name(), len(got), len(m))
				}
			}
			if got := served.finish(t); got.Messages != len(sampleMessages()) {
				t.Errorf("the worker served %d messages, want %d", got.Messages, len(sampleMessages()))
			} else if to == "ROUTER" && !slices.Equal(got.Identities, []string{"client"}) {
				t.Errorf("the worker saw the identities %q", got.Identities)
			}
		})
	}
}

// lacking skips what the library does not do directly, either.
func (p program) lacking(t *testing.T) {
	t.Helper()
	for name, why := range p.lacks {
		if strings.Contains(t.Name()+"/", "/"+name+"/") {
			t.Skipf("%s: %s", p.name, why)
		}
	}
}

func zmqType(name string) zmq.Type {
	return map[string]zmq.Type{"REQ": zmq.REQ, "REP": zmq.REP, "DEALER": zmq.DEALER, "ROUTER": zmq.ROUTER}[name]
}

// TestPyzmq is pyzmq as the client and as the worker of libzmq, with every mechanism.
func TestPyzmq(t *testing.T) {
	t.Parallel()
	interoperate(t, python())
}
