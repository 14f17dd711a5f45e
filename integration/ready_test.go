package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// readLines reads to the end.
func readLines(t testing.TB, r io.Reader) (lines []string) {
	t.Helper()
	in := bufio.NewScanner(r)
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	must(t, in.Err())
	return lines
}

// writeSettings has a configuration file of this text.
func writeSettings(t testing.TB, text string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "proxy.yaml")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// frontendOf is where a pool of several listens for clients, backendOf for workers.
func (p *proxy) frontendOf(t testing.TB, pool string) string {
	t.Helper()
	frontend, _ := p.endpointsOf(t, pool)
	return frontend[0]
}

func (p *proxy) backendOf(t testing.TB, pool string) string {
	t.Helper()
	_, backend := p.endpointsOf(t, pool)
	return backend[0]
}

func (p *proxy) endpointsOf(t testing.TB, pool string) (frontend, backend []string) {
	t.Helper()
	for line := range strings.Lines(p.said()) {
		var record struct{ Msg, Pool string }
		if json.Unmarshal([]byte(line), &record) != nil || record.Msg != "serving" || record.Pool != pool {
			continue
		}
		if frontend, backend, ok := parseListening(line); ok {
			return frontend, backend
		}
	}
	t.Fatalf("there is no pool %s", pool)
	return nil, nil
}

// probe asks for /readyz or the like.
func (p *operated) probe(t testing.TB, path string) (status int, body string) {
	t.Helper()
	response, err := scraper.Get(strings.TrimSuffix(p.metrics, "/metrics") + path)
	must(t, err)
	defer response.Body.Close()
	return response.StatusCode, strings.Join(readLines(t, response.Body), "\n")
}

// TestBalancerAndPools has HAProxy stand before a proxy of two pools, check its readiness, and cut the connections of a
// server that is down. When the only worker of pool b dies the clients of pool a stay, unless all pools are wanted to be
// ready: then HAProxy cuts every one of them.
func TestBalancerAndPools(t *testing.T) {
	const clients = 100
	for ready, cut := range map[string]int{"any": 0, "all": clients} {
		t.Run(ready, func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "NULL")
			a, b := newWorker(t, ctx, zmq.ROUTER, sec), newWorker(t, ctx, zmq.REP, sec)
			p := startOperated(t, "--config", writeSettings(t, fmt.Sprintf(`
ready: %s
pools:
  - {name: a, frontend: ["tcp://127.0.0.1:0"], workers: [{name: w, endpoint: "%s"}]}
  - {name: b, frontend: ["tcp://127.0.0.1:0"], workers: [{name: w, endpoint: "%s"}]}
`, ready, a.listen(t, "tcp://127.0.0.1:*"), b.listen(t, "tcp://127.0.0.1:*"))))
			a.serve(t, echo)
			stop := b.serve(t, echo)
			front, check := freeAddress(t), strings.TrimSuffix(strings.TrimPrefix(p.metrics, "http://"), "/metrics")
			_, port, _ := strings.Cut(check, ":")
			h := startHAProxy(t, "default-server inter 50ms fall 2 rise 1 on-marked-down shutdown-sessions check port "+port, fmt.Sprintf(`
listen all
    bind %s
    option httpchk GET /readyz
    server proxy %s
backend only-b
    option httpchk GET /readyz?pool=b
    server proxy %s
`, front, strings.TrimPrefix(p.frontendOf(t, "a"), "tcp://"), strings.TrimPrefix(p.frontendOf(t, "b"), "tcp://")))
			var all []*socket
			for range clients {
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.SetReconnectIvl(-1)) // one that is cut stays away
				must(t, c.Connect("tcp://"+front))
				c.send(t, "hello")
				all = append(all, c)
			}
			for _, c := range all {
				c.recv(t)
			}

			stop()
			last := newClient(t, ctx, zmq.REQ, sec, "") // whose dial finds the worker dead
			must(t, last.Connect(p.frontendOf(t, "b")))
			eventually(t, "HAProxy has seen that b has no worker", func() bool { return h.status(t, "only-b", "proxy") == "DOWN" })
			ended := `streamq_clients_ended_total{pool="a",reason="client-closed"}`
			if cut > 0 {
				eventually(t, "HAProxy has cut all", func() bool { return p.scrape(t)[ended] == float64(cut) })
				return
			}
			if is := h.status(t, "all", "proxy"); is != "UP" {
				t.Errorf("HAProxy thinks that it is %s", is)
			}
			for _, c := range all {
				c.send(t, "again")
				c.recv(t)
			}
			if n := p.scrape(t)[ended]; n != 0 {
				t.Errorf("%v of %d clients of the pool that works were cut", n, clients)
			}
		})
	}
}

// TestReadyWhileAWorkerRedials has one worker that dials in and takes 0.7 s to come back, each time that its slot has
// grown old: the pool is ready all the while, and not for as long as the worker is here.
func TestReadyWhileAWorkerRedials(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "NULL")
	p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--slot-max-age", "500ms")
	if status, body := p.probe(t, "/readyz"); status != 503 {
		t.Errorf("before a worker has come: %d %s", status, body)
	}
	w := newWorker(t, ctx, zmq.REP, sec)
	must(t, w.SetReconnectIvl(700*time.Millisecond))
	w.dialIn(t, p.backend[0])
	eventually(t, "the worker is here", func() bool { status, _ := p.probe(t, "/readyz"); return status == 200 })
	asked, refused, redialling := 0, 0, 0
	p.until(t, "the worker has come back four times", func(s samples) bool {
		status, body := p.probe(t, "/readyz?pool=default")
		asked++
		if status != 200 {
			refused++
		}
		if strings.Contains(body, "expected back") {
			redialling++
		}
		return s.of(t, "slots_made_total") >= 5
	})
	if refused > 0 || redialling == 0 {
		t.Errorf("of %d probes %d were refused, and %d found it redialling", asked, refused, redialling)
	}
}

// TestLameDuckBehindABalancer ends the proxy by SIGTERM while HAProxy, which asks only now and then whether it is ready,
// goes on sending it clients: all of them are served with drain-delay, none without.
func TestLameDuckBehindABalancer(t *testing.T) {
	const clients = 33
	findHAProxy(t) // a proxy that serves on for ten minutes is not left to a test that is skipped
	for delay, served := range map[string]int{"10m": clients, "0s": 0} {
		t.Run(delay, func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "NULL")
			w := newWorker(t, ctx, zmq.ROUTER, sec)
			p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--worker", "w="+w.listen(t, "tcp://127.0.0.1:*"),
				"--drain-delay", delay, "--drain-timeout", "10m")
			w.serve(t, echo)
			front, checks := freeAddress(t), make(chan int, 100)
			check := httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, _ *http.Request) {
				answer, err := http.Get(strings.TrimSuffix(p.metrics, "/metrics") + "/readyz")
				if err != nil {
					return
				}
				answer.Body.Close()
				to.WriteHeader(answer.StatusCode)
				checks <- answer.StatusCode
			}))
			t.Cleanup(check.Close)
			_, port, _ := strings.Cut(strings.TrimPrefix(check.URL, "http://"), ":")
			startHAProxy(t, "default-server inter 1h check port "+port, fmt.Sprintf(`
listen all
    bind %s
    option httpchk GET /readyz
    server proxy %s
`, front, strings.TrimPrefix(p.frontend[0], "tcp://")))
			first := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, first.Connect("tcp://"+front))
			first.send(t, "hello")
			first.recv(t)
			eventually(t, "HAProxy has asked", func() bool { return len(checks) > 0 }) // and will not again

			must(t, p.command.Process.Signal(syscall.SIGTERM))
			eventually(t, "it is not ready", func() bool { status, _ := p.probe(t, "/readyz"); return status == 503 })
			p.until(t, "it drains, unless it is to serve on", func(s samples) bool {
				return s.of(t, "pool_draining")+s.of(t, "pool_lame_duck") == 1
			})
			var all []*socket
			for range clients {
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.SetReconnectIvl(-1))
				must(t, c.Connect("tcp://"+front))
				c.send(t, "hello")
				all = append(all, c)
			}
			if served == 0 {
				eventually(t, "the port is closed", func() bool { // so that HAProxy, too, finds nobody there
					one, err := net.Dial("tcp", strings.TrimPrefix(p.frontend[0], "tcp://"))
					if err == nil {
						one.Close()
					}
					return errors.Is(err, syscall.ECONNREFUSED)
				})
			} else {
				for _, c := range all {
					c.recv(t)
				}
			}
			if n := p.scrape(t).of(t, "pairs_made_total"); n != 1+served {
				t.Errorf("%d of %d were served", n-1, clients)
			}
		})
	}
}
