package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// handshakeRow is what docs/handshakes.md says that will be seen, and what was.
type handshakeRow struct{ reason, client, worker, error, hint string }

// describes says whether it is what was seen; a stage may be one of two, as it happens.
func (r handshakeRow) describes(seen handshakeRow) bool {
	either := func(documented, seen string) bool {
		return slices.Contains(strings.Split(documented, " or "), seen)
	}
	return r.reason == seen.reason && either(r.client, seen.client) && either(r.worker, seen.worker) && r.error == seen.error && r.hint == seen.hint
}

// documentedHandshakes are the rows of "What you will see" by what is done: up to a comma and "which", where it is
// chance who is quicker.
func documentedHandshakes(t *testing.T) map[string][]handshakeRow {
	t.Helper()
	text, err := os.ReadFile("../docs/handshakes.md")
	must(t, err)
	_, rest, found := strings.Cut(string(text), "<!-- shown -->\n")
	table, _, ended := strings.Cut(rest, "<!-- /shown -->")
	if !found || !ended {
		t.Fatal("docs/handshakes.md has no table of what will be seen")
	}
	rows := map[string][]handshakeRow{}
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 6 {
			t.Fatalf("a row of %d cells: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		done, _, _ := strings.Cut(cells[0], ", which")
		rows[done] = append(rows[done], handshakeRow{strings.Trim(cells[1], "`"), cells[2], cells[3], cells[4], cells[5]})
	}
	return rows
}

// handshakeOf is what the log says of the first client that has ended.
func (p *proxy) handshakeOf(t *testing.T) (row handshakeRow) {
	t.Helper()
	eventually(t, "a client has ended", func() bool {
		for line := range strings.Lines(p.said()) {
			var r struct {
				Msg, Reason, Error, Hint string
				Client                   string `json:"client-stage"`
				Worker                   string `json:"worker-stage"`
			}
			if json.Unmarshal([]byte(line), &r) == nil && r.Msg == "client ended" {
				row = handshakeRow{r.Reason, r.Client, r.Worker, r.Error, r.Hint}
				return true
			}
		}
		return false
	})
	return row
}

// handshakeCase is something that is done to a proxy with one worker.
type handshakeCase struct {
	// mechanism of a worker of libzmq; with raw in its place a raw worker that the case plays.
	mechanism string
	raw       func(t *testing.T, served *rawPeer)
	zap       func(t *testing.T, ctx *zmq.Context) // in place of the worker's usual ZAP handler
	listens   []bool                               // the kinds of workers: nil for both
	flags     []string
	client    func(t *testing.T, ctx *zmq.Context, frontend string, right security)
}

// says is a client that sends these bytes one after the other, and closes when it is closed.
func says(all ...[]byte) func(*testing.T, *zmq.Context, string, security) {
	return func(t *testing.T, _ *zmq.Context, frontend string, _ security) {
		t.Helper()
		c := dialRaw(t, frontend)
		for _, b := range all {
			c.send(t, b)
		}
		go func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}()
	}
}

// libzmqClient connects a DEALER that is set up by this.
func libzmqClient(set func(t *testing.T, s *socket, right security)) func(*testing.T, *zmq.Context, string, security) {
	return func(t *testing.T, ctx *zmq.Context, frontend string, right security) {
		t.Helper()
		s := newSocket(t, ctx, zmq.DEALER)
		set(t, s, right)
		must(t, s.Connect(frontend))
	}
}

func wrongKey(t *testing.T, s *socket, _ security) {
	t.Helper()
	newSecurity(t, "CURVE").asClient(t, s.Socket)
}

// pyzmqWrongKey is the same by pyzmq.
func pyzmqWrongKey(t *testing.T, _ *zmq.Context, frontend string, _ security) {
	t.Helper()
	const code = `
import sys, zmq
s = zmq.Context().socket(zmq.DEALER)
s.curve_serverkey = zmq.curve_keypair()[0]
s.curve_publickey, s.curve_secretkey = zmq.curve_keypair()
s.connect(sys.argv[1])
s.recv()`
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, "/usr/bin/python3", "-c", code, frontend)
	must(t, c.Start())
	t.Cleanup(func() { stop(); _ = c.Wait() })
}

// longEnough is a limit in which also a busy machine comes as far as it is to come.
const longEnough = 3 * time.Second

func handshakeCases() map[string]handshakeCase {
	listening, dialling := []bool{true}, []bool{false}
	v1 := "PROXY TCP4 192.0.2.1 192.0.2.2 4000 5555\r\n"
	return map[string]handshakeCase{
		"CURVE, wrong server key":        {mechanism: "CURVE", client: libzmqClient(wrongKey)},
		"CURVE, wrong server key/pyzmq":  {mechanism: "CURVE", client: pyzmqWrongKey},
		"CURVE, wrong server key/stream": {mechanism: "CURVE", client: libzmqClient(wrongKey), flags: []string{"--relay", "stream"}},
		"CURVE, ZAP says 400": {mechanism: "CURVE", client: func(t *testing.T, ctx *zmq.Context, frontend string, right security) {
			startZAP(t, ctx) // which lets nobody in by a key
			s := newClient(t, ctx, zmq.DEALER, right, "")
			must(t, s.Connect(frontend))
		}},
		"PLAIN, wrong password": {mechanism: "PLAIN", client: libzmqClient(func(t *testing.T, s *socket, _ security) {
			must(t, s.SetPlainUsername(plainUser))
			must(t, s.SetPlainPassword("guessed"))
		})},
		"NULL client, CURVE worker": {mechanism: "CURVE", client: libzmqClient(func(*testing.T, *socket, security) {})},
		"ZMTP 2.0 (JeroMQ 0.3), CURVE worker": {mechanism: "CURVE", client: says(
			signature(), []byte{1, 5, 0, 0})}, // revision 1, DEALER, and an empty identity
		"a worker that listens, accepts and closes": {listens: listening, client: says(signature()), raw: func(_ *testing.T, served *rawPeer) { served.Close() }},
		"a worker that listens, accepts and says nothing": {
			listens: listening, client: says(signature()), raw: func(*testing.T, *rawPeer) {}, flags: []string{"--handshake-timeout", longEnough.String()},
		},
		"a worker that dials in, and closes when it gets a client": {listens: dialling, client: says(signature()), raw: func(t *testing.T, served *rawPeer) {
			served.send(t, signature())
			served.expect(t, signature())
			served.Close()
		}},
		"PLAIN, ZAP does not answer, and the client loses its patience": {
			mechanism: "PLAIN",
			zap: func(t *testing.T, ctx *zmq.Context) {
				must(t, newSocket(t, ctx, zmq.REP).Bind("inproc://zeromq.zap.01"))
			},
			client: libzmqClient(func(t *testing.T, s *socket, right security) {
				right.asClient(t, s.Socket)
				must(t, s.SetHandshakeIvl(longEnough))
			}),
		},
		"a client that stops in its handshake": {
			raw:    func(t *testing.T, served *rawPeer) { served.send(t, signature()) },
			client: says(signature()), flags: []string{"--handshake-timeout", longEnough.String()},
		},
		"a port scan: connect and close": {listens: dialling, raw: func(*testing.T, *rawPeer) {}, client: func(t *testing.T, _ *zmq.Context, frontend string, _ security) {
			dialRaw(t, frontend).Close()
		}},
		"a PROXY header, without accept-proxy": {listens: dialling, raw: func(*testing.T, *rawPeer) {}, client: says([]byte(v1))},
		"a PROXY header from a stranger":       {listens: dialling, raw: func(*testing.T, *rawPeer) {}, client: says([]byte(v1)), flags: []string{"--accept-proxy", "192.0.2.0/24"}},
		"a browser":                            {listens: dialling, raw: func(*testing.T, *rawPeer) {}, client: says([]byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n"))},
	}
}

// TestHandshakesAsDocumented does what docs/handshakes.md lists to proxies with either kind of worker: reason, stages and
// hint are as that says, in the log, and the figures have one handshake of that reason and stage.
func TestHandshakesAsDocumented(t *testing.T) {
	rows, cases := documentedHandshakes(t), handshakeCases()
	for done := range rows {
		if _, known := cases[done]; !known {
			t.Errorf("nobody does %q", done)
		}
	}
	for name, c := range cases {
		done, _, _ := strings.Cut(name, "/")
		kinds := c.listens
		if kinds == nil {
			kinds = []bool{true, false}
		}
		for _, listens := range kinds {
			t.Run(fmt.Sprintf("%s/listens=%t", name, listens), func(t *testing.T) {
				t.Parallel()
				want, documented := rows[done]
				if !documented {
					t.Fatal("docs/handshakes.md does not have it")
				}
				c.play(t, listens, want)
			})
		}
	}
}

// play does it once, and looks at what is told.
func (c handshakeCase) play(t *testing.T, listens bool, want []handshakeRow) {
	t.Helper()
	ctx, right := newContext(t), security{}
	flags := append([]string{"--frontend", "tcp://127.0.0.1:0", "--log-level", "debug"}, c.flags...)
	if c.zap != nil {
		c.zap(t, ctx)
	}
	var w worker = &rawWorker{}
	if c.raw == nil {
		right = newSecurity(t, c.mechanism)
		w = newWorker(t, ctx, zmq.ROUTER, right)
	}
	if listens {
		flags = append(flags, "--worker", w.listen(t, "tcp://127.0.0.1:*"))
	} else {
		flags = append(flags, "--backend", "tcp://127.0.0.1:0")
	}
	p := startOperated(t, flags...)
	if !listens {
		w.dialIn(t, p.backend[0])
	}
	served := make(chan struct{})
	if rw, ok := w.(*rawWorker); ok && c.raw != nil {
		go func() {
			defer close(served)
			c.raw(t, rw.peer(t))
		}()
	} else {
		close(served)
	}
	c.client(t, ctx, p.frontend[0], right)
	got := p.handshakeOf(t)
	if !slices.ContainsFunc(want, func(r handshakeRow) bool { return r.describes(got) }) {
		t.Errorf("told is\n%+v, documented\n%+v", got, want)
	}
	<-served
	if got.client == "" {
		return
	}
	if got.error == "" && got.reason == "refused-by-worker" {
		sameKeys(t, "docs/handshakes.md", p.said())
	}
	failed := 0
	for name, n := range p.scrape(t) {
		if strings.HasPrefix(name, "streamq_handshakes_failed_total{") && strings.Contains(name, fmt.Sprintf("reason=%q", got.reason)) {
			failed += int(n)
		}
	}
	if failed == 0 {
		t.Errorf("no handshake is counted that failed by %s", got.reason)
	}
}
