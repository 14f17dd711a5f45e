package integration

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// TestSlotLost: a client with a wrong key costs the worker of docs/guide/modes.md its slot, and is named.
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
	sameKeys(t, "docs/slots.md", p.said())
	if n := p.scrape(t).of(t, "slots_lost_total"); n != 1 {
		t.Errorf("%v slots are lost, of one", n)
	}
}

// sameKeys has the proxy say the line of its log that a document shows, with the same keys.
func sameKeys(t *testing.T, document, said string) {
	t.Helper()
	for _, f := range blocks(t, document) {
		message := regexp.MustCompile(`msg="([^"]+)"(.*)`).FindStringSubmatch(f.body)
		if message == nil {
			continue
		}
		for line := range strings.Lines(said) {
			if !strings.Contains(line, message[1]) {
				continue
			}
			var entry map[string]any
			must(t, json.Unmarshal([]byte(line), &entry))
			for _, key := range regexp.MustCompile(` ([\w-]+)=`).FindAllStringSubmatch(message[2], -1) {
				if _, ok := entry[key[1]]; !ok {
					t.Errorf("%v shows %s, which the proxy does not say: %s", f, key[1], line)
				}
				delete(entry, key[1])
			}
			if len(entry) != 3 { // time, level and message
				t.Errorf("%v does not show all of %s", f, line)
			}
			return
		}
	}
	t.Errorf("%s shows no line that the proxy says", document)
}

// TestSlotLostInTime: at the default settings each offender that cannot be refused is named within 15 seconds of its coming.
func TestSlotLostInTime(t *testing.T) {
	t.Parallel()
	for _, bad := range offenders(t) {
		if bad.seen {
			continue
		}
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			ctx, sec := newContext(t), newSecurity(t, "CURVE")
			served := newWorker(t, ctx, zmq.ROUTER, sec)
			must(t, served.SetMaxmsgsize(10_000))
			served.slots = 6
			p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--mechanisms", "CURVE")
			served.dialIn(t, p.backend[0])
			served.serve(t, echo)
			// One that comes while a pair is there already is taken for what replaces the pair's.
			eventually(t, "six slots", func() bool { return p.slots(t) == 6 })
			begun := time.Now()
			leave := bad.once(t, ctx, p.frontend[0], sec)
			defer leave()
			eventually(t, "the client is named", func() bool { return strings.Contains(p.said(), `"address":"127.0.0.1"`) })
			took := time.Since(begun)
			t.Logf("named after %v", took)
			if took > 15*time.Second {
				t.Error("that is late")
			}
		})
	}
}
