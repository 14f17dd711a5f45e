package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// host is another machine as far as TCP can tell: a network namespace, and a cable between it and this one. It is made
// by the test and goes with it.
type host struct {
	name      string // of the namespace
	near, far string // addresses of the cable's two ends
}

var hosts atomic.Int64

// newHost makes a host, or skips the test where that is not possible.
func newHost(t testing.TB) *host {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip(8) is missing, with which the test makes a network namespace: it is in Debian's package iproute2")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make the network namespace that the test needs: run it as root")
	}
	number := int(hosts.Add(1))
	h := &host{name: fmt.Sprintf("sq%d-%d", os.Getpid(), number)}
	if err := run8("netns", "add", h.name); err != nil {
		t.Skipf("no network namespace can be made here (CAP_SYS_ADMIN and CAP_NET_ADMIN are needed): %v", err)
	}
	t.Cleanup(func() { must(t, run8("netns", "del", h.name)) })
	h.near, h.far = freeCable(t, number)
	h.ip(t, "link", "add", "sq-far", "type", "veth", "peer", "name", h.name, "netns", fmt.Sprint(os.Getpid()))
	// The namespace itself lives on until the last connection in it has given up, and would keep the cable.
	t.Cleanup(func() { h.ip(t, "link", "del", "sq-far") })
	must(t, run8("addr", "add", h.near+"/30", "dev", h.name))
	must(t, run8("link", "set", h.name, "up"))
	h.ip(t, "addr", "add", h.far+"/30", "dev", "sq-far")
	h.ip(t, "link", "set", "lo", "up")
	h.ip(t, "link", "set", "sq-far", "up")
	return h
}

// freeCable picks two addresses for the host of that number, which nobody else uses, of those that are set apart for
// tests between networks (RFC 2544).
func freeCable(t testing.TB, number int) (near, far string) {
	t.Helper()
	used, err := net.InterfaceAddrs()
	must(t, err)
	const cables = 1 << 15 // of four addresses each
	for i := range cables {
		at := 4 * ((os.Getpid()*64 + number + 8191*i) % cables)
		address := func(n int) string { return fmt.Sprintf("198.%d.%d.%d", 18+(at+n)>>16, (at+n)>>8&255, (at+n)&255) }
		free := true
		for _, a := range used {
			free = free && a.String() != address(1)+"/30"
		}
		if free {
			return address(1), address(2)
		}
	}
	t.Fatal("every address is in use")
	return "", ""
}

// run8 runs ip(8).
func run8(args ...string) error {
	said, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return errors.New(strings.TrimSpace(fmt.Sprintf("ip %s: %v: %s", strings.Join(args, " "), err, said)))
	}
	return nil
}

// ip runs ip(8) in the host.
func (h *host) ip(t testing.TB, args ...string) {
	t.Helper()
	must(t, run8(append([]string{"-n", h.name}, args...)...))
}

// of is the program on this host: what its command starts is one process, the program's own. A nil host is this machine.
func (h *host) of(p program) program {
	if h == nil {
		return p
	}
	on := func(command []string) []string { return append([]string{"ip", "netns", "exec", h.name}, command...) }
	p.client, p.worker = on(p.client), on(p.worker)
	return p
}

// cut pulls the cable: no packet passes any more, and nobody is told. It is cut at the far end, because the near one
// keeps its route so: packets for the host go nowhere, instead of to whom this machine's other routes lead.
func (h *host) cut(t testing.TB) {
	t.Helper()
	h.ip(t, "link", "set", "sq-far", "down")
}

// mend plugs the cable in again.
func (h *host) mend(t testing.TB) {
	t.Helper()
	h.ip(t, "link", "set", "sq-far", "up")
}

// settled waits until the host has acknowledged everything that was sent to it from here.
func (h *host) settled(t testing.TB) {
	t.Helper()
	eventually(t, "everything is acknowledged", func() bool {
		said, err := exec.Command("ss", "-tnH", "dst", h.far).Output() // State Recv-Q Send-Q Local Peer
		must(t, err)
		for line := range strings.Lines(string(said)) {
			if f := strings.Fields(line); len(f) < 3 || f[2] != "0" {
				return false
			}
		}
		return true
	})
}
