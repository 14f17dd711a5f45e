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
	t.Parallel()
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
	t.Run("at one of two endpoints", func(t *testing.T) {
		ctx := newContext(t)
		sec := newSecurity(t, "CURVE")
		w := newWorker(t, ctx, zmq.ROUTER, sec)
		p := startOperated(t, "--frontend", "tcp://127.0.0.1:0,accept-proxy=127.0.0.1", "--frontend", "tcp://127.0.0.1:0",
			"--worker", "w="+w.listen(t, "tcp://127.0.0.1:*"), "--max-per-address", "1")
		w.serve(t, echo)
		front, behind := freeAddress(t), freeAddress(t)
		startHAProxy(t, "", fmt.Sprintf("\nlisten one\n    bind %s\n    server proxy %s send-proxy-v2\nlisten other\n    bind %s\n    server proxy %s send-proxy-v2\n",
			front, strings.TrimPrefix(p.frontend[0], "tcp://"), behind, strings.TrimPrefix(p.frontend[1], "tcp://")))
		for i := range 5 { // each by an address of its own, of which the pool takes one client
			for at, to := range []string{front, strings.TrimPrefix(p.frontend[1], "tcp://")} {
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.Connect(fmt.Sprintf("tcp://127.0.%d.%d:0;%s", at+1, i+1, to)))
				c.send(t, "hello")
				c.recv(t)
			}
		}
		if ends := p.scrape(t).ends(); len(ends) != 0 {
			t.Errorf("connections ended with %v", ends)
		}
		stray := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, stray.Connect("tcp://"+behind))
		p.until(t, "a header at the other endpoint is none", func(s samples) bool { return s.ends()["not-zmtp"] > 0 })
		direct := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, direct.Connect(p.frontend[0]))
		p.until(t, "one without is refused at the first", func(s samples) bool { return s.ends()["proxy-header"] > 0 })
	})
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
