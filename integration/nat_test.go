package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// behind makes a host behind h, which from then on is its router with NAT: whoever it calls sees h's far address, and
// nobody can call it. It skips the test where that is not possible.
func (h *host) behind(t testing.TB) *host {
	t.Helper()
	for command, pkg := range map[string]string{"nft": "nftables", "conntrack": "conntrack"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("%s(8) is missing, which the test needs for NAT: it is in Debian's package %s", command, pkg)
		}
	}
	inner := newHost(t)
	// The cable's near end moves from this machine to the router.
	must(t, run8("link", "set", inner.name, "netns", h.name))
	h.ip(t, "addr", "add", inner.near+"/30", "dev", inner.name)
	h.ip(t, "link", "set", inner.name, "up")
	inner.ip(t, "route", "add", "default", "via", inner.near)
	must(t, h.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
	rules := `table ip nat { chain out { type nat hook postrouting priority 100; oifname "sq-far" masquerade; }; }`
	if err := h.run("nft", rules); err != nil {
		t.Skipf("this kernel has no NAT (nf_tables with masquerade is needed): %v", err)
	}
	return inner
}

// run runs a command on the host.
func (h *host) run(command ...string) error {
	said, err := exec.Command("ip", append([]string{"netns", "exec", h.name}, command...)...).CombinedOutput()
	if err != nil {
		return errors.New(strings.TrimSpace(fmt.Sprintf("%s: %v: %s", command[0], err, said)))
	}
	return nil
}

// TestAgentThroughNAT: an agent and its worker that nobody can call serve clients through NAT, and again after the
// router has forgotten every connection: what nobody has noticed by then is found by the agent's kernel, and replaced.
func TestAgentThroughNAT(t *testing.T) {
	t.Parallel()
	router := newHost(t)
	inner := router.behind(t)
	sec := newSecurity(t, "CURVE")
	control := "ipc://" + filepath.Join(shortDir(t), "c")
	p := startProxy(t, "--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://"+router.near+":0", "--control", control)
	served := &processWorker{program: inner.of(python()), kind: "REP", sec: sec}
	runAgentOn(t, inner, "--proxy", p.backend[0], "--worker", served.listen(t, "tcp://127.0.0.1:0"), "--slots", "3")
	workers := func() string {
		out, _ := exec.Command(os.Getenv(binaryVariable), "ctl", "--control", control, "workers").Output() // none yet
		return strings.Join(strings.Fields(string(out)), " ")
	}
	ctx := newContext(t)
	ask := func() {
		t.Helper()
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.Connect(p.frontend[0]))
		c.send(t, "hello")
		c.recv(t)
		c.close()
	}
	eventually(t, "three slots, by the router's address", func() bool { return strings.Contains(workers(), router.far+" ready 0 0 1 3 ") })
	for range 6 {
		ask()
	}
	must(t, router.run("conntrack", "-F"))
	begun := time.Now()
	for range 6 {
		ask()
	}
	t.Logf("served again %v after the router forgot", time.Since(begun))
	eventually(t, "three slots again", func() bool { return strings.Contains(workers(), router.far+" ready 0 0 1 3 ") })
}
