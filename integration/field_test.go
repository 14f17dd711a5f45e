package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// What docs/field.md says, each shown. The times of balancers are shortened a hundredfold or more.

// findNginx is the program, its module stream and its environment; the test is skipped where they are missing.
func findNginx(t testing.TB) (path, module string, env []string) {
	t.Helper()
	path, env = unpacked(t, unpackedPeers, "usr/sbin/nginx")
	if path == "" {
		t.Skip("nginx is missing, with which the test runs: tools/setup.sh bench fetches it")
	}
	return path, filepath.Join(filepath.Dir(path), "../lib/nginx/modules/ngx_stream_module.so"), env
}

// startNginx has nginx pass connections on from front to a streamq-proxy, and cut those that are idle. Whether it serves is
// asked at an address of its own: the proxy sees no other clients than the test's.
func startNginx(t testing.TB, front, to string, idle time.Duration) {
	t.Helper()
	path, module, env := findNginx(t)
	dir, probed := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `load_module %s;
daemon off;
error_log stderr;
pid %s/pid;
events {}
stream {
    server { listen %s; proxy_pass %s; proxy_timeout %dms; }
    server { listen %s; return serves; }
}
`, module, dir, front, to, idle.Milliseconds(), probed), 0o600))
	serveNginx(t, path, env, config)
	eventually(t, "nginx serves", func() bool { // then it listens everywhere
		c, err := net.Dial("tcp", probed)
		if err != nil {
			return false
		}
		defer c.Close()
		said, err := io.ReadAll(c)
		return err == nil && len(said) > 0
	})
}

// serveNginx runs one, which is in the foreground by its configuration, until the test is over.
func serveNginx(t testing.TB, path string, env []string, config string) {
	t.Helper()
	command := exec.Command(path, "-p", filepath.Dir(config), "-e", "stderr", "-c", config)
	command.Env = append(command.Environ(), env...)
	var said strings.Builder
	command.Stderr = &said
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // whatever it ends with
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
}

// TestIdlePairsBehindBalancers has HAProxy and nginx before the proxy cut connections on which no byte has moved for some
// seconds: TCP's keepalive does not count for them, and ZMTP's heartbeats do.
func TestIdlePairsBehindBalancers(t *testing.T) {
	const idle, beat = 4 * time.Second, 50 * time.Millisecond // a busy machine has a peer miss many beats in a row
	for name, start := range map[string]func(t *testing.T, front, to string){
		"haproxy": func(t *testing.T, front, to string) {
			startHAProxy(t, "", fmt.Sprintf("listen all\n    bind %s\n    timeout client %[2]dms\n    timeout server %[2]dms\n    server proxy %[3]s\n",
				front, idle.Milliseconds(), to))
		},
		"nginx": func(t *testing.T, front, to string) { startNginx(t, front, to, idle) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := newContext(t)
			sec := newSecurity(t, "NULL")
			w := newWorker(t, ctx, zmq.ROUTER, sec)
			p := startOperated(t, "--frontend", "tcp://127.0.0.1:0", "--worker", "w="+w.listen(t, "tcp://127.0.0.1:*"),
				"--keepalive-idle", "1s", "--keepalive-interval", "1s")
			w.serve(t, echo)
			front := freeAddress(t)
			start(t, front, strings.TrimPrefix(p.frontend[0], "tcp://"))
			join := func(heartbeat time.Duration) *socket {
				c := newClient(t, ctx, zmq.REQ, sec, "")
				must(t, c.SetReconnectIvl(-1))
				if heartbeat > 0 {
					must(t, c.SetHeartbeatIvl(heartbeat))
					must(t, c.SetHeartbeatTimeout(patience)) // it is the balancer that is to judge
				}
				must(t, c.Connect("tcp://"+front))
				c.send(t, "hello")
				c.recv(t)
				return c
			}
			silent := `streamq_clients_ended_total{pool="default",reason="client-closed"}`
			join(0)
			beating := join(beat)
			p.until(t, "the silent client was cut", func(s samples) bool { return s[silent] > 0 })
			time.Sleep(idle) // nothing can be waited for that must not happen
			if s := p.scrape(t); s[silent] != 1 || s.of(t, "pairs", "state=open") != 1 {
				t.Errorf("of both %v were cut, and %d are open", s[silent], s.of(t, "pairs", "state=open"))
			}
			beating.send(t, "again")
			beating.recv(t)
		})
	}
}

// segments is how many packets a connection has received.
func segments(t testing.TB, p *rawPeer) uint32 {
	t.Helper()
	raw, err := p.Conn.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	must(t, err)
	var info *unix.TCPInfo
	must(t, errors.Join(raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }), err))
	return info.Segs_in
}

// TestIdlePairsAreProbed has packets pass on both connections of an idle pair, which is all that NAT and balancers of
// packets look at: they forget no connection as long as keepalive-idle is shorter than their timer.
func TestIdlePairsAreProbed(t *testing.T) {
	t.Parallel()
	w := &rawWorker{}
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", w.listen(t, ""), "--keepalive-idle", "1s", "--keepalive-interval", "1s")
	c := dialRaw(t, p.frontend[0])
	c.send(t, greeting("NULL", 0), ready("REQ"))
	s := w.peer(t)
	s.expect(t, greeting("NULL", 0), ready("REQ"))
	s.send(t, greeting("NULL", 1), ready("REP"))
	c.expect(t, greeting("NULL", 1), ready("REP"))
	client, worker := segments(t, c), segments(t, s)
	eventually(t, "both were probed again and again", func() bool { return segments(t, c) > client+2 && segments(t, s) > worker+2 })
}

// TestRouterClientWithoutImmediate has a ROUTER client reconnect to another worker: with ZMQ_IMMEDIATE=0 what it sends to
// the first by its name reaches the second, directly as through the proxy; with ZMQ_IMMEDIATE=1 it has learnt the new name.
func TestRouterClientWithoutImmediate(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		t.Run(fmt.Sprintf("immediate=%v", immediate), func(t *testing.T) {
			ctx := newContext(t)
			start := func(name, endpoint string) *socket {
				w := newSocket(t, ctx, zmq.DEALER)
				must(t, w.SetIdentity(name))
				must(t, w.Bind(endpoint))
				return w
			}
			a, b := start("A", "tcp://127.0.0.1:*"), start("B", "tcp://127.0.0.1:*")
			at := func(w *socket) string {
				e, err := w.GetLastEndpoint()
				must(t, err)
				return e
			}
			p, ctl := startDiscovering(t, "--worker", "A="+at(a)+",weight=2", "--worker", "B="+at(b))
			c := newSocket(t, ctx, zmq.ROUTER)
			must(t, c.SetImmediate(immediate))
			must(t, c.SetReconnectIvl(10*time.Millisecond))
			must(t, c.Connect(p.frontend[0]))
			a.send(t, "hello")
			if m := c.recv(t); m[0] != "A" {
				t.Fatalf("the client is at %q", m[0])
			}
			must(t, ctl.Pool("").Maint(t.Context(), "A"))
			b.send(t, "hello") // which waits for the pair
			from := c.recv(t)[0]
			if want := map[bool]string{false: "A", true: "B"}[immediate]; from != want {
				t.Errorf("the client takes the second worker for %q, not %q", from, want)
			}
			c.send(t, from, "for "+from)
			if m := b.recv(t); m[0] != "for "+from {
				t.Errorf("the second worker has received %q", m)
			}
		})
	}
}

// TestStrictREQIsStranded ends the pair of a REQ client that waits for a reply: a strict one waits for ever, and may not ask
// again; with ZMQ_REQ_RELAXED, ZMQ_REQ_CORRELATE and ZMQ_RCVTIMEO it asks again and has its answer from another worker.
func TestStrictREQIsStranded(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"MAINT", "KICK"} {
		t.Run(how, func(t *testing.T) {
			ctx := newContext(t)
			sec := newSecurity(t, "NULL")
			mute, good := newWorker(t, ctx, zmq.ROUTER, sec), newWorker(t, ctx, zmq.ROUTER, sec)
			p, ctl := startDiscovering(t, "--worker", "mute="+mute.listen(t, "tcp://127.0.0.1:*")+",weight=256", "--worker", "good="+good.listen(t, "tcp://127.0.0.1:*"))
			mute.serve(t, func(frames) frames { return nil })
			good.serve(t, echo)
			strict, relaxed := newClient(t, ctx, zmq.REQ, sec, ""), newClient(t, ctx, zmq.REQ, sec, "")
			must(t, relaxed.SetReqRelaxed(1))
			must(t, relaxed.SetReqCorrelate(1))
			for _, c := range []*socket{strict, relaxed} {
				must(t, c.Connect(p.frontend[0]))
				c.send(t, "hello")
			}
			pairs := func(s samples, worker string) int { return s.of(t, "worker_pairs", "worker="+worker) }
			p.until(t, "both are with the worker that does not answer", func(s samples) bool {
				return pairs(s, "mute") == 2 && s.of(t, "pairs", "state=open") == 2
			})
			if how == "MAINT" {
				must(t, ctl.Pool("").Maint(t.Context(), "mute"))
			} else {
				_, err := ctl.Pool("").Drain(t.Context(), "mute") // or they come again to the same
				must(t, errors.Join(err, ctl.Pool("").KickWorker(t.Context(), "mute")))
			}
			p.until(t, "both have come again, to the other", func(s samples) bool { return pairs(s, "good") == 2 && s.of(t, "pairs", "state=open") == 2 })
			for _, c := range []*socket{strict, relaxed} {
				must(t, c.SetRcvtimeo(500*time.Millisecond))
				if m, err := c.RecvMessage(0); err == nil {
					t.Errorf("an answer that nobody has given: %q", m)
				}
			}
			if _, err := strict.SendMessage("again"); zmq.AsErrno(err) != zmq.EFSM {
				t.Errorf("the strict one may ask again: %v", err)
			}
			must(t, relaxed.SetRcvtimeo(patience))
			relaxed.send(t, "again")
			if m := relaxed.recv(t); m[0] != "again" {
				t.Errorf("the answer is %q", m)
			}
		})
	}
}

// TestOldPeersAreCutByLibzmq has a ZMTP 2.0 client at a libzmq worker of before 4.3.5 be cut when the worker's
// ZMQ_HANDSHAKE_IVL (30 s unless set) is over, as it is directly; from 4.3.5 on it stays.
func TestOldPeersAreCutByLibzmq(t *testing.T) {
	major, minor, patch := zmq.Version()
	cut := major*10000+minor*100+patch < 40305
	for name, through := range map[string]bool{"direct": false, "proxy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := newContext(t)
			w := newWorker(t, ctx, zmq.REP, newSecurity(t, "NULL"))
			const limit = 5 * time.Second // in which also a busy machine has the answer
			must(t, w.SetHandshakeIvl(limit))
			at := w.listen(t, "tcp://127.0.0.1:*")
			w.serve(t, echo)
			if through {
				at = startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", at).frontend[0]
			}
			c := dialRaw(t, at)
			c.send(t, signature(), []byte{1, 3, 0, 0}) // version 2.0, a REQ without identity (spec 15/ZMTP)
			c.expect(t, signature())
			c.send(t, []byte{1, 0, 0, 2, 'h', 'i'}) // an empty delimiter, and a body
			must(t, c.SetReadDeadline(time.Now().Add(patience)))
			buffer := make([]byte, 64)
			heard, begin := "", time.Now()
			for !strings.HasSuffix(heard, "hi") {
				n, err := c.Read(buffer)
				must(t, err)
				heard += string(buffer[:n])
			}
			must(t, c.SetReadDeadline(begin.Add(map[bool]time.Duration{true: patience, false: 2 * limit}[cut])))
			_, err := c.Read(buffer)
			if timedOut := errors.Is(err, os.ErrDeadlineExceeded); timedOut == cut {
				t.Errorf("libzmq %d.%d.%d: %v after %v", major, minor, patch, err, time.Since(begin))
			}
		})
	}
}

// TestSlotsASecond has clients come one behind another to a worker with one slot: it serves no more than one in each of its
// reconnect intervals, of which libzmq's 0.1 to 0.2 s are the default, and more with shorter ones or more slots.
func TestSlotsASecond(t *testing.T) {
	const clients = 10
	serve := func(interval time.Duration) time.Duration {
		ctx := newContext(t)
		sec := newSecurity(t, "NULL")
		w := newWorker(t, ctx, zmq.REP, sec)
		must(t, w.SetReconnectIvl(interval))
		p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0")
		w.dialIn(t, p.backend[0])
		w.serve(t, echo)
		begin := time.Now()
		for range clients {
			c := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, c.Connect(p.frontend[0]))
			c.send(t, "hello")
			c.recv(t)
			c.close()
		}
		return time.Since(begin)
	}
	slow, fast := serve(100*time.Millisecond), serve(5*time.Millisecond)
	for try := 0; try < 5 && fast >= slow; try++ { // the machine was busy
		fast = serve(5 * time.Millisecond)
	}
	if slow < (clients-1)*100*time.Millisecond || fast >= slow {
		t.Errorf("%d clients took %v with the default interval, %v with 5 ms", clients, slow, fast)
	}
	t.Logf("%d clients, one slot: %.1f a second with libzmq's default, %.1f with RECONNECT_IVL 5", clients, clients/slow.Seconds(), clients/fast.Seconds())
}

// TestFieldDocument holds the tests that docs/field.md names to be there.
func TestFieldDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/field.md")
	must(t, err)
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 8 {
		t.Errorf("it names %d tests", len(names))
	}
	files, err := filepath.Glob("../*/*_test.go") // of every package
	must(t, err)
	code := ""
	for _, f := range files {
		one, err := os.ReadFile(f)
		must(t, err)
		code += string(one)
	}
	for _, n := range names {
		if !strings.Contains(code, "func "+n[1]+"(t *testing.T)") {
			t.Errorf("there is no %s", n[1])
		}
	}
}
