package integration

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
)

// TestThousandAddresses has a thousand CURVE clients, each with an address and a key of its own, at one worker: its ZAP handler
// sees a thousand addresses, and asks by each, while the client still shakes hands, whose it is.
func TestThousandAddresses(t *testing.T) {
	const clients = 1000
	needDescriptors(t, 4*clients)
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "CURVE")
	at := "ipc://" + filepath.Join(shortDir(t), "c")
	seen := seenByZAP{t: t, of: map[string]string{}, keys: map[string]string{}}
	answerZAP(t, ctx, seen.let)
	w := newWorker(t, ctx, zmq.ROUTER, sec)
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", w.listen(t, "tcp://127.0.0.1:*"), "--client-addresses", "127.64.0.0/10",
		"--control", at, "--access-log=false")
	seen.control = dialControl(t, at)
	w.serve(t, echo)
	everyone := make([]*socket, clients)
	for i := range everyone {
		var err error
		sec.clientPublic, sec.clientSecret, err = zmq.NewCurveKeypair()
		must(t, err)
		from := fmt.Sprintf("127.1.%d.%d", i/250, i%250+1)
		seen.keys[zmq.Z85decode(sec.clientPublic)] = from
		everyone[i] = newClient(t, ctx, zmq.DEALER, sec, "")
		must(t, everyone[i].SetHandshakeIvl(2*patience))
	}
	for i, c := range everyone {
		must(t, c.Connect(fmt.Sprintf("tcp://127.1.%d.%d:0;%s", i/250, i%250+1, strings.TrimPrefix(p.frontend[0], "tcp://"))))
		c.send(t, fmt.Sprint(i))
	}
	for i, c := range everyone {
		if got := c.recv(t); got[0] != fmt.Sprint(i) {
			t.Fatalf("client %d got %q", i, got)
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if len(seen.of) != clients {
		t.Errorf("the ZAP handler has seen %d addresses", len(seen.of))
	}
}

// seenByZAP are the addresses by which a ZAP handler has seen clients.
type seenByZAP struct {
	t       *testing.T
	control *client.Client
	keys    map[string]string // who has a key comes from there

	mu sync.Mutex
	of map[string]string // the client's own address, by what was seen
}

// let lets everybody in of whom WHOIS tells the address that its key is known to come from.
func (s *seenByZAP) let(r zapRequest) bool {
	known, err := s.control.Whois(s.t.Context(), r.address, "")
	s.mu.Lock()
	defer s.mu.Unlock()
	want := s.keys[strings.Join(r.credentials, "")]
	switch own, err1 := netip.ParseAddrPort(known.Client); {
	case err != nil || err1 != nil || known.Address != want || own.Addr().String() != want || known.Connections != 1:
		s.t.Errorf("WHOIS %s: %+v, %v, want %s", r.address, known, err, want)
	case s.of[r.address] != "" && s.of[r.address] != want:
		s.t.Errorf("%s is %s and %s", r.address, s.of[r.address], want)
	}
	s.of[r.address] = want
	return true
}

// TestAuthenticatorsByAddress has the authenticators that pyzmq and czmq bring, unmodified, deny one client of three by its
// address, or allow one alone, behind the proxy: whoever is not denied is served throughout.
func TestAuthenticatorsByAddress(t *testing.T) {
	t.Parallel()
	for name, worker := range map[string]func(t *testing.T, sec security, verb, address string) *exec.Cmd{
		"pyzmq": func(_ *testing.T, sec security, verb, address string) *exec.Cmd {
			return exec.Command("/usr/bin/python3", "peers/py/auth.py", verb, address, sec.serverSecret)
		},
		"czmq": func(t *testing.T, sec security, verb, address string) *exec.Cmd {
			return exec.Command(czmq(t, "zauth"), strings.ToUpper(verb), address, sec.serverSecret, sec.serverPublic)
		},
	} {
		for _, verb := range []string{"deny", "allow"} {
			t.Run(name+" "+verb, func(t *testing.T) {
				t.Parallel()
				sec := newSecurity(t, "CURVE")
				command := worker(t, sec, verb, shownAs(t, "127.0.0.2"))
				served := startProcess(t, program{name: name}, command.Args[:1], command.Args[1:]...)
				p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--worker", served.hear(t, "listening").Endpoint,
					"--client-addresses", "127.64.0.0/10,stable")
				judgedByAddress(t, p, sec, map[string]bool{"127.0.0.2": verb == "allow", "127.0.0.3": verb == "deny", "127.0.0.4": verb == "deny"})
			})
		}
	}
}

// shownAs is what a worker sees of a client's address, by stable.
func shownAs(t *testing.T, address string) string {
	t.Helper()
	s, err := clientaddr.Parse("127.64.0.0/10,stable")
	must(t, err)
	a, _ := s.Chooser().Take(0, address)
	return a.String()
}

// judgedByAddress has a client of each address ask three times, and be answered or let go, as said.
func judgedByAddress(t *testing.T, p *proxy, sec security, serves map[string]bool) {
	t.Helper()
	ctx := newContext(t)
	for range 3 {
		for from, good := range serves {
			before := len(endedFrom(p, from)) // one that is refused may be gone at once, and does not come again
			c := newClient(t, ctx, zmq.REQ, sec, "")
			must(t, c.Connect(fmt.Sprintf("tcp://%s:0;%s", from, strings.TrimPrefix(p.frontend[0], "tcp://"))))
			c.send(t, from)
			if good {
				if got := c.recv(t); got[0] != from {
					t.Fatalf("%s got %q", from, got)
				}
			}
			if good {
				c.close()
			}
			eventually(t, from+" has gone", func() bool { return len(endedFrom(p, from)) > before })
			if !good {
				must(t, c.SetRcvtimeo(0))
				if got, err := c.RecvMessage(0); !timedOut(err) {
					t.Fatalf("%s got %q, %v", from, got, err)
				}
			}
			c.close()
		}
	}
	for from := range serves {
		for _, record := range endedFrom(p, from) {
			if record["shown"] != shownAs(t, from) {
				t.Errorf("%s: %v", from, record)
			}
		}
	}
}

// endedFrom are the records of the clients of an address that have ended.
func endedFrom(p *proxy, address string) (records []map[string]any) {
	for _, r := range endedOf(p) {
		if c, _ := r["client"].(string); strings.HasPrefix(c, address+":") {
			records = append(records, r)
		}
	}
	return records
}
