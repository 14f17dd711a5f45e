package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// A peer falls into a black hole when it is gone and nothing says so: no FIN, no RST, no ICMP message. Only a lease, or the
// kernel's own keepalive and user timeout, can find it.

// blackHole is one way into it.
type blackHole struct {
	strategy string // of the lease that is to find it
	side     string // who falls: "client" or "worker"
	stopped  bool   // its process is stopped, and its kernel goes on to acknowledge; else its cable is cut
	listens  bool   // the worker listens, else it dials in
	relay    string
}

func (b blackHole) String() string {
	how := map[bool]string{true: "stopped", false: "cut off"}[b.stopped]
	return fmt.Sprintf("%s/%s %s", b.strategy, b.side, how)
}

// blackHoles are every strategy with either side and both ways to fall. Relays and ways to be a worker take turns.
func blackHoles() (all []blackHole) {
	for i, strategy := range []string{"heartbeat", "idle", "ttl"} {
		for k, side := range []string{"client", "worker"} {
			for n, stopped := range []bool{false, true} {
				all = append(all, blackHole{
					strategy: strategy, side: side, stopped: stopped,
					listens: strategy != "heartbeat" && (k+n)%2 == 0, // a worker that is dialled has no heartbeat
					relay:   []string{"auto", "stream"}[(i+n)%2],
				})
			}
		}
	}
	return all
}

// TestBlackHole has one side of a pair fall: by each strategy its pair ends in time and with the strategy's reason, the
// partner is told by a closed connection, table and metrics agree, and the pair beside, which is alive, is left alone.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	for _, b := range blackHoles() {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			newScene(t, b).play(t)
		})
	}
}

// scene is a proxy with the pair of a black hole and, where that can live, one beside it.
type scene struct {
	blackHole
	*operated
	sec    security
	lost   *host
	ctl    *client.Client
	beside *steady
	// Of the control socket's tcp endpoint, and of the peers that call it.
	proxyCert, peerCert wire.Cert

	client, worker *talker
	began          time.Time // before the client was started
}

// blackHoleTTL is long enough for the living to renew it on a machine that has other things to do.
const blackHoleTTL = 3 * time.Second

func newScene(t *testing.T, b blackHole, flags ...string) *scene {
	t.Helper()
	s := &scene{blackHole: b, sec: newSecurity(t, "CURVE"), proxyCert: newCert(t, "proxy"), peerCert: newCert(t, "peer")}
	near := "127.0.0.1"
	if !b.stopped {
		s.lost = newHost(t)
		near = s.lost.near
	}
	dir := shortDir(t)
	writeCert(t, filepath.Join(dir, "proxy"), s.proxyCert)
	public := s.peerCert
	public.Secret = ""
	writeCert(t, filepath.Join(dir, "clients", "peer"), public)
	flags = append(flags,
		"--relay", b.relay, "--frontend", "tcp://"+near+":0", "--backend", "tcp://"+near+":0",
		"--control", "ipc://"+filepath.Join(dir, "c"), "--control", "tcp://"+near+":0",
		"--control-cert", filepath.Join(dir, "proxy"), "--control-clients", filepath.Join(dir, "clients"))
	if b.strategy != "none" {
		flags = append(flags, "--lease", b.strategy, "--lease-ttl", blackHoleTTL.String())
	}
	if b.strategy == "ttl" { // which ends the living, too
		s.operated = startOperated(t, flags...)
	} else {
		s.operated, s.beside = startBeside(t, flags...)
	}
	s.ctl = dialControl(t, "ipc://"+filepath.Join(dir, "c"))
	if b.strategy == "heartbeat" {
		s.keepBeside(t)
	}
	return s
}

// newCert makes keys for the control socket.
func newCert(t testing.TB, name string) wire.Cert {
	t.Helper()
	public, secret, err := zmq.NewCurveKeypair()
	must(t, err)
	return wire.Cert{Name: name, Level: wire.Peer, Public: public, Secret: secret}
}

// writeCert writes a certificate into a file.
func writeCert(t testing.TB, file string, c wire.Cert) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	must(t, os.WriteFile(file, []byte(c.Text()), 0o600))
}

// keepBeside gives the client beside an identity and a heartbeat.
func (s *scene) keepBeside(t *testing.T) {
	t.Helper()
	var page struct{ Clients []struct{ Client string } }
	say(t, s.ctl, &page, "CLIENTS")
	_, err := s.ctl.Hello(t.Context(), client.Hello{Identity: "beside", Endpoint: page.Clients[0].Client})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ctl.KeepAlive(ctx, "beside") }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the heartbeat of the client beside: %v", err)
		}
	})
}

// join starts a worker and a client and returns when they talk.
func (s *scene) join(t *testing.T, clientFlags, workerFlags []string) {
	t.Helper()
	on := map[string]*host{s.side: s.lost}
	workerFlags = append(workerFlags, s.sec.serverFlags()...)
	if s.listens {
		at := "127.0.0.1"
		if on["worker"] != nil {
			at = s.lost.far
		}
		s.worker = startTalker(t, on["worker"], append(workerFlags, "--bind", "tcp://"+at+":*")...)
		say(t, s.ctl, nil, "ADD", "lost", s.worker.endpoint, "max=1")
	} else {
		workerFlags = append(workerFlags, s.naming(t, "worker")...)
		s.worker = startTalker(t, on["worker"], append(workerFlags, "--connect", reachable(s.backend[0]))...)
		if s.strategy == "heartbeat" {
			s.worker.expectInAll(t, "hello", 1)
		}
	}
	s.began = time.Now()
	clientFlags = append(append(clientFlags, s.naming(t, "client")...), s.sec.clientFlags()...)
	s.client = startTalker(t, on["client"], append(clientFlags, "--connect", reachable(s.frontend[0]))...)
}

// naming are the flags by which a peer says its name to the control socket and keeps its heartbeat.
func (s *scene) naming(t testing.TB, kind string) []string {
	t.Helper()
	if s.strategy != "heartbeat" {
		return nil
	}
	return []string{
		"--hello", kind, "lost-" + kind, "--beat", "0.3", "--control", reachable(s.controls(t)[1]),
		"--control-server=" + s.proxyCert.Public, "--control-public=" + s.peerCert.Public, "--control-secret=" + s.peerCert.Secret,
	}
}

// controls are the endpoints of the control socket, as bound.
func (p *proxy) controls(t testing.TB) (all []string) {
	t.Helper()
	eventually(t, "the proxy says where its control socket is", func() bool {
		for line := range strings.Lines(p.said()) {
			var record struct{ Msg, Endpoints string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "serving control" {
				all = strings.Fields(record.Endpoints)
			}
		}
		return all != nil
	})
	return all
}

// play has the peer fall and looks at everything that follows.
func (s *scene) play(t *testing.T) {
	s.join(t, []string{"--every", "0.1"}, nil)
	victim, partner := s.client, s.worker
	if s.side == "worker" {
		victim, partner = s.worker, s.client
	}
	// Of the last renewal is known that it came after the one time and before the other.
	s.client.expectInAll(t, "answer", 1)
	after, before, least := s.began, time.Now(), blackHoleTTL*95/100 // of the strategy ttl
	switch s.strategy {
	case "idle":
		after, least = s.client.expect(t, "answer", 3), blackHoleTTL
	case "heartbeat":
		after, least = victim.expect(t, "heartbeat", 3), blackHoleTTL
	}
	s.fall(t, victim)
	if s.strategy != "ttl" { // which begins with the pair
		before = time.Now()
	}
	reason := s.strategy + "-expired"
	s.expectEnds(t, 1, reason)
	partner.expectInAll(t, "closed", 1)
	s.expectAccount(t, reason)
	at := s.endedAt(t)
	if early := after.Add(least).Sub(at); early > 0 {
		t.Errorf("it was ended %v too early", early)
	}
	// A tenth of the ttl is what it may take; the ttl once more is for a machine that is busy with something else.
	if late := at.Sub(before.Add(blackHoleTTL * 11 / 10)); late > blackHoleTTL {
		t.Errorf("it was ended %v too late", late)
	}
	t.Logf("ended %v to %v after its last sign of life, the ttl is %v", at.Sub(before), at.Sub(after), blackHoleTTL)
	if s.beside != nil {
		s.beside.expectUntouched(t, s.operated)
	}
}

// fall has a peer vanish.
func (s *scene) fall(t testing.TB, victim *talker) {
	t.Helper()
	if s.stopped {
		victim.stop(t)
	} else {
		s.lost.cut(t)
	}
}

// expectAccount compares what the log, the metrics and the control socket say of the end with each other: one pair has
// ended, by one lease, and only the one beside is left.
func (s *scene) expectAccount(t *testing.T, reason string) {
	t.Helper()
	left := 0
	if s.beside != nil {
		left = 1
	}
	seen := s.until(t, "nothing is left of the pair", func(m samples) bool {
		return m.of(t, "connections") == 2*left && m.of(t, "pairs", "state=open") == left && m.of(t, "pairs", "state=draining") == 0
	})
	for _, what := range []string{"clients", "pairs"} {
		if n := seen.of(t, what+"_ended_total", "reason="+reason); n != 1 {
			t.Errorf("%d %s ended with %s", n, what, reason)
		}
	}
	for _, strategy := range []string{"heartbeat", "idle", "ttl"} {
		want := 0
		if s.strategy == strategy {
			want = 1
		}
		if n := seen.of(t, "leases_expired_total", "strategy="+strategy); n != want {
			t.Errorf("%d leases by %s have expired, want %d", n, strategy, want)
		}
	}
	var page struct {
		Pairs, Clients []struct{ Client, State string }
	}
	say(t, s.ctl, &page, "PAIRS")
	say(t, s.ctl, &page, "CLIENTS")
	var status struct{ Pairs, Clients int }
	say(t, s.ctl, &status, "STATUS")
	if len(page.Pairs) != left || len(page.Clients) != left || status.Pairs != left || status.Clients != left {
		t.Errorf("the control socket lists %+v and tells %+v, want %d of each", page, status, left)
	}
	if records := endedOf(s.proxy); len(records) != 1 || records[0]["reason"] != reason {
		t.Errorf("the log says %v", records)
	}
}

// endedAt is when the client ended, by the proxy's own log.
func (s *scene) endedAt(t testing.TB) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(endedOf(s.proxy)[0]["time"]))
	must(t, err)
	return at
}
