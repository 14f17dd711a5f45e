package integration

import (
	"fmt"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestProxyHeaderOfHAProxy has HAProxy say whose connections it brings, by either version, with health checks that say
// so too: 15 clients of as many addresses are served with a limit of one for each address, and the checks are probes.
// Without accept-proxy nobody is served, and the log says why.
func TestProxyHeaderOfHAProxy(t *testing.T) {
	findHAProxy(t)
	for _, relay := range []string{"auto", "stream"} {
		for _, send := range []string{"send-proxy check check-send-proxy inter 50ms", "send-proxy-v2 check check-send-proxy inter 50ms"} {
			t.Run(relay+" "+send[:13], func(t *testing.T) {
				const clients = 15
				ctx := newContext(t)
				sec := newSecurity(t, "CURVE")
				w := newWorker(t, ctx, zmq.ROUTER, sec)
				p := startOperated(t, "--relay", relay, "--frontend", "tcp://127.0.0.1:0", "--worker", "w="+w.listen(t, "tcp://127.0.0.1:*"),
					"--accept-proxy", "127.0.0.1", "--max-per-address", "3") // HAProxy's checks are its own address's, and may overlap
				w.serve(t, echo)
				front := freeAddress(t)
				startHAProxy(t, "", fmt.Sprintf("\nlisten all\n    bind %s\n    server proxy %s %s\n",
					front, strings.TrimPrefix(p.frontend[0], "tcp://"), send))
				for i := range clients {
					c := newClient(t, ctx, zmq.REQ, sec, "")
					must(t, c.Connect(fmt.Sprintf("tcp://127.0.1.%d:0;%s", i+1, front)))
					c.send(t, "hello")
					c.recv(t)
				}
				p.until(t, "HAProxy has looked", func(s samples) bool { return s.ends()["probe"] > 3 })
				if ends := p.scrape(t).ends(); len(ends) != 1 {
					t.Errorf("connections ended with %v", ends)
				}
			})
		}
	}
	t.Run("not taken", func(t *testing.T) {
		p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
		front := freeAddress(t)
		startHAProxy(t, "", fmt.Sprintf("\nlisten all\n    bind %s\n    server proxy %s send-proxy\n", front, strings.TrimPrefix(p.frontend[0], "tcp://")))
		c := newClient(t, newContext(t), zmq.REQ, newSecurity(t, "NULL"), "")
		must(t, c.Connect("tcp://"+front))
		p.until(t, "it is not served", func(s samples) bool { return s.ends()["not-zmtp"] > 0 })
		if !strings.Contains(p.said(), "a PROXY header came") {
			t.Error("the log does not say why")
		}
	})
}
