package integration

import (
	"fmt"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// twoAlike starts a proxy over two workers that listen and are alike, and over others.
func twoAlike(t *testing.T, ctx *zmq.Context, sec security, others ...string) *operated {
	ws := newNamed(t, ctx, sec, 2, 1)
	// Who is set aside stays so, however long a busy machine takes for the rest.
	args := []string{"--frontend", "tcp://127.0.0.1:0", "--access-log=false", "--retry-min", "5m", "--retry-max", "5m"}
	for i, s := range ws.sockets {
		args = append(args, "--worker", fmt.Sprintf("w%d=%s", i, s.listen(t, "tcp://127.0.0.1:*")))
	}
	for _, other := range others {
		args = append(args, "--worker", other)
	}
	p := startOperated(t, args...)
	ws.serve()
	return p
}

// TestBadClientsMoveNobody has twenty clients with the key of another worker try again and again, and go; then sixty good
// ones come to two workers that are alike: each of these has within 45:55 of them.
func TestBadClientsMoveNobody(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	p := twoAlike(t, ctx, sec)
	var bad []*socket
	for range 20 {
		c := newClient(t, ctx, zmq.DEALER, newSecurity(t, "CURVE"), "")
		must(t, c.SetReconnectIvl(10*time.Millisecond))
		must(t, c.Connect(p.frontend[0]))
		bad = append(bad, c)
	}
	p.until(t, "they have failed often", func(s samples) bool { return s.of(t, "clients_ended_total", "reason=refused-by-worker") >= 400 })
	for _, c := range bad {
		c.close()
	}
	p.until(t, "they have gone", func(s samples) bool {
		return s.of(t, "clients", "state=paired")+s.of(t, "clients", "state=dialling")+s.of(t, "clients", "state=connected") == 0
	})
	at := map[string]int{}
	for range 60 {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend[0]))
		at[ask(t, c)]++
	}
	if n := at["w0"]; n < 27 || n > 33 || at["w1"] != 60-n {
		t.Errorf("sixty good clients are at %v", at)
	}
}

// TestWorkerWithAnotherKey has a worker beside two good ones whose key is another: it closes each client in its handshake.
// It loses about ten of those that would go to it, and is then set aside; each client is served by a good one in the end.
func TestWorkerWithAnotherKey(t *testing.T) {
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	broken := newWorker(t, ctx, zmq.REP, newSecurity(t, "CURVE"))
	p := twoAlike(t, ctx, sec, "broken="+broken.listen(t, "tcp://127.0.0.1:*"))
	for range 60 {
		c := newAsking(t, ctx, sec, p.frontend[0])
		ask(t, c)
	}
	s := p.scrape(t)
	if lost := s.of(t, "clients_ended_total", "reason=refused-by-worker"); lost < 5 || lost > 20 {
		t.Errorf("%v clients have come to it", lost)
	}
	if n := s.of(t, "worker_failures_total", "worker=broken"); n == 0 {
		t.Error("it was never set aside")
	}
}
