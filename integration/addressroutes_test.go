package integration

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

// manual says how clients get addresses.
const manual = "docs/addresses.md"

// manualBlock is the block of a document that is marked with a test's name.
func manualBlock(t *testing.T, document, test string) string {
	t.Helper()
	for _, f := range blocks(t, document) {
		if f.mark == "<!-- test: "+test+" -->" {
			return f.body
		}
	}
	t.Fatalf("%s has nothing for %s", document, test)
	return ""
}

// site is a proxy's machine and a worker's, with a cable between them; clients are on this one, which the worker's does not know.
type site struct {
	proxy, worker *host
}

// The cable's two ends. Nobody else has them: they are in namespaces of the test.
const (
	siteProxy, siteWorker   = "10.231.0.1", "10.231.0.2"
	siteProxy6, siteWorker6 = "fd23::1", "fd23::2"
)

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{newHost(t), newHost(t)}
	s.proxy.ip(t, "link", "add", "sq-workers", "type", "veth", "peer", "name", "sq-proxy", "netns", s.worker.name)
	for h, end := range map[*host][3]string{s.proxy: {"sq-workers", siteProxy, siteProxy6}, s.worker: {"sq-proxy", siteWorker, siteWorker6}} {
		h.ip(t, "addr", "add", end[1]+"/30", "dev", end[0])
		if err := run8("-n", h.name, "addr", "add", end[2]+"/64", "dev", end[0], "nodad"); err != nil {
			t.Skipf("IPv6 is needed: %v", err)
		}
		h.ip(t, "link", "set", end[0], "up")
	}
	return s
}

// route runs the manual's lines of a test, each where its comment says.
func (s *site) route(t *testing.T, test, gateway string) {
	t.Helper()
	for line := range strings.Lines(manualBlock(t, manual, test)) {
		command, where, _ := strings.Cut(line, "#")
		on := s.worker
		if strings.Contains(where, "on the proxy's") {
			on = s.proxy
		}
		command = strings.NewReplacer("PROXY", gateway, "eth1", "sq-workers").Replace(command)
		on.ip(t, strings.Fields(command)[1:]...)
	}
}

// serve starts a worker that replies with the address by which it sees who asks.
func (s *site) serve(t *testing.T, endpoint string) {
	t.Helper()
	python := s.worker.of(program{name: "seen", worker: []string{"/usr/bin/python3", "peers/py/seen.py", endpoint}})
	startProcess(t, python, python.worker).hear(t, "listening")
}

// run starts the proxy, with a frontend for clients on this machine and one for those in the worker's network.
func (s *site) run(t *testing.T, worker string, flags ...string) (p *proxy, control string) {
	t.Helper()
	control = "ipc://" + filepath.Join(shortDir(t), "c")
	return startProxyOn(t, s.proxy, append([]string{
		"--frontend", "tcp://" + s.proxy.far + ":5555", "--frontend", "tcp://" + siteProxy + ":5555", "--worker", "w=" + worker, "--control", control,
	}, flags...)...), control
}

// refusal is what the proxy says on the way out, with an environment in which it cannot run.
func (s *site) refusal(t *testing.T, before []string, worker string, flags ...string) string {
	t.Helper()
	command := append(s.proxy.of(program{worker: append(before, os.Getenv(binaryVariable))}).worker, append([]string{
		"run", "--http", "", "--frontend", "tcp://" + s.proxy.far + ":5555", "--worker", worker,
	}, flags...)...)
	said, err := ownProgram(t, command...).CombinedOutput()
	if err == nil || strings.Count(strings.TrimSpace(string(said)), "\n") > 1 { // one line, behind the one that it begins with
		t.Fatalf("%v: %s", err, said)
	}
	return string(said)
}

// seenAs asks a worker how it sees a new client.
func seenAs(t *testing.T, p *proxy) string {
	t.Helper()
	c := newClient(t, newContext(t), zmq.REQ, newSecurity(t, "NULL"), "")
	must(t, c.Connect(p.frontend[0]))
	c.send(t, "who am I?")
	return c.recv(t)[0]
}

// whois is what the proxy says of an address.
func whois(t *testing.T, control, address string) wire.Known {
	t.Helper()
	known, err := dialControl(t, control).Whois(t.Context(), address, "")
	must(t, err)
	return known
}

// ownProgram is a command with the program that is tested, which under the race detector would sleep before it ends. It is
// killed when it has not ended after patience.
func ownProgram(t *testing.T, command ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = append(c.Environ(), "GORACE=atexit_sleep_ms=0")
	return c
}

// TestRoutedAddresses has a worker on another machine see clients by addresses of an IPv6 prefix, by the manual's two
// routes; without the first of them the proxy says what is missing.
func TestRoutedAddresses(t *testing.T) {
	t.Parallel()
	const prefix = "2001:db8:1::/64"
	s := newSite(t)
	worker := "tcp://[" + siteWorker6 + "]:6000"
	if said := s.refusal(t, nil, worker, "--client-addresses", prefix); !strings.Contains(said, "ip route add local "+prefix+" dev lo") {
		t.Errorf("without the route: %s", said)
	}
	s.route(t, "TestRoutedAddresses", siteProxy6)
	s.serve(t, worker)
	p, control := s.run(t, worker, "--client-addresses", prefix)
	first, second := seenAs(t, p), seenAs(t, p)
	for _, a := range []string{first, second} {
		ip, err := netip.ParseAddr(a)
		if err != nil || !netip.MustParsePrefix(prefix).Contains(ip) || first == second {
			t.Errorf("seen as %s and %s: %v", first, second, err)
		}
		if k := whois(t, control, a); k.Address != s.proxy.near {
			t.Errorf("%s is %+v", a, k)
		}
	}
}

// TestTransparentElsewhere has a worker on another machine see clients by their own addresses, by the manual's routes.
// A client in the worker's own network, whose answers do not come back to the proxy, is refused, and the worker is not
// held to account; without the right the proxy says what is missing.
func TestTransparentElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := "tcp://" + siteWorker + ":6000"
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Error("setpriv(1) is missing, which takes the right away: it is in Debian's package util-linux")
	} else if said := s.refusal(t, []string{"setpriv", "--bounding-set=-net_raw,-net_admin"}, worker, "--client-addresses", "transparent"); !strings.Contains(said, "CAP_NET_RAW") {
		t.Errorf("without the right: %s", said)
	}
	s.route(t, "TestTransparentElsewhere", siteProxy)
	s.serve(t, worker)
	p, control := s.run(t, worker, "--client-addresses", "transparent", "--connect-timeout", "2s") // in which a busy machine dials who can be dialled
	good := func() {
		t.Helper()
		a := seenAs(t, p) // perhaps as ::ffff:IP, as a socket for both families has it
		if ip, err := netip.ParseAddr(a); err != nil || ip.Unmap().String() != s.proxy.near {
			t.Errorf("the client of %s is seen as %s", s.proxy.near, a)
		}
		if k := whois(t, control, a); k.Address != s.proxy.near || k.Connections < 1 {
			t.Errorf("%s is %+v", s.proxy.near, k)
		}
	}
	good()
	near := s.worker.of(program{worker: []string{"bash", "-c", `exec 3<>/dev/tcp/` + siteProxy + `/5555; printf '\xff\0\0\0\0\0\0\0\1\x7f' >&3; cat <&3 >/dev/null`}}).worker
	must(t, exec.Command(near[0], near[1:]...).Run())
	eventually(t, "it is refused", func() bool {
		ended := endedFrom(p, siteWorker)
		return len(ended) == 1 && ended[0]["reason"] == "no-source-port"
	})
	good()
	var list struct{ Workers []wire.WorkerInfo }
	say(t, dialControl(t, control), &list, "WORKERS")
	if w := list.Workers[0]; w.State != "ready" || w.Failures > 0 {
		t.Errorf("the worker: %+v", w)
	}
}

// TestWhoisTranscript asks as the manual does, of a client that has said its name, and is answered in that shape.
func TestWhoisTranscript(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "NULL")
	w := newWorker(t, ctx, zmq.REP, sec)
	control := "ipc://" + filepath.Join(shortDir(t), "c")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", w.listen(t, "tcp://127.0.0.1:*"), "--client-addresses", "127.64.0.0/10", "--control", control)
	w.serve(t, echo)
	line, shown, _ := strings.Cut(manualBlock(t, manual, "TestWhoisTranscript"), "\n")
	at := freeAddress(t)
	ask := func(words ...string) string {
		t.Helper()
		said, err := ownProgram(t, append([]string{os.Getenv(binaryVariable), "ctl", "--control", control}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v %s", words, err, said)
		}
		return string(said)
	}
	ask("hello", "client", "alice", "endpoint="+at)
	c := newClient(t, ctx, zmq.REQ, sec, "")
	must(t, c.Connect("tcp://"+at+";"+strings.TrimPrefix(p.frontend[0], "tcp://")))
	c.send(t, "hello")
	c.recv(t)
	if err := sameShape(shown, ask(strings.Fields(line)[3:]...)); err != nil {
		t.Error(err)
	}
}
