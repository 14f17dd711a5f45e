package stream

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// oneEnded waits until one client has ended and is what was told of it.
func (r *rig) oneEnded() Access {
	r.t.Helper()
	eventually(r.t, "a client ends", func() bool { return len(r.reasons()) == 1 })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended[0]
}

// curveGreeting is a whole greeting of ZMTP 3.1 for CURVE, which claims to be a server's or does not.
func curveGreeting(asServer byte) []byte {
	g := slices.Concat(signature, []byte{3, 1}, []byte("CURVE"), make([]byte, 15))
	return append(append(g, asServer), make([]byte, 31)...)
}

// curveHello is a HELLO of CURVE as far as it can be seen.
func curveHello() []byte {
	return append([]byte("\x04\xc8\x05HELLO\x01\x00"), make([]byte, 192)...)
}

// Who ends a handshake, and how far it had come, makes the reason: whoever sent ERROR has
// ended it, even where the other closes first.
func TestWhoEndsTheHandshake(t *testing.T) {
	refusal := []byte("\x04\x0a\x05ERROR\x03400")
	for name, c := range map[string]struct {
		act         func(t *testing.T, client, worker net.Conn)
		reason      pairing.Reason
		by          string
		stages      [2]zmtp.Stage
		error, hint string
	}{
		"the worker closes": {
			func(_ *testing.T, _, worker net.Conn) { _ = worker.Close() }, pairing.RefusedByWorker, "worker",
			[2]zmtp.Stage{zmtp.StageHello, zmtp.StageGreeting},
			"", "another server key",
		},
		"the worker resets": {
			func(_ *testing.T, _, worker net.Conn) { reset(worker) }, pairing.RefusedByWorker, "worker",
			[2]zmtp.Stage{zmtp.StageHello, zmtp.StageGreeting},
			"", "another server key",
		},
		"the client closes": {
			func(_ *testing.T, client, _ net.Conn) { _ = client.Close() }, pairing.ClientGaveUp, "client",
			[2]zmtp.Stage{zmtp.StageHello, zmtp.StageGreeting},
			"", "",
		},
		"the client resets": {
			func(_ *testing.T, client, _ net.Conn) { reset(client) }, pairing.ClientGaveUp, "client",
			[2]zmtp.Stage{zmtp.StageHello, zmtp.StageGreeting},
			"", "",
		},
		"the client closes because of the worker's ERROR": {
			func(t *testing.T, client, worker net.Conn) {
				t.Helper()
				send(t, worker, refusal)
				expect(t, client, refusal)
				_ = client.Close()
			}, pairing.RefusedByWorker, "client",
			[2]zmtp.Stage{zmtp.StageHello, zmtp.StageError},
			"400", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBothRelays(t, func(t *testing.T, relay func(*Config)) {
				r := newRig(t, relay)
				worker, client := r.slot(), r.client()
				send(t, client, append(curveGreeting(0), curveHello()...))
				expect(t, worker, signature)
				send(t, worker, curveGreeting(1)[len(signature):])
				expect(t, client, curveGreeting(1))
				expect(t, worker, append(curveGreeting(0), curveHello()...)[len(signature):])
				c.act(t, client, worker)
				left := client // who is told of the other's end, and closes, too
				if c.by == "client" {
					left = worker
				}
				expectEnd(t, left)
				_ = left.Close()
				a := r.oneEnded()
				h := a.Unopened
				if a.Reason != c.reason || h.ClosedBy != c.by || h.ClientStage != c.stages[0] || h.WorkerStage != c.stages[1] || h.Error != c.error {
					t.Errorf("%v, %+v", a.Reason, h)
				}
				if h.AsServer != "worker" || a.Mechanism != "CURVE" || a.Version != "3.1" {
					t.Errorf("%s of %s, server %q", a.Mechanism, a.Version, h.AsServer)
				}
				if (a.Hint == "") != (c.hint == "") || !strings.Contains(a.Hint, c.hint) {
					t.Errorf("the hint is %q", a.Hint)
				}
				failed := r.snapshot().Handshakes.Failed[c.reason]
				if failed[h.ClientStage]+failed[h.WorkerStage] != 1 {
					t.Errorf("%v have failed", failed)
				}
			})
		})
	}
}

// The steps of a handshake are told in their order, and each is counted.
func TestStepsOfAHandshake(t *testing.T) {
	r := newRig(t)
	client, worker := r.pair()
	eventually(t, "the pair is open", func() bool { return r.snapshot().Stats.Open == 1 })
	x, err := r.pool.Explain(t.Context(), client.LocalAddr().String())
	if err != nil || x == nil || x.Handshake == nil {
		t.Fatalf("%+v %v", x, err)
	}
	h := x.Handshake
	if h.ClientStage != zmtp.StageReady || h.WorkerStage != zmtp.StageReady || h.ClosedBy != "" || h.Mechanism != "NULL" || h.Version != "3.1" {
		t.Errorf("%+v", h)
	}
	seen := [2]zmtp.Stage{}
	before := time.Duration(0)
	for _, s := range h.Steps {
		if s.After < before || s.Stage <= seen[s.Side] {
			t.Errorf("out of order: %+v", h.Steps)
		}
		before, seen[s.Side] = s.After, s.Stage
	}
	figures := r.snapshot().Handshakes
	if n := figures.Times[MechanismNULL].Count; n != 1 || figures.Steps[zmtp.StageReady].Count == 0 {
		t.Errorf("%d handshakes are counted, and %d READY", n, figures.Steps[zmtp.StageReady].Count)
	}
	_, _ = client.Close(), worker.Close()
	if a := r.oneEnded(); a.Unopened != nil || a.Hint != "" || a.Version != "3.1" {
		t.Errorf("of a pair that was open is told %+v, %q", a.Unopened, a.Hint)
	}
}

// A handshake that the proxy ends says what was wrong.
func TestFaultOfAHandshake(t *testing.T) {
	for name, c := range map[string]struct {
		set    func(*Config)
		client []byte
		reason pairing.Reason
		hint   string
	}{
		"a mechanism that the pool does not take": {
			func(c *Config) { c.Mechanisms = []string{"CURVE", "PLAIN"} }, nullPeer()[:64],
			pairing.MechanismRefused, "the pool takes CURVE, PLAIN (mechanisms), and not NULL",
		},
		"a command that is none": {
			func(*Config) {}, append(nullPeer()[:64:64], "\x04\x05\x04QUIT"...),
			pairing.ProtocolError, "the client: an unknown command in NULL, when the other side's last was nothing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint, accept := listeningWorker(t)
			r := newRig(t, withWorker(endpoint), c.set)
			client := r.client()
			send(t, client, signature)
			accept()
			send(t, client, c.client[len(signature):])
			if a := r.oneEnded(); a.Reason != c.reason || a.Hint != c.hint || a.Unopened.ClosedBy != "proxy" {
				t.Errorf("%v: %q, %+v", a.Reason, a.Hint, a.Unopened)
			}
		})
	}
}

// The address of clients that are not served is explained, and has the last hint, whoever
// asks by an IP:PORT that is gone.
func TestExplainAnAddress(t *testing.T) {
	r := newRig(t)
	c := r.client()
	fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2\r\n")
	expectEnd(t, c)
	r.expectReasons(1, pairing.NotZMTP)
	for _, who := range []string{"127.0.0.1", c.LocalAddr().String()} {
		x, err := r.pool.Explain(t.Context(), who)
		if err != nil || x == nil || x.Failing == nil || x.Failing.Hint != "it speaks SSH" || x.Failing.Count != 1 {
			t.Errorf("%s: %+v %v", who, x, err)
		}
	}
	if x, err := r.pool.Explain(t.Context(), "127.0.0.9"); x != nil || err != nil {
		t.Errorf("of an address that nobody knows is told %+v %v", x, err)
	}
}

// The steps of a pair that is held for hours do not wrap.
func TestTimelineDoesNotWrap(t *testing.T) {
	var line shaking
	line.note(zmtp.Client, zmtp.StageSignature, 0)
	if took := line.note(zmtp.Worker, zmtp.StageSignature, 100*time.Hour); took != 100*time.Hour {
		t.Errorf("it took %v", took)
	}
	steps := line.timeline.steps()
	if len(steps) != 2 || steps[1].Side != zmtp.Worker || steps[1].After < time.Hour {
		t.Errorf("%+v", steps)
	}
}
