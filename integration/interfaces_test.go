package integration

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/internal/freeport"
)

// fixedPort is one at which nobody listens on the loopback interface, and which the system gives to nobody.
func fixedPort(t testing.TB) string {
	t.Helper()
	n, err := freeport.Next(1)
	must(t, err)
	port := strconv.Itoa(n)
	l, err := net.Listen("tcp", "[::1]:"+port)
	if err == nil {
		must(t, l.Close())
		return port
	}
	t.Skipf("there is no IPv6: %v", err)
	return ""
}

// TestInterfaceNames has endpoints that name a network interface be at each address of it, clients' and workers' ends alike,
// where libzmq would bind one address or none.
func TestInterfaceNames(t *testing.T) {
	port, back := fixedPort(t), fixedPort(t)
	p := startProxy(t, "--frontend", "tcp://lo:"+port, "--backend", "tcp://lo:"+back, "--control", "ipc://"+filepath.Join(shortDir(t), "c"))
	for _, all := range [][]string{p.frontend, p.backend} {
		if said := strings.Join(all, " "); !strings.Contains(said, "tcp://127.0.0.1:") || !strings.Contains(said, "tcp://[::1]:") {
			t.Errorf("it serves at %s", said)
		}
	}
	ctx, sec := newContext(t), newSecurity(t, "NULL")
	for _, way := range [][2]string{{"127.0.0.1", "127.0.0.1"}, {"[::1]", "127.0.0.1"}, {"127.0.0.1", "[::1]"}, {"[::1]", "[::1]"}} {
		w := newWorker(t, ctx, zmq.REP, sec)
		must(t, w.SetIpv6(true))
		w.dialIn(t, "tcp://"+way[1]+":"+back)
		w.serve(t, echo)
		c := newClient(t, ctx, zmq.REQ, sec, "")
		must(t, c.SetIpv6(true))
		must(t, c.Connect("tcp://"+way[0]+":"+port))
		ask(t, c)
		c.close()
	}
}
