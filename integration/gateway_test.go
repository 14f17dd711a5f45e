package integration

import (
	"fmt"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestS1MultiClientGateway has many REQ clients, each with an identity of its own, ask one service at the same time.
// Every client gets its own replies, and the service tells the clients apart.
func TestS1MultiClientGateway(t *testing.T) {
	const clients, rounds = 40, 5
	for _, transport := range []string{"tcp", "ipc"} {
		for _, w := range everyWay() {
			for _, mechanism := range []string{"NULL", "CURVE"} {
				t.Run(transport+"/"+w.name+"/"+mechanism, func(t *testing.T) {
					ctx := newContext(t)
					sec := newSecurity(t, mechanism)
					service := newWorker(t, ctx, zmq.ROUTER, sec)
					service.slots = clients
					endpoint := w.open(t, transport, []worker{service})
					seen := map[string]int{}
					stop := service.serve(t, func(m frames) frames {
						seen[string(m[0])]++
						return append(m[:2:2], []byte("re: "+string(m[2])))
					})
					everyone := make([]*socket, clients)
					for i := range everyone {
						everyone[i] = newClient(t, ctx, zmq.REQ, sec, fmt.Sprintf("client-%d", i))
						must(t, everyone[i].Connect(endpoint))
					}
					for round := range rounds {
						for i, c := range everyone { // all ask before anybody reads
							c.send(t, fmt.Sprintf("client-%d asks %d", i, round))
						}
						for i, c := range everyone {
							want := fmt.Sprintf("re: client-%d asks %d", i, round)
							if got := c.recv(t); len(got) != 1 || got[0] != want {
								t.Fatalf("client %d got %q, want %q", i, got, want)
							}
						}
					}
					stop()
					for i := range clients {
						if n := seen[fmt.Sprintf("client-%d", i)]; n != rounds {
							t.Errorf("the service saw %d requests of client-%d, want %d", n, i, rounds)
						}
					}
				})
			}
		}
	}
}
