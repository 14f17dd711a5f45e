package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// asker talks to an echo for as long as its one connection lives: every message is numbered, and has to come back in
// its turn. Under CURVE a byte that is missing, doubled or out of its place ends the connection.
type asker struct {
	client *socket
	gaps   []time.Duration // between two replies
}

// ask keeps some messages of different sizes under way.
func (a *asker) talk(t testing.TB, stopping <-chan struct{}, window int) {
	sent, got, last := 0, 0, time.Now()
	for stopped := false; !stopped || got < sent; {
		select {
		case <-stopping:
			stopped = true
		default:
		}
		for ; !stopped && sent < got+window; sent++ {
			if _, err := a.client.SendMessage(strconv.Itoa(sent), strings.Repeat("x", sent*37%20_000)); err != nil {
				t.Errorf("sending: %v", err)
				return
			}
		}
		m, err := a.client.RecvMessage(0)
		if err != nil || m[0] != strconv.Itoa(got) || len(m[1]) != got*37%20_000 {
			t.Errorf("message %d came back as %.20q, %v", got, m, err)
			return
		}
		got++
		a.gaps = append(a.gaps, time.Since(last))
		last = time.Now()
	}
}

// TestUpgrade hands a proxy over to another process ten times in a row: nobody's connection ends, nobody is refused, and
// no byte is lost, doubled or out of order, of pairs that are idle, and of pairs that are busy both ways, while others
// connect and leave. Workers listen and dial in.
func TestUpgrade(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			const idle, busy, upgrades = 40, 6, 10
			ctx, sec := newContext(t), newSecurity(t, "CURVE")
			listening := newWorker(t, ctx, zmq.ROUTER, sec)
			endpoint := listening.listen(t, "tcp://127.0.0.1:*")
			listening.serve(t, echo)
			p := startUpgradable(t, "--frontend", wildcard(t, transport), "--backend", wildcard(t, transport),
				"--worker", "w="+endpoint, "--control", "ipc://"+filepath.Join(shortDir(t), "control"))
			slots := newWorker(t, ctx, zmq.ROUTER, sec)
			slots.slots = 8
			slots.dialIn(t, p.backend[0])
			slots.serve(t, echo)
			connect := func(identity string) *socket {
				c := newClient(t, ctx, zmq.DEALER, sec, identity)
				must(t, c.Connect(p.frontend[0]))
				return c
			}
			var still []*socket
			for i := range idle {
				c := connect(fmt.Sprint("idle ", i))
				c.send(t, "hello")
				c.recv(t)
				still = append(still, c)
			}
			stopping, talking := make(chan struct{}), sync.WaitGroup{}
			var askers []*asker
			for i := range busy {
				a := &asker{client: connect(fmt.Sprint("busy ", i))}
				askers = append(askers, a)
				talking.Go(func() { a.talk(t, stopping, 4) })
			}
			var visits atomic.Int64
			talking.Go(func() { visitEcho(t, ctx, sec, p.frontend[0], stopping, &visits) })

			for range upgrades {
				n := visits.Load()
				r := p.upgrade(t)
				t.Logf("took %v, loops stood %v, pairs %v", r.Took, r.LoopsStood, r.PairsStood)
				eventually(t, "somebody has connected since", func() bool { return visits.Load() > n+2 })
			}
			for _, c := range still {
				c.send(t, "still here")
				if m := c.recv(t); m[0] != "still here" {
					t.Errorf("it is %q", m)
				}
			}
			close(stopping)
			talking.Wait()
			var gaps []time.Duration
			for _, a := range askers {
				gaps = append(gaps, a.gaps...)
			}
			slices.Sort(gaps)
			t.Logf("%d visits, %d messages, the longest silence of a busy pair %v, p99 %v, p99.9 %v", visits.Load(), len(gaps),
				gaps[len(gaps)-1], gaps[len(gaps)*99/100], gaps[len(gaps)*999/1000])
			p.expectUpgraded(t, upgrades, idle+busy+int(visits.Load()))
		})
	}
}

// visitEcho has clients connect, talk and leave.
func visitEcho(t testing.TB, ctx *zmq.Context, sec security, endpoint string, stopping <-chan struct{}, visits *atomic.Int64) {
	for {
		select {
		case <-stopping:
			return
		default:
		}
		c := newClient(t, ctx, zmq.DEALER, sec, "")
		if err := c.Connect(endpoint); err != nil {
			t.Error(err)
			return
		}
		c.send(t, "hello")
		c.recv(t)
		c.close()
		visits.Add(1)
	}
}

// expectUpgraded: all clients are on the one connection that they ever had, and only those who left have ended.
func (p *upgradable) expectUpgraded(t testing.TB, upgrades, clients int) {
	t.Helper()
	s := p.scrape(t)
	if n := s[`streamq_upgrades_total{result="success"}`]; int(n) != upgrades {
		t.Errorf("%v upgrades are counted", n)
	}
	if n := s.of(t, "clients_connected_total"); n != clients {
		t.Errorf("%v clients have come, not %d", n, clients)
	}
	for reason, n := range s.ends() {
		if reason != "client-closed" && n > 0 {
			t.Errorf("%v ended by %s", n, reason)
		}
	}
}

// TestUpgradeFails: a successor that cannot be started, that says no, that is killed at any step or that has a file with
// a mistake changes nothing, and the log says why. After all of them an upgrade succeeds.
func TestUpgradeFails(t *testing.T) {
	ctx, sec := newContext(t), newSecurity(t, "CURVE")
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	served := newWorker(t, ctx, zmq.REP, sec)
	right := fmt.Sprintf("pools:\n  - frontend: [tcp://127.0.0.1:0]\n    workers: [{name: steady, endpoint: %q}]\n", served.listen(t, "tcp://127.0.0.1:*"))
	served.serve(t, echo)
	must(t, os.WriteFile(file, []byte(right), 0o600))
	p := startUpgradable(t, "--config", file)
	beside := startSteady(t, ctx, sec, p.frontend[0], "steady")
	expect := func(what, why string) {
		t.Helper()
		if said := p.failToUpgrade(t); !strings.Contains(said, why) {
			t.Errorf("%s: it says %q, not %q", what, said, why)
		}
		c, err := net.Dial("tcp", strings.TrimPrefix(p.frontend[0], "tcp://"))
		must(t, err)
		must(t, c.Close())
		beside.expectAnswers(t, 10)
	}
	p.replace(t, "no program", 0o644)
	expect("a file that is no program", "permission denied")
	p.replace(t, "#!/bin/sh\nexit 3\n", 0o755)
	expect("a program that ends", "exit status 3")
	p.replace(t, "#!/bin/sh\nexit 0\n", 0o755)
	expect("a program that ends well", "exit status 0")
	for _, step := range []string{"start", "hello", "offer", "opened", "pool", "ready", "motion"} {
		p.replace(t, killedAt(t, step), 0o755)
		expect("killed at "+step, "signal: killed")
	}
	must(t, os.Remove(p.path))
	expect("no program", "no such file")
	copyProgram(t, p.path)
	must(t, os.WriteFile(file, []byte(strings.Replace(right, "workers", "wrokers", 1)), 0o600))
	expect("a mistake in the file", "wrokers")
	must(t, os.WriteFile(file, []byte(right), 0o600))
	p.upgrade(t)
	s := p.scrape(t)
	if failed, good := s[`streamq_upgrades_total{result="failure"}`], s[`streamq_upgrades_total{result="success"}`]; failed != 12 || good != 1 {
		t.Errorf("%v upgrades have failed and %v succeeded", failed, good)
	}
	beside.expectUntouched(t, p.operated)
}

// TestUpgradeTellsSystemd: the service manager is told when the proxy serves, and which process is the main one.
func TestUpgradeTellsSystemd(t *testing.T) {
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(shortDir(t), "notify"), Net: "unixgram"})
	must(t, err)
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.LocalAddr().String())
	expect := func(want string) {
		t.Helper()
		told := make([]byte, 100)
		must(t, manager.SetReadDeadline(time.Now().Add(patience)))
		n, err := manager.Read(told)
		must(t, err)
		if got := string(told[:n]); got != want {
			t.Errorf("it is told %q, not %q", got, want)
		}
	}
	p := startUpgradable(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
	expect("READY=1")
	main := p.upgrade(t).Process
	var told []string
	for range 2 {
		b := make([]byte, 100)
		must(t, manager.SetReadDeadline(time.Now().Add(patience)))
		n, err := manager.Read(b)
		must(t, err)
		told = append(told, string(b[:n]))
	}
	if !slices.Contains(told, fmt.Sprint("MAINPID=", main)) || !slices.Contains(told, "READY=1") {
		t.Errorf("it is told %q of process %d", told, main)
	}
}
