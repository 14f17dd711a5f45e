package integration

import (
	"fmt"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestChanceDiffersBetweenProcesses has two proxies with the same workers choose at random for twenty clients each: they
// choose in different orders. Replicas that act in step would send what a balancer deals out evenly to the same worker.
func TestChanceDiffersBetweenProcesses(t *testing.T) {
	const workers, clients = 4, 20
	ctx := newContext(t)
	sec := newSecurity(t, "NULL")
	ws := newNamed(t, ctx, sec, workers, 1)
	args := []string{"--policy", "random", "--frontend", "tcp://127.0.0.1:0"}
	for i, s := range ws.sockets {
		args = append(args, "--worker", fmt.Sprintf("w%d=%s", i, s.listen(t, "tcp://127.0.0.1:*")))
	}
	ws.serve()
	order := func() string {
		p := startOperated(t, args...)
		var order []string
		for range clients {
			c := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, c.Connect(p.frontend[0]))
			order = append(order, ask(t, c))
		}
		return strings.Join(order, " ")
	}
	if a, b := order(), order(); a == b { // by chance once in 4^20 times
		t.Errorf("both chose %s", a)
	}
}
