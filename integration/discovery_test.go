package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/internal/dnstest"
)

// pods are workers that listen at one port of several addresses, as the pods of a service do.
type pods struct {
	t       *testing.T
	ctx     *zmq.Context
	sec     security
	port    string
	workers map[string]*socketWorker
}

// podName is what the proxy calls the pod of an address.
func podName(address string) string { return "pod-" + address }

func newPods(t *testing.T, addresses ...string) *pods {
	t.Helper()
	p := &pods{t: t, ctx: newContext(t), sec: newSecurity(t, "NULL"), port: "*", workers: map[string]*socketWorker{}}
	for _, a := range addresses {
		p.add(a)
	}
	return p
}

// add starts a pod that answers with its name.
func (p *pods) add(address string) {
	p.t.Helper()
	w := newWorker(p.t, p.ctx, zmq.ROUTER, p.sec)
	at := w.listen(p.t, fmt.Sprintf("tcp://%s:%s", address, p.port))
	p.port = at[strings.LastIndex(at, ":")+1:]
	name := []byte(podName(address))
	w.serve(p.t, func(m frames) frames { return append(m[:len(m)-1:len(m)-1], name) })
	p.workers[address] = w
}

// come has so many clients come, and counts at which pod each is.
func (p *pods) come(clients int, frontend string) map[string]int {
	p.t.Helper()
	at := map[string]int{}
	var all []*socket
	for range clients {
		c := newClient(p.t, p.ctx, zmq.REQ, p.sec, "")
		must(p.t, c.Connect(frontend))
		c.send(p.t, "who")
		all = append(all, c)
	}
	for _, c := range all {
		at[c.recv(p.t)[0]]++
	}
	return at
}

func (p *pods) expect(at map[string]int, want map[string]int) {
	p.t.Helper()
	if !maps.Equal(at, want) {
		p.t.Errorf("the clients are at %v, not %v", at, want)
	}
}

// startDiscovering has a proxy look its workers up, and a client of its control socket.
func startDiscovering(t *testing.T, flags ...string) (*operated, *client.Client) {
	t.Helper()
	endpoint := wildcard(t, "ipc")
	p := startOperated(t, append(flags, "--frontend", "tcp://127.0.0.1:0", "--control", endpoint)...)
	c, err := client.Dial(t.Context(), endpoint, nil)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return p, c
}

// workers are those that the proxy knows, by state.
func workers(t *testing.T, c *client.Client) map[string]string {
	t.Helper()
	all := map[string]string{}
	for w, err := range c.Pool("").Workers(t.Context(), client.Filter{}) {
		must(t, err)
		all[w.Worker] = w.State
	}
	return all
}

func finderOf(t *testing.T, c *client.Client) wire.FinderInfo {
	t.Helper()
	all, err := c.Pool("").Finders(t.Context())
	must(t, err)
	if len(all) > 1 {
		t.Fatalf("%d finders", len(all))
	}
	return append(all, wire.FinderInfo{})[0] // none yet: they are put in force beside the start
}

// TestPodsOfAName has a DNS server name pods: each of them has its share of the clients, one that comes is used, one that
// goes keeps its clients and gets no others.
func TestPodsOfAName(t *testing.T) {
	const a, b, c, d = "127.0.0.31", "127.0.0.32", "127.0.0.33", "127.0.0.34"
	ps := newPods(t, a, b, c)
	dns := dnstest.Start(t)
	dns.SetAddresses("orders.streamq.test", a, b, c)
	p, ctl := startDiscovering(t, "--nameserver", dns.Address(), "--worker", "pod=tcp://orders.streamq.test:"+ps.port+",resolve=a,interval=1s")
	eventually(t, "the pods are known", func() bool { return len(workers(t, ctl)) == 3 })
	ps.expect(ps.come(90, p.frontend[0]), map[string]int{podName(a): 30, podName(b): 30, podName(c): 30})

	ps.add(d)
	dns.SetAddresses("orders.streamq.test", a, b, c, d)
	eventually(t, "the new pod is known", func() bool { return workers(t, ctl)[podName(d)] == "ready" })
	ps.expect(ps.come(30, p.frontend[0]), map[string]int{podName(d): 30})

	dns.SetAddresses("orders.streamq.test", b, c, d)
	eventually(t, "the pod that goes is drained", func() bool { return workers(t, ctl)[podName(a)] == "draining" })
	ps.expect(ps.come(30, p.frontend[0]), map[string]int{podName(b): 10, podName(c): 10, podName(d): 10})
	s := p.scrape(t)
	if n := s.of(t, "worker_pairs", "worker="+podName(a)); n != 30 || s.ended() != 0 {
		t.Errorf("the pod that goes has %d clients; ended %v", n, s.ends())
	}
	must(t, ctl.Pool("").KickWorker(t.Context(), podName(a))) // its clients come again, to the others
	eventually(t, "the pod is forgotten when its last client has gone", func() bool { return workers(t, ctl)[podName(a)] == "" })
}

// TestBadDNSChangesNothing has the DNS server be dead, broken, empty and slow: clients are served all the same, by each
// pod, the age of the last good answer is told, and what came meanwhile is seen afterwards.
func TestBadDNSChangesNothing(t *testing.T) {
	t.Parallel()
	const a, b, c = "127.0.0.41", "127.0.0.42", "127.0.0.43"
	ps := newPods(t, a, b, c)
	dns := dnstest.Start(t)
	dns.SetAddresses("orders.streamq.test", a, b)
	p, ctl := startDiscovering(t, "--nameserver", dns.Address(), "--worker", "pod=tcp://orders.streamq.test:"+ps.port+",resolve=a,interval=1s")
	eventually(t, "the pods are known", func() bool { return len(workers(t, ctl)) == 2 })
	if s := finderOf(t, ctl); s.Age == nil || s.Workers != 2 || s.Error != "" || s.Finder != "pod" || s.Kind != "a" {
		t.Errorf("%+v", s)
	}
	for mode, what := range map[dnstest.Mode]string{dnstest.Silent: "timeout", dnstest.Broken: "misbehaving", dnstest.Empty: "no such name"} {
		before := finderOf(t, ctl).Failed
		dns.SetMode(mode)
		eventually(t, "the failure is told: "+what, func() bool {
			s := finderOf(t, ctl)
			return s.Failed > before && strings.Contains(s.Error, what) && s.Age.Duration() > time.Second && s.Workers == 2
		})
		ps.expect(ps.come(10, p.frontend[0]), map[string]int{podName(a): 5, podName(b): 5})
	}
	age := `streamq_finder_age_seconds{finder="pod",kind="a",pool="default"}`
	if got := p.scrape(t)[age]; got < 1 {
		t.Errorf("an age of %v", got)
	}
	dns.SetAddresses("orders.streamq.test", a, b, c)
	dns.SetDelay(2 * time.Second)
	dns.SetMode(dnstest.Good)
	eventually(t, "the slow answer has come", func() bool { return workers(t, ctl)[podName(c)] == "ready" })
	if got := workers(t, ctl); len(got) != 3 {
		t.Errorf("the workers are %v", got)
	}
}

// TestServicesHaveWeights has SRV records say where pods are, and how much each gets.
func TestServicesHaveWeights(t *testing.T) {
	const a, b = "127.0.0.51", "127.0.0.52"
	ps := newPods(t, a, b)
	dns := dnstest.Start(t)
	dns.SetAddresses("a.streamq.test", a)
	dns.SetAddresses("b.streamq.test", b)
	var port uint16
	_, err := fmt.Sscan(ps.port, &port)
	must(t, err)
	dns.SetServices("_zmtp._tcp.streamq.test",
		dnstest.Service{Weight: 20, Port: port, Target: "a.streamq.test"}, dnstest.Service{Weight: 10, Port: port, Target: "b.streamq.test"})
	p, ctl := startDiscovering(t, "--nameserver", dns.Address(), "--worker", "pod=tcp://_zmtp._tcp.streamq.test,resolve=srv,interval=1s")
	eventually(t, "the pods are known", func() bool { return len(workers(t, ctl)) == 2 })
	ps.expect(ps.come(30, p.frontend[0]), map[string]int{podName(a): 20, podName(b): 10})
	if got := workers(t, ctl); got[podName(a)+":"+ps.port] != "ready" {
		t.Errorf("the workers are %v", got)
	}
	dns.SetServices("_zmtp._tcp.streamq.test",
		dnstest.Service{Weight: 20, Port: port, Target: "a.streamq.test"}, dnstest.Service{Weight: 80, Port: port, Target: "b.streamq.test"})
	weight := fmt.Sprintf(`streamq_worker_weight{pool="default",worker="%s:%s"}`, podName(b), ps.port)
	p.until(t, "the weight has changed", func(s samples) bool { return s[weight] == 80 })
	ps.expect(ps.come(70, p.frontend[0]), map[string]int{podName(b): 70})
}

// TestWorkersOfAFile has a file name the workers: one that is added is used, a mistake changes nothing, and a list that
// is empty means it.
func TestWorkersOfAFile(t *testing.T) {
	const a, b = "127.0.0.61", "127.0.0.62"
	ps := newPods(t, a, b)
	file := filepath.Join(t.TempDir(), "workers.yaml")
	write := func(text string) {
		t.Helper()
		must(t, os.WriteFile(file+".new", []byte(text), 0o600))
		must(t, os.Rename(file+".new", file))
	}
	line := func(address string) string {
		return fmt.Sprintf("- {name: %s, endpoint: 'tcp://%s:%s'}\n", podName(address), address, ps.port)
	}
	p, ctl := startDiscovering(t, "--workers-file", file)
	eventually(t, "the file is missed", func() bool { s := finderOf(t, ctl); return s.Error != "" && s.Age == nil })
	write(line(a))
	eventually(t, "the worker is known", func() bool { return workers(t, ctl)[podName(a)] == "ready" })
	ps.expect(ps.come(10, p.frontend[0]), map[string]int{podName(a): 10})
	write(line(a) + line(b))
	eventually(t, "the second is known", func() bool { return workers(t, ctl)[podName(b)] == "ready" })
	ps.expect(ps.come(10, p.frontend[0]), map[string]int{podName(b): 10})
	write(line(a) + "- nonsense")
	eventually(t, "the mistake is told", func() bool { return strings.Contains(finderOf(t, ctl).Error, "workers.yaml:2:") })
	ps.expect(ps.come(10, p.frontend[0]), map[string]int{podName(a): 5, podName(b): 5})
	write("[]")
	eventually(t, "both are drained", func() bool {
		all := workers(t, ctl)
		return all[podName(a)] == "draining" && all[podName(b)] == "draining"
	})
}
