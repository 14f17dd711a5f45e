package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// together are proxies of the same workers that remember together, and by themselves would agree by chance only.
type together struct {
	t       *testing.T
	ctx     *zmq.Context
	sec     security
	workers *named
	store   *sharedtest.Redis
	proxies []*proxy
	control []*client.Client
}

func newTogether(t *testing.T, proxies, workers int, flags ...string) *together {
	t.Helper()
	return newTogetherBy(t, sharedtest.NewRedis(t), proxies, workers, flags...)
}

func newTogetherBy(t *testing.T, store *sharedtest.Redis, proxies, workers int, flags ...string) *together {
	t.Helper()
	f := &together{t: t, ctx: newContext(t), sec: newSecurity(t, "CURVE"), store: store}
	f.workers = newNamed(t, f.ctx, f.sec, workers, 0)
	for _, c := range f.workers.configs() {
		flags = append(flags, "--worker", c.Name+"="+c.Endpoint)
	}
	f.workers.serve()
	for range proxies {
		at := "ipc://" + filepath.Join(shortDir(t), "c")
		f.proxies = append(f.proxies, startProxy(t, append([]string{
			"--frontend", "tcp://127.0.0.1:0", "--control", at, "--policy", "random", "--shared", f.store.URL(), "--access-log=false",
		}, flags...)...))
		f.control = append(f.control, dialControl(t, at))
	}
	for i := range f.proxies {
		f.becomes(i, "up")
	}
	return f
}

// becomes waits until a proxy says that the store is so.
func (f *together) becomes(proxy int, state string) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("proxy %d says that the store is %s", proxy, state), func() bool {
		return f.shared(proxy).State == state
	})
}

type sharedStatus struct {
	State, Error string
	Pending      int
}

func (f *together) shared(proxy int) sharedStatus {
	f.t.Helper()
	var status struct{ Shared sharedStatus }
	say(f.t, f.control[proxy], &status, "STATUS")
	return status.Shared
}

// flushed waits until all proxies have told the store all.
func (f *together) flushed() {
	f.t.Helper()
	for i := range f.proxies {
		eventually(f.t, "all is told", func() bool { return f.shared(i).Pending == 0 })
	}
}

// address is the source of somebody's connections.
func address(who int) string { return fmt.Sprintf("127.1.%d.%d", who/200, 1+who%200) }

func (f *together) connect(who, proxy int) *socket {
	f.t.Helper()
	s := newClient(f.t, f.ctx, zmq.REQ, f.sec, "")
	must(f.t, s.SetReqRelaxed(1))
	must(f.t, s.SetReqCorrelate(1))
	must(f.t, s.Connect(f.at(who, proxy)))
	return s
}

func (f *together) at(who, proxy int) string {
	return "tcp://" + address(who) + ":0;" + strings.TrimPrefix(f.proxies[proxy].frontend[0], "tcp://")
}

// visit has an identity connect through a proxy, and says which worker it has there.
func (f *together) visit(who, proxy int) string {
	f.t.Helper()
	say(f.t, f.control[proxy], nil, "HINT", fmt.Sprint("client-", who), "address="+address(who))
	s := f.connect(who, proxy)
	defer s.close()
	return ask(f.t, s)
}

// TestSharedWorkers has 300 identities come through a random one of three proxies each time, while workers go and come
// back: each has the worker that it had last, through whichever proxy, as long as that one lives.
func TestSharedWorkers(t *testing.T) {
	f := newTogether(t, 3, 5, "--shared-wait", "10s", "--retry-max", "1s")
	has, seen := make([]string, 300), map[string]int{}
	round := func(what string, lost string) {
		t.Helper()
		begun, moved := time.Now(), 0
		for who := range has {
			is := f.visit(who, rand.IntN(3))
			switch {
			case has[who] == lost && is != lost:
				moved++
				has[who] = is
			case is != has[who]:
				t.Errorf("%s: client %d had %s, and has %s", what, who, has[who], is)
			}
		}
		f.flushed()
		t.Logf("%s: %d of %d have another worker, after %v", what, moved, len(has), time.Since(begun))
	}
	round("at first", "")
	for _, w := range has {
		seen[w]++
	}
	if len(seen) != 5 {
		t.Fatalf("they are at %v", seen)
	}
	round("again", "nowhere")
	f.workers.stop["w0"]()
	f.workers.gone("w0")
	round("without w0", "w0")
	f.workers.restart(0)
	for i := range f.proxies {
		eventually(t, "w0 is back", func() bool {
			var page struct{ Workers []struct{ State string } }
			say(t, f.control[i], &page, "WORKERS", "worker=w0")
			return page.Workers[0].State == "ready"
		})
	}
	round("with w0", "nowhere")
	if slices.Contains(has, "w0") {
		t.Error("somebody has w0 who had another one, which lives")
	}
}

// TestSharedNames has operators say at one of three proxies who the next client from an address is, and which worker it
// prefers; it comes through another one, has that worker there, and whoever comes from there next has no name. With a name
// required, it may be said when the client is there already.
func TestSharedNames(t *testing.T) {
	named := func(f *together, proxy int) (names []string) {
		t.Helper()
		var page struct{ Clients []struct{ Identity string } }
		say(t, f.control[proxy], &page, "CLIENTS")
		for _, c := range page.Clients {
			names = append(names, c.Identity)
		}
		return names
	}
	t.Run("before", func(t *testing.T) {
		f := newTogether(t, 3, 5, "--shared-wait", "10s")
		for who := range 30 {
			worker, said, through := fmt.Sprint("w", who%5), who%3, (who+1+who%2)%3
			say(t, f.control[said], nil, "HINT", fmt.Sprint("client-", who), "address="+address(who), "prefer="+worker)
			s := f.connect(who, through)
			if has := ask(t, s); has != worker {
				t.Errorf("client %d has %s, and prefers %s", who, has, worker)
			}
			if names := named(f, through); !slices.Contains(names, fmt.Sprint("client-", who)) {
				t.Errorf("client %d is none of %q", who, names)
			}
			for proxy := range f.proxies { // where it was said, too
				next := f.connect(who, proxy)
				ask(t, next)
				if names := named(f, proxy); !slices.Contains(names, "") {
					t.Errorf("somebody else has the name of client %d: %q", who, names)
				}
				next.close()
			}
			s.close()
			for proxy := range f.proxies {
				eventually(t, "all have gone", func() bool { return len(named(f, proxy)) == 0 })
			}
		}
	})
	t.Run("after", func(t *testing.T) {
		f := newTogether(t, 2, 5, "--shared-wait", "10s", "--require-hello", "--hint-wait", "29s")
		for who := range 4 {
			worker := fmt.Sprint("w", who)
			s := f.connect(who, who%2)
			eventually(t, "it is there", func() bool { return len(named(f, who%2)) == 1 })
			say(t, f.control[1-who%2], nil, "HINT", fmt.Sprint("client-", who), "address="+address(who), "prefer="+worker)
			if has := ask(t, s); has != worker {
				t.Errorf("client %d has %s, and prefers %s", who, has, worker)
			}
			s.close()
			eventually(t, "it has gone", func() bool { return len(named(f, who%2)) == 0 })
		}
	})
}

// TestSharedLoads has clients be given workers by how many pairs these have at all proxies: who has many elsewhere gets
// nobody until others have as many, and who has them at a proxy that was killed counts as if it had none.
func TestSharedLoads(t *testing.T) {
	f := newTogether(t, 2, 3, "--policy", "least-connections")
	elsewhere := func(worker string) (n int) {
		t.Helper()
		var page struct{ Workers []struct{ Elsewhere int } }
		say(t, f.control[1], &page, "WORKERS", "worker="+worker)
		return page.Workers[0].Elsewhere
	}
	const many = 6
	for who := range many {
		say(t, f.control[0], nil, "HINT", fmt.Sprint("client-", who), "address="+address(who), "prefer=w0")
		if has := ask(t, f.connect(who, 0)); has != "w0" {
			t.Fatalf("client %d has %s", who, has)
		}
	}
	eventually(t, "the other proxy knows", func() bool { return elsewhere("w0") == many })
	seen := map[string]int{}
	for who := range 2 * many {
		seen[ask(t, f.connect(100+who, 1))]++
	}
	if seen["w0"] != 0 || seen["w1"] != many || seen["w2"] != many {
		t.Errorf("with %d pairs of w0 elsewhere clients are at %v", many, seen)
	}
	f.proxies[0].kill(t)
	eventually(t, "what a proxy told that has gone does not count", func() bool { return elsewhere("w0") == 0 })
	for who := range many {
		if has := ask(t, f.connect(200+who, 1)); has != "w0" {
			t.Errorf("client %d has %s, and w0 has least", who, has)
		}
	}
}

// outage is what happens to a store, and its end.
type outage struct {
	store      *sharedtest.Redis
	begin, end func()
}

// TestSharedStoreFails has a store be killed, stopped, filled, and cut off by its network: pairs stay, clients are served meanwhile, each by its
// worker where it has been before, and what has happened meanwhile is known to all when the store is back.
func TestSharedStoreFails(t *testing.T) {
	here := func(begin, end func(*sharedtest.Redis)) func(t *testing.T) outage {
		return func(t *testing.T) outage {
			store := sharedtest.NewRedis(t)
			return outage{store, func() { begin(store) }, func() { end(store) }}
		}
	}
	for _, failure := range []struct {
		name  string
		of    func(t *testing.T) outage
		state string
		told  string // once each time: on a busy machine the store may be late at other times, too
	}{
		{"killed", here((*sharedtest.Redis).Kill, (*sharedtest.Redis).Start), "down", "shared: the store does not answer"},
		{"stopped", here((*sharedtest.Redis).Stop, (*sharedtest.Redis).Go), "down", "shared: the store does not answer"},
		{"full", here((*sharedtest.Redis).Fill, (*sharedtest.Redis).Free), "refusing", "shared: the store takes no writes"},
		{"partitioned", func(t *testing.T) outage {
			h := newHost(t)
			store := sharedtest.NewRedisAt(t, h.far, []string{"ip", "netns", "exec", h.name})
			return outage{store, func() { h.cut(t) }, func() { h.mend(t) }}
		}, "down", "shared: the store does not answer"},
	} {
		t.Run(failure.name, func(t *testing.T) {
			fails := failure.of(t)
			f := newTogetherBy(t, fails.store, 2, 3, "--shared-wait", "2s")
			const before, meanwhile = 20, 10
			has := make([]string, before+meanwhile)
			var open []*socket
			for i := range 6 { // of others
				s := f.connect(1000+i, i%2)
				open = append(open, s)
				ask(t, s)
			}
			pairs := make([]string, len(open))
			for i, s := range open {
				pairs[i] = ask(t, s)
			}
			for who := range before {
				has[who] = f.visit(who, who%2)
			}
			f.flushed()
			fails.begin()
			longest := time.Duration(0)
			for who := range has { // the first of them before it is known that something is wrong
				begun := time.Now()
				is := f.visit(who, who%2)
				longest = max(longest, time.Since(begun))
				if has[who] != "" && is != has[who] {
					t.Errorf("client %d had %s, and has %s where it has been", who, has[who], is)
				}
				has[who] = is
			}
			t.Logf("no visit took longer than %v", longest)
			for i := range f.proxies {
				f.becomes(i, failure.state)
				if s := f.shared(i); s.Error == "" {
					t.Errorf("proxy %d does not say why: %+v", i, s)
				}
			}
			fails.end()
			for i := range f.proxies {
				f.becomes(i, "up")
			}
			f.flushed()
			for i, s := range open {
				if is := ask(t, s); is != pairs[i] {
					t.Errorf("a pair with %s is one with %s", pairs[i], is)
				}
			}
			for who := before; who < len(has); who++ { // who was new
				if is := f.visit(who, (who+1)%2); is != has[who] {
					t.Errorf("client %d had %s, and has %s where it has not been", who, has[who], is)
				}
			}
			for i, p := range f.proxies {
				said := p.said()
				times := strings.Count(said, "shared: the store is back") + strings.Count(said, "shared: the store has lost what it knew")
				if n := strings.Count(said, failure.told); n == 0 || n > times {
					t.Errorf("proxy %d has said %d times %q, and %d times that it is over", i, n, failure.told, times)
				}
			}
		})
	}
}

// TestSharedProxyKilled kills one of three proxies that 300 clients have long-lived pairs through, to whom nobody has said
// who they are: each comes back through another one, and has its worker.
func TestSharedProxyKilled(t *testing.T) {
	f := newTogether(t, 3, 5, "--shared-wait", "10s", "--affinity", "source-address")
	clients, has := make([]*socket, 300), make([]string, 300)
	for who := range clients {
		clients[who] = f.connect(who, 0)
		has[who] = ask(t, clients[who])
	}
	f.flushed()
	f.proxies[0].kill(t)
	begun := time.Now()
	for who, s := range clients {
		must(t, s.Disconnect(f.at(who, 0)))
		must(t, s.Connect(f.at(who, 1+who%2)))
	}
	for who, s := range clients {
		if is := ask(t, s); is != has[who] {
			t.Errorf("client %d had %s, and has %s", who, has[who], is)
		}
	}
	t.Logf("all are back after %v", time.Since(begun))
}

// TestSharedReload has a proxy be told by a reload that others remember, and where, and that they do not any more; clients come
// and go on all the time. A file with a mistake changes nothing.
func TestSharedReload(t *testing.T) {
	f := newTogether(t, 1, 3, "--affinity", "source-address")
	second := sharedtest.NewRedis(t)
	at := "ipc://" + filepath.Join(shortDir(t), "c")
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	write := func(settings string) {
		t.Helper()
		text := settings + "control: {endpoints: [\"" + at + "\"]}\npools:\n- frontend: [\"tcp://127.0.0.1:0\"]\n  policy: random\n  affinity: source-address\n  workers:\n"
		for i, endpoint := range f.workers.endpoints {
			text += fmt.Sprintf("  - {name: w%d, endpoint: \"%s\"}\n", i, endpoint)
		}
		must(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("")
	f.proxies = append(f.proxies, startProxy(t, "--config", file, "--access-log=false"))
	f.control = append(f.control, dialControl(t, at))
	reload := func(settings, state string) {
		t.Helper()
		write(settings)
		say(t, f.control[1], nil, "RELOAD")
		f.becomes(1, state)
	}
	visit := func(who, proxy int) string {
		t.Helper()
		s := f.connect(who, proxy)
		defer s.close()
		return ask(t, s)
	}
	agree := func(from int) (agreed int) {
		t.Helper()
		for who := from; who < from+30; who++ {
			has := visit(who, 0)
			f.flushed()
			if visit(who, 1) == has {
				agreed++
			}
		}
		return agreed
	}
	stays := f.connect(999, 1)
	has := ask(t, stays)
	f.becomes(1, "")
	if n := agree(0); n == 30 {
		t.Error("all have the same worker before anything is remembered together")
	}
	reload("shared: "+f.store.URL()+"\nshared-wait: 10s\n", "up")
	if n := agree(100); n != 30 {
		t.Errorf("%d of 30 have the same worker", n)
	}
	write("shared: nonsense\n")
	if _, err := f.control[1].Do(t.Context(), "RELOAD"); err == nil {
		t.Error("a mistake was taken")
	}
	if n := agree(200); n != 30 {
		t.Errorf("%d of 30 have the same worker after a mistake", n)
	}
	reload("shared: "+second.URL()+"\nshared-wait: 10s\n", "up")
	if n := agree(300); n == 30 {
		t.Error("all have the same worker with two stores")
	}
	eventually(t, "the other store is told who has a worker", func() bool { _, found := second.Get("streamq:p:default:a:" + address(999)); return found })
	reload("", "")
	if is := ask(t, stays); is != has {
		t.Errorf("a pair with %s is one with %s", has, is)
	}
}

// TestSharedUpgrade has a proxy be replaced by another process while the store is stopped, and while it is not: its pairs go on,
// and what they have is known to others afterwards.
func TestSharedUpgrade(t *testing.T) {
	f := newTogether(t, 2, 5, "--shared-wait", "10s", "--affinity", "source-address")
	stays, has := make([]*socket, 10), make([]string, 10)
	for who := range stays {
		stays[who] = f.connect(who, 0)
		has[who] = ask(t, stays[who])
	}
	f.flushed()
	if err := f.store.Do("FLUSHALL").Error(); err != nil { // so that only the successor's words count
		t.Fatal(err)
	}
	f.store.Stop()
	say(t, f.control[0], nil, "UPGRADE")
	f.store.Go()
	eventually(t, "all is told again", func() bool {
		for who := range has {
			if text, _ := f.store.Get("streamq:p:default:a:" + address(who)); text != "1 "+has[who] {
				return false
			}
		}
		return true
	})
	for who, s := range stays {
		if is := ask(t, s); is != has[who] {
			t.Errorf("a pair with %s is one with %s", has[who], is)
		}
		again := f.connect(who, 1)
		if is := ask(t, again); is != has[who] {
			t.Errorf("client %d has %s, and %s through the other proxy", who, has[who], is)
		}
		again.close()
	}
}

// TestSharedProxies has each of three proxies tell of all, with their pairs, and one that was killed be listed no more.
func TestSharedProxies(t *testing.T) {
	f := newTogether(t, 3, 2)
	s := f.connect(1, 1)
	ask(t, s)
	pairs := func() (all []int, here int) {
		list, err := f.control[0].Proxies(t.Context())
		must(t, err)
		for _, p := range list {
			all = append(all, p.Pairs)
			if p.Here {
				here++
			}
			if p.Address != "127.0.0.1" || !slices.Equal(p.Pools, []string{"default"}) || p.Version == "" || p.Up < 0 {
				t.Errorf("one says %+v", p)
			}
		}
		slices.Sort(all)
		return all, here
	}
	eventually(t, "one of three has a pair", func() bool {
		all, here := pairs()
		return slices.Equal(all, []int{0, 0, 1}) && here == 1
	})
	f.proxies[1].kill(t)
	eventually(t, "two are left", func() bool { all, _ := pairs(); return len(all) == 2 })
	f.store.Kill()
	f.becomes(0, "down")
	if _, err := f.control[0].Proxies(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("with the store dead: %v", err)
	}
}
