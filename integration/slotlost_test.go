package integration

import (
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestSlotLost: a client with a wrong key costs README's worker its slot, and is named.
func TestSlotLost(t *testing.T) {
	ctx := newContext(t)
	served := newWorker(t, ctx, zmq.REP, newSecurity(t, "CURVE"))
	p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--mechanisms", "CURVE", "--slot-lost-after", "1s")
	must(t, served.SetImmediate(true))
	must(t, served.Connect(p.backend[0]))
	bad := newClient(t, ctx, zmq.DEALER, newSecurity(t, "CURVE"), "")
	must(t, bad.Connect(p.frontend[0]))
	begun := time.Now()
	eventually(t, "the client is named", func() bool {
		return strings.Contains(p.said(), "a client cost a worker slots for good") && strings.Contains(p.said(), `"address":"127.0.0.1"`)
	})
	t.Logf("after %v", time.Since(begun))
	if n := p.scrape(t).of(t, "slots_lost_total"); n != 1 {
		t.Errorf("%v slots are lost, of one", n)
	}
}
