package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
)

// twoPorts is a proxy with two pools, whose workers are the same: each of them listens at two ports.
type twoPorts struct {
	t         *testing.T
	ctx       *zmq.Context
	sec       security
	control   *client.Client
	frontends [2]string
	workers   [2]*named
}

const twoPortWorkers = 3

func newTwoPorts(t *testing.T, setting string) *twoPorts {
	t.Helper()
	p := &twoPorts{t: t, ctx: newContext(t), sec: newSecurity(t, "NULL")}
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	text := "pools:\n"
	for i, name := range []string{"a", "b"} {
		ws := newNamed(t, p.ctx, p.sec, twoPortWorkers, 1)
		text += fmt.Sprintf("  - name: %s\n    frontend: ['tcp://127.0.0.1:0']\n    policy: random\n    affinity: source-address\n%s    workers:\n", name, setting)
		for _, w := range ws.configs() {
			text += fmt.Sprintf("      - {name: %s, endpoint: '%s'}\n", w.Name, w.Endpoint)
		}
		p.workers[i] = ws
	}
	must(t, os.WriteFile(file, []byte(text), 0o600))
	at := wildcard(t, "ipc")
	startProxy(t, "--config", file, "--control", at, "--access-log=false")
	for _, ws := range p.workers {
		ws.serve()
	}
	p.control = dialControl(t, at)
	pools, err := p.control.Pools(t.Context())
	must(t, err)
	for i := range p.frontends {
		p.frontends[i] = strings.TrimPrefix(pools[i].Frontend[0], "tcp://")
	}
	return p
}

// come has clients come from an address each, to both ports at once.
func (p *twoPorts) come(n int) (all [][2]*socket) { return p.comeTo(p.frontends, n) }

func (p *twoPorts) comeTo(frontends [2]string, n int) (all [][2]*socket) {
	p.t.Helper()
	for i := range n {
		var both [2]*socket
		for x, port := range frontends {
			both[x] = newClient(p.t, p.ctx, zmq.REQ, p.sec, "")
			must(p.t, both[x].SetReqRelaxed(1))
			must(p.t, both[x].SetReqCorrelate(1))
			must(p.t, both[x].Connect(fmt.Sprintf("tcp://127.0.2.%d:0;%s", i+1, port)))
		}
		all = append(all, both)
	}
	return all
}

// agreed counts the clients that have the same worker at both ports, and where they are at the first.
func (p *twoPorts) agreed(all [][2]*socket) (agree int, at map[string]int) {
	p.t.Helper()
	at = map[string]int{}
	for _, both := range all {
		for _, c := range both {
			c.send(p.t, "who?")
		}
	}
	for _, both := range all {
		first, second := both[0].recv(p.t)[0], both[1].recv(p.t)[0]
		at[first]++
		if first == second {
			agree++
		}
	}
	return agree, at
}

// TestGroup has 50 clients with two ports each: in a group each has the same worker at both, also after one of the workers has
// gone; without it about a third has, by chance.
func TestGroup(t *testing.T) {
	const n = 50
	for _, grouped := range []bool{true, false} {
		t.Run(fmt.Sprint(grouped), func(t *testing.T) {
			t.Parallel()
			setting := ""
			if grouped {
				setting = "    group: both\n"
			}
			p := newTwoPorts(t, setting)
			all := p.come(n)
			agree, at := p.agreed(all)
			t.Logf("group %v: %d of %d agree, %v", grouped, agree, n, at)
			if grouped && agree != n || !grouped && agree > n*3/5 {
				t.Errorf("%d of %d agree", agree, n)
			}
			if !grouped {
				return
			}
			for _, pool := range []string{"a", "b"} {
				must(t, p.control.Pool(pool).Maint(t.Context(), "w1"))
			}
			eventually(t, "all are back", func() bool {
				s, err := p.control.Status(t.Context())
				must(t, err)
				return s.Pairs == 2*n
			})
			agree, after := p.agreed(all)
			t.Logf("without w1: %d of %d agree, %v", agree, n, after)
			if agree != n || after["w1"] > 0 || after["w0"] < at["w0"] {
				t.Errorf("without a worker %d of %d agree, at %v", agree, n, after)
			}
		})
	}
}

// balanced is HAProxy beside, with the same workers behind two ports and a hash of the client's address.
func (p *twoPorts) balanced() (h *haproxy, frontends [2]string) {
	p.t.Helper()
	sections := ""
	for i, ws := range p.workers {
		frontends[i] = freeAddress(p.t)
		sections += fmt.Sprintf("listen %s\n    bind %s\n    balance source\n    retries 0\n    default-server check inter 200 fall 1 rise 1\n", "ab"[i:i+1], frontends[i])
		for _, w := range ws.configs() {
			sections += fmt.Sprintf("    server %s %s\n", w.Name, strings.TrimPrefix(w.Endpoint, "tcp://"))
		}
	}
	return startHAProxy(p.t, "", sections), frontends
}

// again counts as agreed does, while connections may still be coming anew: who has no answer asks again.
func (p *twoPorts) again(all [][2]*socket) (agree int, at map[string]int) {
	p.t.Helper()
	at = map[string]int{}
	for _, both := range all {
		var names [2]string
		for x, c := range both {
			must(p.t, c.SetRcvtimeo(300*time.Millisecond))
			eventually(p.t, "an answer", func() bool {
				c.send(p.t, "who?")
				m, err := c.RecvMessage(0)
				if err == nil {
					names[x] = m[0]
				}
				return err == nil
			})
		}
		at[names[0]]++
		if names[0] == names[1] {
			agree++
		}
	}
	return agree, at
}

// TestGroupBesideHAProxy has 50 clients with an address each come to two ports of a group, and of HAProxy with `balance
// source`: by both each has the same worker at both ports, also when a worker has died at both. Without a group a third
// has, by chance, see TestGroup.
func TestGroupBesideHAProxy(t *testing.T) {
	t.Parallel()
	const n = 50
	p := newTwoPorts(t, "    group: both\n")
	h, frontends := p.balanced()
	ways := map[string][][2]*socket{"the proxy": p.come(n), "HAProxy": p.comeTo(frontends, n)}
	expect := func(when string, spared string) {
		for name, all := range ways {
			agree, at := p.again(all)
			t.Logf("%s, %s: %d of %d agree, %v", name, when, agree, n, at)
			if agree != n || at[spared] > 0 || len(at) < 2 {
				t.Errorf("%s, %s: %d of %d agree, at %v", name, when, agree, n, at)
			}
		}
	}
	expect("with all workers", "")
	for _, ws := range p.workers {
		ws.stop["w1"]()
	}
	for _, pool := range []string{"a", "b"} {
		eventually(t, "HAProxy knows that it has gone", func() bool { return h.status(t, pool, "w1") == "DOWN" })
	}
	expect("without w1", "w1")
}
