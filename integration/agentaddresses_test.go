package integration

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

// TestAgentAddresses has a worker behind an agent see each client by an address of its own, and the agent say, as the
// manual asks it, whose that is; of nobody's address it says so.
func TestAgentAddresses(t *testing.T) {
	t.Parallel()
	ctx := newContext(t)
	sec := newSecurity(t, "NULL")
	control := "ipc://" + filepath.Join(shortDir(t), "c")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--control", control)
	python := []string{"/usr/bin/python3", "peers/py/seen.py", "tcp://127.0.0.1:*"}
	worker := startProcess(t, program{name: "seen"}, python).hear(t, "listening").Endpoint
	a := runAgent(t, "--proxy", p.backend[0], "--worker", worker, "--slots", "2", "--client-addresses", "127.96.0.0/11", "--control", control, "--name", "w1")
	a.expectSlots(t, 2)
	question := regexp.MustCompile(`/whois\?address=`).FindString(manualBlock(t, "docs/addresses.md", "TestAgentAddresses"))
	seen := map[string]bool{}
	for _, from := range []string{"127.0.0.5", "127.0.0.6"} {
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect("tcp://"+from+":0;"+strings.TrimPrefix(p.frontend[0], "tcp://")))
		c.send(t, "who am I?")
		address := c.recv(t)[0]
		if ip, err := netip.ParseAddr(address); err != nil || !netip.MustParsePrefix("127.96.0.0/11").Contains(ip.Unmap()) || seen[address] {
			t.Errorf("seen as %s, after %v: %v", address, seen, err)
		}
		seen[address] = true
		code, known := a.whois(t, question+address)
		if code != http.StatusOK || known.Address != from || !strings.HasPrefix(known.Client, from+":") {
			t.Errorf("%s is %+v (%d)", address, known, code)
		}
	}
	for address, want := range map[string]int{"127.100.0.1": http.StatusNotFound, "nobody": http.StatusBadRequest} {
		if code, _ := a.whois(t, question+address); code != want {
			t.Errorf("of %s it says %d", address, code)
		}
	}
}

func (a *agent) whois(t *testing.T, question string) (code int, known wire.Known) {
	t.Helper()
	r, err := scraper.Get("http://" + a.http + question)
	must(t, err)
	defer r.Body.Close()
	if r.StatusCode == http.StatusOK {
		must(t, json.NewDecoder(r.Body).Decode(&known))
	}
	return r.StatusCode, known
}
