package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
)

// freeze stops the proxy's process and returns when it has stopped.
func (p *proxy) freeze(t testing.TB) {
	t.Helper()
	must(t, p.command.Process.Signal(syscall.SIGSTOP))
	t.Cleanup(p.thaw)
	eventually(t, "the proxy has stopped", func() bool { return processState(t, p.command.Process.Pid) == 'T' })
}

func (p *proxy) thaw() { _ = p.command.Process.Signal(syscall.SIGCONT) } // it may have ended

// frozenCrowd is what a proxy serves that is stopped for longer than anybody may be silent.
type frozenCrowd struct {
	p               *proxy
	control         *client.Client
	beats           *socket // to the same
	beating, moving []*rawPeer
	waiting, dialIn *rawPeer
	dialled         []*rawPeer // the workers' connections of moving
}

const freezeSettings = `
control: {endpoints: ["%s"]}
pools:
  - {name: beating, frontend: ["tcp://127.0.0.1:0"], lease: heartbeat, lease-ttl: 3s, workers: [{endpoint: "%s"}]}
  - {name: moving, relay: %s, frontend: ["tcp://127.0.0.1:0"], lease: idle, lease-ttl: 3s, workers: [{endpoint: "%s"}]}
  - {name: waiting, frontend: ["tcp://127.0.0.1:0"], backend: ["tcp://127.0.0.1:0"], queue-timeout: 3s}
`

// frozenMost is how many identities beat, and how many pairs move bytes.
const frozenMost = 100

func startFrozen(t *testing.T, relay string) *frozenCrowd {
	t.Helper()
	at := "ipc://" + filepath.Join(shortDir(t), "c")
	served := &rawWorker{}
	own := &rawWorker{}
	file := writeSettings(t, fmt.Sprintf(freezeSettings, at, served.listen(t, ""), relay, own.listen(t, "")))
	f := &frozenCrowd{p: startProxy(t, "--config", file)}
	f.beats = newSocket(t, newContext(t), zmq.DEALER)
	must(t, f.beats.SetSndhwm(0)) // a thousand wait while the proxy is stopped, which are libzmq's default
	must(t, f.beats.Connect(at))
	f.control = dialControl(t, at)
	for i := range frozenMost {
		one := dialRaw(t, f.p.frontendOf(t, "beating"))
		one.send(t, signature())
		f.beating = append(f.beating, one)
		say(t, f.control, nil, "HINT", fmt.Sprint("beating-", i), "pool=beating", "endpoint="+one.LocalAddr().String())
		f.beat(t, i)
		if i == 0 {
			served.peer(t)
		}
		f.pair(t, own)
		if i%10 == 0 {
			f.live(t)
		}
	}
	return f
}

func (f *frozenCrowd) pair(t *testing.T, w *rawWorker) {
	client, served := w.open(t, f.p.frontendOf(t, "moving"))
	f.moving, f.dialled = append(f.moving, client), append(f.dialled, served)
}

func (f *frozenCrowd) beat(t *testing.T, i int) {
	t.Helper()
	f.beats.send(t, "", "HEARTBEAT", fmt.Sprint("beating-", i), "pool=beating")
}

// live has everyone beat and move a byte.
func (f *frozenCrowd) live(t *testing.T) {
	t.Helper()
	for i := range f.moving {
		f.beat(t, i)
		f.moving[i].send(t, []byte{0})
	}
}

// TestFrozenProxy stops the proxy for longer than any lease, and than a client may wait, while everybody goes on: no
// client ends for it, and the log says how long it was. Without the halt of the clock that a late turn is, all of them end.
func TestFrozenProxy(t *testing.T) {
	for _, relay := range []string{"auto", "stream"} {
		t.Run(relay, func(t *testing.T) {
			t.Parallel()
			f := startFrozen(t, relay)
			f.live(t)
			f.waiting = dialRaw(t, f.p.frontendOf(t, "waiting"))
			f.waiting.send(t, signature())
			eventually(t, "a client waits", func() bool {
				var page struct{ Clients []struct{ State string } }
				say(t, f.control, &page, "CLIENTS", "pool=waiting")
				return len(page.Clients) == 1 && page.Clients[0].State == "waiting"
			})
			const stop = 5 * time.Second
			f.p.freeze(t)
			backend := f.p.backendOf(t, "waiting")
			f.dialIn = dialRaw(t, backend)
			f.dialIn.send(t, signature())
			for end := time.Now().Add(stop); time.Now().Before(end); time.Sleep(500 * time.Millisecond) { // how long the stop is
				f.live(t)
			}
			f.p.thaw()
			f.waiting.expect(t, signature())
			f.dialIn.expect(t, signature())
			for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) { // longer than a lease
				f.live(t)
			}
			for _, one := range endedOf(f.p) {
				t.Errorf("%v", one)
			}
			if n := strings.Count(f.p.said(), "this process was stopped"); n < 3 {
				t.Errorf("%d pools say that they were stopped", n)
			}
			// A lease is one again afterwards.
			eventually(t, "who is silent ends", func() bool { return len(endedOf(f.p)) >= 2*frozenMost })
		})
	}
}

// TestFrozenLameDuck stops the proxy, which was told to end, for longer than drain-delay and drain-timeout together:
// afterwards it serves on for what was left of drain-delay, and only then does drain-timeout begin.
func TestFrozenLameDuck(t *testing.T) {
	t.Parallel()
	const delay, timeout, stop = 4 * time.Second, 2 * time.Second, 8 * time.Second
	w := &rawWorker{}
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", "w="+w.listen(t, ""),
		"--drain-delay", delay.String(), "--drain-timeout", timeout.String())
	pair := func() *rawPeer {
		one, _ := w.open(t, p.frontend[0])
		return one
	}
	first := pair()
	told := time.Now()
	must(t, p.command.Process.Signal(syscall.SIGTERM))
	eventually(t, "it is a lame duck", func() bool { return strings.Contains(p.said(), "unready, and serving") })
	p.freeze(t)
	const counts = time.Second // what of a stop passes for waiting, at most
	left := delay + timeout - time.Since(told) - counts
	time.Sleep(stop) // how long the stop is
	p.thaw()
	thawed := time.Now()
	pair() // a lame duck serves who comes
	if s := p.said(); strings.Contains(s, "draining:") {
		t.Errorf("it drains %v after a stop: %s", time.Since(thawed), s)
	}
	first.expectEnd(t)
	if took := time.Since(thawed); took < left {
		t.Errorf("a pair ended %v after a stop, want %v", took, left)
	}
}
