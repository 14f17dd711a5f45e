package integration

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/client"
)

// TestHostileAccept has two thousand strangers come at once, and stay, to each kind of endpoint of a proxy that may have
// three hundred descriptors. libzmq would abort, or try the same accept again for ever, if it met the limit: who is too
// many is closed instead, the pair beside goes on, metrics are shown, operators are let in, the processor rests, and when
// the strangers have left others are served.
func TestHostileAccept(t *testing.T) {
	withoutRace(t)
	limited(t, 300)
	dir := shortDir(t)
	at := "ipc://" + filepath.Join(dir, "c")
	flags := []string{
		"--frontend", wildcard(t, "ipc"), "--backend", wildcard(t, "ipc"), "--backend", "tcp://127.0.0.1:0",
		"--control", at, "--control", "tcp://127.0.0.1:0", "--control-loopback-level", "operator",
		"--handshake-timeout", "0", "--access-log=false",
	}
	for name, endpoint := range map[string]func(p *operated) string{
		"frontend/ipc": func(p *operated) string { return p.frontend[0] },
		"frontend/tcp": func(p *operated) string { return p.frontend[1] },
		"backend/ipc":  func(p *operated) string { return p.backend[0] },
		"backend/tcp":  func(p *operated) string { return p.backend[1] },
		"control/tcp":  func(p *operated) string { return p.controls(t)[1] },
		"control/ipc":  func(*operated) string { return at },
		"events/ipc":   func(*operated) string { return at + ".events" },
	} {
		t.Run(name, func(t *testing.T) {
			p, beside := startBeside(t, flags...)
			kind, _, _ := strings.Cut(name, "/")
			crowdAndLeave(t, p, beside, kind, endpoint(p), at)
			beside.expectUntouched(t, p)
		})
	}
}

func crowdAndLeave(t *testing.T, p *operated, beside *steady, kind, endpoint, operators string) {
	t.Helper()
	const strangers = 2000
	before := p.calm(t)
	there := dialControl(t, operators)
	leave := crowdAt(t, endpoint, strangers)
	defer leave()
	p.until(t, "who is too many is closed", func(s samples) bool {
		if kind == "frontend" || kind == "backend" {
			return s.process(t, "accepts_refused_total")+s.ends()["queue-full"] > 0
		}
		return s[`streamq_control_connections_refused_total{reason="crowded"}`] > 0
	})
	beside.expectAnswers(t, 50)
	p.expectRest(t, beside, p.command.Process.Pid)
	for _, operator := range []*client.Client{there, dialControl(t, operators)} {
		say(t, operator, nil, "STATUS")
		operator.Close()
	}
	leave()
	p.expectBack(t, before, 16<<20)
	at := dialAny(t, p.backend[0])
	at.send(t, signature())
	p.until(t, "a slot", func(s samples) bool { return s.of(t, "worker_connections", "state=slot") > 0 })
	client := dialAny(t, p.frontend[0])
	client.send(t, signature())
	client.expect(t, signature())
	at.Close()
	client.Close()
}

// crowdAt has so many connect to an endpoint, from several threads at once, and say nothing until they leave.
func crowdAt(t *testing.T, endpoint string, strangers int) (leave func()) {
	t.Helper()
	const threads = 8
	network, address, _ := strings.Cut(endpoint, "://")
	if network == "ipc" {
		network = "unix"
	}
	conns := make([]net.Conn, strangers)
	var all sync.WaitGroup
	for from := range threads {
		all.Go(func() {
			for i := from; i < strangers; i += threads {
				conns[i] = dialPatiently(t, network, address)
			}
		})
	}
	all.Wait()
	return func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}
}

// dialPatiently connects also where the listener's queue is full, which a unix socket says at once.
func dialPatiently(t *testing.T, network, address string) net.Conn {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial(network, address)
		if err == nil {
			return c
		}
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(end) {
			t.Errorf("%s: %v", address, err)
			return nil
		}
	}
}
