package integration

import (
	"fmt"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestS3DealerToDealerWorkerThatDialsIn is the first use that the proxy was made for: a DEALER client and a DEALER worker
// that dials in, CURVE between them, 100 requests, two at a time, the first of each round multipart.
func TestS3DealerToDealerWorkerThatDialsIn(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay() {
		t.Run(w.name+"/libzmq", func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "CURVE")
			served := newWorker(t, ctx, zmq.DEALER, sec)
			client := newClient(t, ctx, zmq.DEALER, sec, "client")
			must(t, client.Connect(w.open(t, "tcp", []worker{served})))
			served.serve(t, echo)
			for round := range 50 {
				multipart := []string{"multipart", fmt.Sprint(2 * round), "", "end"}
				single := fmt.Sprint(2*round + 1)
				client.send(t, multipart...)
				client.send(t, single)
				if got := client.recv(t); fmt.Sprint(got) != fmt.Sprint(multipart) {
					t.Fatalf("round %d: got %q, want %q", round, got, multipart)
				}
				if got := client.recv(t); len(got) != 1 || got[0] != single {
					t.Fatalf("round %d: got %q, want %q", round, got, single)
				}
			}
		})
		t.Run(w.name+"/pyzmq", func(t *testing.T) {
			sec := newSecurity(t, "CURVE")
			served := &processWorker{program: python(), kind: "DEALER", sec: sec, slots: 1}
			endpoint := w.open(t, "tcp", []worker{served})
			client := python().startClient(t, task{
				kind: "DEALER", to: "DEALER", connect: endpoint, identity: "client", requests: 100, atOnce: 2, size: 1000, sec: sec,
			})
			if got := client.end(t); got.Received != 100 || got.Wrong != 0 {
				t.Errorf("the client received %d replies, %d of them wrong; want 100 and none", got.Received, got.Wrong)
			}
			if got := served.finish(t); got.Messages != 100 {
				t.Errorf("the worker served %d messages, want 100", got.Messages)
			}
		})
	}
}
