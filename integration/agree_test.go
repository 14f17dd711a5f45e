package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestProxiesAgree has clients of 24 addresses at one of two proxies with the policy rendezvous, which know nothing of each
// other. When it ends they come to the other one, and each has the worker that it had, also through a proxy to which the
// workers were told in another order.
func TestProxiesAgree(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	ws := newNamed(t, ctx, sec, 3, 0)
	var forth, back []string
	for i, w := range ws.sockets {
		flag := fmt.Sprintf("w%d=%s", i, w.listen(t, "tcp://127.0.0.1:*"))
		forth = append(forth, "--worker", flag)
		back = append([]string{"--worker", flag}, back...)
	}
	ws.serve()
	start := func(workers []string) *proxy {
		return startProxy(t, append(workers, "--frontend", "tcp://127.0.0.1:0", "--policy", "rendezvous")...)
	}
	first, second := start(forth), start(back)
	at := func(p *proxy, i int) string {
		return fmt.Sprintf("tcp://127.0.3.%d:0;%s", 1+i, strings.TrimPrefix(p.frontend[0], "tcp://"))
	}
	clients, has, seen := make([]*socket, 24), make([]string, 24), map[string]bool{}
	for i := range clients {
		clients[i] = newClient(t, ctx, zmq.REQ, sec, "")
		must(t, clients[i].SetReqRelaxed(1))
		must(t, clients[i].SetReqCorrelate(1))
		must(t, clients[i].Connect(at(first, i)))
		has[i] = ask(t, clients[i])
		seen[has[i]] = true
	}
	if len(seen) != 3 {
		t.Fatalf("all are at %v: then it says nothing that they come back there", seen)
	}
	must(t, first.command.Process.Signal(syscall.SIGTERM))
	<-first.exited
	begun := time.Now()
	for i, c := range clients {
		must(t, c.Disconnect(at(first, i)))
		must(t, c.Connect(at(second, i)))
		if got := ask(t, c); got != has[i] {
			t.Errorf("client %d had %s, and has %s", i, has[i], got)
		}
	}
	t.Logf("all are back after %v", time.Since(begun))
}
