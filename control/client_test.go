package control

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
)

// gather reads a list to its end.
func gather[T any](t *testing.T, list iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for one, err := range list {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// good fails the test when any call did.
func good(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Every verb has a method, and every method is understood.
func TestClientSaysEveryVerb(t *testing.T) {
	r := newRig(t, nil)
	c, ctx := r.dial(), r.context()
	testClientSees(t, r, c)
	testClientSteers(t, r, c)
	testClientOpensDoors(ctx, t, c.Pool(""))
	for _, f := range []func(context.Context) error{c.Pause, c.Resume, c.Reload, c.Upgrade, c.Terminate} {
		good(t, f(ctx))
	}
	good(t, c.Shutdown(ctx, 3*time.Second), c.Shutdown(ctx, -1), c.SetLogLevel(ctx, slog.LevelWarn))
	good(t, c.LameDuck(ctx, true), c.LameDuck(ctx, false, "default"))
	if l, err := c.LogLevel(ctx); l != slog.LevelWarn || err != nil {
		t.Errorf("level %v, %v", l, err)
	}
	r.mutex.Lock()
	if !slices.Equal(r.shutdowns, []time.Duration{0, 3 * time.Second, -1}) || r.reloads != 1 {
		t.Errorf("shutdowns %v, %d reloads", r.shutdowns, r.reloads)
	}
	r.mutex.Unlock()
	said := map[string]bool{}
	for _, n := range r.server.Stats().Requests {
		if n.Code < wire.Malformed {
			said[n.Verb] = true
		}
	}
	for _, v := range Verbs() {
		if !said[v.Name] {
			t.Errorf("no method has said %s", v.Name)
		}
	}
}

// testClientSees has what lists and what tells of one thing.
func testClientSees(t *testing.T, r *rig, c *client.Client) {
	ctx, pool := r.context(), c.Pool("default")
	own, worker := r.pair()
	at := own.LocalAddr().String()
	lease, err := c.Hello(ctx, client.Hello{Identity: "ann", Endpoint: at, Prefer: []string{"w1"}})
	if lease.Worker != "127.0.0.1" || err != nil {
		t.Errorf("%+v, %v", lease, err)
	}
	_, err = c.Heartbeat(ctx, "ann")
	good(t, err)
	if k, err := c.Whois(ctx, worker.LocalAddr().String(), ""); k.Identity != "ann" || k.Client != at || err != nil {
		t.Errorf("%+v, %v", k, err)
	}
	if v, err := c.Version(ctx); v.Version != "test" || err != nil {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := c.Verbs(ctx); len(v) != len(Verbs()) || v[0].Name != "PING" || v[len(v)-1].Level != wire.Operator || err != nil {
		t.Errorf("%+v, %v", v, err)
	}
	if s, err := c.Status(ctx); s.Pairs != 1 || len(s.Pools) != 1 || s.Pools[0].Identities != 1 || !s.Pools[0].Usable || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	frontend, _ := r.pool.Bound()
	if p, err := c.Pools(ctx); len(p) != 1 || p[0].Pool != "default" || !slices.Equal(p[0].Frontend, frontend) || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if s, err := c.Statistics(ctx); s.In.Bytes != uint64(len(nullPeer())) || s.Out.Chunks == 0 || err != nil {
		t.Errorf("%+v %v", s, err)
	}
	if w := gather(t, pool.Workers(ctx, client.Filter{State: "ready"})); len(w) != 1 || w[0].Worker != "127.0.0.1" || w[0].Pairs != 1 {
		t.Errorf("%+v", w)
	}
	if all := gather(t, pool.Clients(ctx, client.Filter{Client: "ann"})); len(all) != 1 || all[0].Client != at || all[0].State != "open" {
		t.Errorf("%+v", all)
	}
	if all := gather(t, pool.Pairs(ctx, client.Filter{Worker: "127.0.0.1"})); len(all) != 1 || all[0].Identity != "ann" || all[0].Rule != "policy" {
		t.Errorf("%+v", all)
	}
	if s, err := pool.Finders(ctx); s == nil || len(s) != 0 || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if p, err := c.Proxies(ctx); len(p) != 1 || !p[0].Here || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if f, err := pool.Failing(ctx, 3); f.Addresses != 0 || f.Failing == nil || err != nil {
		t.Errorf("%+v, %v", f, err)
	}
	x, err := pool.Explain(ctx, at)
	if x.Identity != "ann" || x.Worker != "127.0.0.1" || !slices.Equal(x.Prefer, []string{"w1"}) || err != nil {
		t.Errorf("%+v, %v", x, err)
	}
	enough := errors.New("enough")
	events, stop := context.WithCancelCause(ctx)
	err = c.Events(events, nil, func() { stop(enough) }, func(wire.Event) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Events: %v", err)
	}
	good(t, c.Bye(ctx, "ann"))
	ended(t, own)
}

// testClientSteers has what changes something in a pool.
func testClientSteers(t *testing.T, r *rig, c *client.Client) {
	ctx, pool := r.context(), c.Pool("")
	good(t, pool.Hint(ctx, client.Hint{Identity: "bob", Address: "10.0.0.9", Prefer: []string{"w1", "w2"}}), pool.Pin(ctx, "bob", "w3", "w4"))
	hints := gather(t, pool.Hints(ctx, "bob"))
	if len(hints) != 3 || !hints[0].Pinned || !slices.Equal(hints[1].Prefer, []string{"w1", "w2"}) || hints[2].Address != "10.0.0.9" ||
		hints[2].Left.Duration() <= 0 {
		t.Errorf("%+v", hints)
	}
	good(t, pool.Unpin(ctx, "bob"), pool.Unhint(ctx, "bob"))

	listening := client.Worker{Name: "w1", Endpoint: r.listening("w1").Endpoint, Weight: 2, MaxPairs: 5, MaxHandshakes: 3, Source: "127.0.0.1,127.0.0.2"}
	good(t, pool.Add(ctx, listening))
	if w := r.snapshot().Workers; len(w) != 1 || w[0].Weight != 2 || w[0].MaxPairs != 5 || w[0].MaxHandshakes != 3 || w[0].Source != listening.Source || w[0].Endpoint != listening.Endpoint {
		t.Errorf("%+v", w)
	}
	if err := pool.Add(ctx, listening); wire.CodeOf(err) != wire.Conflict {
		t.Errorf("added twice: %v", err)
	}
	good(t, pool.Weight(ctx, "w1", 7), pool.MaxConn(ctx, "w1", 9))
	if w := r.snapshot().Workers[0]; w.Weight != 7 || w.MaxPairs != 9 {
		t.Errorf("%+v", w)
	}
	testClientRebalances(t, r, c)
	kicked := func(f func(context.Context, string) ([]wire.ClientInfo, error)) {
		t.Helper()
		client := r.client()
		greet(t, client)
		eventually(t, "it is served", func() bool { return r.snapshot().Stats.Open == 1 })
		all, err := f(ctx, client.LocalAddr().String())
		if len(all) != 1 || all[0].Worker != "w1" || err != nil {
			t.Errorf("%+v, %v", all, err)
		}
		ended(t, client)
	}
	kicked(pool.KickClient)
	kicked(pool.KickPair)
	kicked(func(ctx context.Context, _ string) ([]wire.ClientInfo, error) {
		left, err := pool.Drain(ctx, "w1")
		if left != 1 {
			t.Errorf("%d are left", left)
		}
		all := gather(t, pool.Clients(ctx, client.Filter{}))
		return all, errors.Join(err, pool.KickWorker(ctx, "w1"))
	})
	good(t, pool.Maint(ctx, "w1"))
	if w := r.snapshot().Workers[0]; w.State != pairing.Maintenance {
		t.Errorf("%+v", w)
	}
	good(t, pool.Enable(ctx, "w1"), pool.Remove(ctx, "w1"))
	if w := r.snapshot().Workers; len(w) != 0 {
		t.Errorf("%+v", w)
	}
}

// A list is read to its end, page by page, and no further than its reader wants.
func TestClientTurnsPages(t *testing.T) {
	r := newRig(t, nil)
	c, ctx := r.dial(), r.context()
	pool := c.Pool("")
	const n = 2*wire.MaxPage + 1
	for i := range n {
		good(t, r.pool.Hint(ctx, pairing.Hint{Identity: "i" + strconv.Itoa(i)}))
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("i", i))
	}
	asked := func() (asked uint64) {
		for _, one := range r.server.Stats().Requests {
			if one.Verb == "HINTS" {
				asked += one.Count
			}
		}
		return asked
	}
	var got []string
	for _, h := range gather(t, pool.Hints(ctx, "")) {
		got = append(got, h.Identity)
	}
	if !slices.Equal(got, want) || asked() != 3 {
		t.Errorf("%d hints by %d pages", len(got), asked())
	}
	next, stop := iter.Pull2(pool.Hints(ctx, ""))
	if h, err, _ := next(); h.Identity != want[0] || err != nil {
		t.Errorf("the first is %+v, %v", h, err)
	}
	stop()
	if asked() != 4 {
		t.Errorf("%d pages for the first hint", asked()-3)
	}
}

func TestClientErrors(t *testing.T) {
	r := newRig(t, nil)
	c, ctx := r.dial(), r.context()
	rows, failures := 0, 0
	for _, err := range c.Pool("nowhere").Clients(ctx, client.Filter{}) {
		if rows++; wire.CodeOf(err) == wire.NotFound {
			failures++
		}
	}
	if rows != 1 || failures != 1 {
		t.Errorf("a list of an unknown pool has %d rows and %d errors", rows, failures)
	}
	var refused *wire.Error
	if err := c.Pool("").Weight(ctx, "nobody", 1); !errors.As(err, &refused) || refused.Code != wire.NotFound || !strings.Contains(refused.Text, "nobody") {
		t.Errorf("%v", err)
	}
	if _, err := c.Pool("").Drain(ctx, "nobody"); wire.CodeOf(err) != wire.NotFound {
		t.Errorf("%v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Status(over); !errors.Is(err, client.ErrNoAnswer) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	c.Close()
	if _, err := c.Status(ctx); !errors.Is(err, client.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func testClientOpensDoors(ctx context.Context, t *testing.T, p *client.Pool) {
	t.Helper()
	d, err := p.Door(ctx, "dora", "", 2*time.Hour)
	if err != nil || d.Identity != "dora" || d.Left == nil || *d.Left < 7000 {
		t.Errorf("%+v, %v", d, err)
	}
	all, err := p.Doors(ctx)
	if err != nil || len(all.Doors) != 1 || !slices.Equal(all.Doors[0].Endpoints, d.Endpoints) {
		t.Errorf("%+v, %v", all, err)
	}
	good(t, p.CloseDoor(ctx, "dora"))
}
