package pairing

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rig is a table and a clock, for tests that care for a few of its actions.
type rig struct {
	t *testing.T
	*Table
	now  time.Duration
	next PeerID
}

func newRig(t *testing.T, change func(*Config)) *rig {
	cfg := traceConfig()
	cfg.QueueMax, cfg.AffinityMax = 1000, 0
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, Table: New(cfg), next: 1 << 32}
}

func (r *rig) add(c WorkerConfig) {
	r.t.Helper()
	if c.Endpoint == "" {
		c.Endpoint = "tcp://" + c.Name
	}
	if _, err := r.AddWorker(r.now, c); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) set(name string, s State) {
	r.t.Helper()
	if _, err := r.SetWorkerState(r.now, name, s); err != nil {
		r.t.Fatal(err)
	}
}

// connect has a client come and be ready, and returns it and the worker that is
// dialled for it, "" when none is.
func (r *rig) connect() (PeerID, string) {
	r.t.Helper()
	r.next++
	id := r.next
	r.ClientConnected(r.now, id, Origin{Address: "10.0.0.1"}, id)
	for _, a := range r.ClientReady(r.now, id) {
		if a.Op == Dial {
			return id, a.Worker
		}
	}
	return id, ""
}

// pairUp has a client come and be paired with a worker that listens.
func (r *rig) pairUp() (client, worker PeerID, name string) {
	r.t.Helper()
	client, name = r.connect()
	r.next++
	worker = r.next
	if a := r.Dialled(r.now, client, worker, nil); len(a) != 1 || a[0].Op != Join {
		r.t.Fatalf("no pair: %v", a)
	}
	return client, worker, name
}

func (r *rig) leave(ids ...PeerID) {
	for _, id := range ids {
		r.Gone(r.now, id, Closed)
	}
}

func (r *rig) expect(what string, got []Action, want ...string) {
	r.t.Helper()
	var texts []string
	for _, a := range got {
		a.Record = nil
		texts = append(texts, a.text())
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (r *rig) worker(name string) WorkerInfo {
	r.t.Helper()
	all := r.Workers()
	i := slices.IndexFunc(all, func(w WorkerInfo) bool { return w.Name == name })
	if i < 0 {
		r.t.Fatalf("worker %s is not known", name)
	}
	return all[i]
}

func TestHandlesComeBack(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w"})
	r.ClientConnected(0, 1, Origin{}, "client")
	a := r.ClientReady(0, 1)
	if a[0].Conn != "client" {
		t.Errorf("dial has handle %v", a[0].Conn)
	}
	a = r.Dialled(0, 1, 2, "worker")
	if a[0].Conn != "client" || a[0].PartnerConn != "worker" {
		t.Errorf("join has handles %v, %v", a[0].Conn, a[0].PartnerConn)
	}
	if p := r.Peer(1).Partner(); p.ID != 2 || p.Conn != "worker" || p.Client() || p.Partner().ID != 1 {
		t.Errorf("the partner is %+v", p)
	}
	a = r.Gone(0, 1, Closed)
	if a[0].Op != Close || a[0].Conn != "worker" || a[0].PartnerConn != "client" {
		t.Errorf("close is %+v", a[0])
	}
	if r.Peer(1) != nil || r.Peer(2).Partner().Conn != "client" || r.Peer(2).State() != PeerDraining {
		t.Error("the draining pair has lost its gone half")
	}
	a = r.Gone(0, 2, Closed)
	if rec := a[0].Record; rec.ClientConn != "client" || rec.WorkerConn != "worker" {
		t.Errorf("the record has handles %v, %v", rec.ClientConn, rec.WorkerConn)
	}
}

func TestBackOffDoubles(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w"})
	id, _ := r.connect()
	r.DialFailed(r.now, id, "w")
	for _, want := range []time.Duration{1, 2, 4, 8, 8, 8} {
		after := r.worker("w").RetryAt - r.now
		if low, high := want*900*time.Millisecond, want*1100*time.Millisecond; after < low || after > high {
			t.Errorf("probed after %v, not %v to %v", after, low, high)
		}
		r.now += after
		if a := r.Tick(r.now); a[len(a)-1].Op != Probe {
			t.Errorf("no probe after the back-off, but %v", a)
		}
		r.Probed(r.now, "w", false)
	}
	// What an operator says outweighs it.
	r.set("w", Ready)
	if w := r.worker("w"); w.State != Ready || w.RetryAt != 0 {
		t.Errorf("enabled, and %v", w.State)
	}
}

func TestStateOfDialledInWorkerOutlivesItsSlots(t *testing.T) {
	r := newRig(t, nil)
	r.WorkerConnected(0, 1, "w", Origin{}, nil)
	r.WorkerReady(0, 1)
	r.set("w", Draining)
	r.leave(1)
	r.WorkerConnected(0, 2, "w", Origin{}, nil)
	r.WorkerReady(0, 2)
	if s := r.worker("w").State; s != Draining {
		t.Errorf("after its slots were renewed it is %v", s)
	}
	r.set("w", Ready)
	r.leave(2)
	if n := len(r.Workers()); n != 0 {
		t.Errorf("%d workers are left of one that has gone", n)
	}
}

func TestAffinityIsForgotten(t *testing.T) {
	r := newRig(t, func(c *Config) { c.AffinityMax, c.AffinityTTL, c.AffinityBySource = 2, time.Minute, true })
	for _, name := range []string{"a", "b", "c"} {
		r.add(WorkerConfig{Name: name})
	}
	visit := func(address string) string {
		r.next++
		r.ClientConnected(r.now, r.next, Origin{Address: address}, nil)
		a := r.ClientReady(r.now, r.next)
		name, client := a[0].Worker, r.next
		r.next++
		r.Dialled(r.now, client, r.next, nil)
		r.Opened(r.now, client)
		r.leave(client, r.next)
		return name
	}
	first := visit("10.0.0.1")
	for range 5 { // each visit counts anew
		r.now += 50 * time.Second
		if got := visit("10.0.0.1"); got != first {
			t.Errorf("it had %s and got %s", first, got)
		}
	}
	r.now += time.Minute
	if got := visit("10.0.0.1"); got == first {
		t.Error("affinity was kept beyond its time")
	}
	for i := range 5 {
		visit(fmt.Sprint("10.0.1.", i))
	}
	if s := r.Stats(r.now); s.Affinities != 2 || s.ChosenByAffinity != 5 || s.ChosenByPolicy != 7 {
		t.Errorf("%d are remembered; %d were chosen by it, %d by the policy", s.Affinities, s.ChosenByAffinity, s.ChosenByPolicy)
	}
}

func TestUsable(t *testing.T) {
	r := newRig(t, nil)
	want := func(want bool, when string) {
		t.Helper()
		if r.Usable() != want {
			t.Errorf("%s: usable is %v", when, !want)
		}
	}
	want(false, "empty")
	r.add(WorkerConfig{Name: "w", MaxPairs: 1})
	want(true, "a worker")
	c, s, _ := r.pairUp()
	want(true, "busy")
	r.set("w", Draining)
	want(false, "draining")
	r.set("w", Ready)
	r.leave(c, s)
	id, _ := r.connect()
	r.DialFailed(0, id, "w")
	want(false, "set aside")
	r.WorkerConnected(0, 7, "d", Origin{}, nil)
	want(false, "not greeted")
	r.WorkerReady(0, 7)
	want(true, "took the waiting client")
	r.StopWaiting(0, Shutdown)
	want(false, "stopping")
}

// Without a queue it is the want of a worker that a client ends by, unless one is only busy.
func TestNoQueueAndNoWorker(t *testing.T) {
	r := newRig(t, func(c *Config) { c.QueueMax = 0 })
	ends := func(want Reason, when string) {
		t.Helper()
		r.next++
		r.ClientConnected(r.now, r.next, Origin{}, nil)
		for _, a := range r.ClientReady(r.now, r.next) {
			if a.Op == Ended && a.Reason == want {
				return
			}
		}
		t.Errorf("%s: it did not end with %v", when, want)
	}
	ends(NoWorker, "none")
	r.add(WorkerConfig{Name: "w", MaxPairs: 1})
	client, _ := r.connect()
	ends(QueueFull, "one that is busy")
	r.DialFailed(r.now, client, "w")
	ends(NoWorker, "one that is set aside")
	r.set("w", Ready)
	r.set("w", Draining)
	ends(NoWorker, "one that drains")
}

func TestStats(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SlotMaxAge = 100 * time.Second; c.HandshakeTimeout = 0 })
	for i := range 8 {
		r.now = time.Duration(i) * 4 * time.Second
		r.WorkerConnected(r.now, PeerID(i+1), "w", Origin{}, nil)
		r.WorkerReady(r.now, PeerID(i+1))
	}
	r.now = 31 * time.Second
	id, _ := r.connect()
	r.now += time.Second
	r.Opened(r.now, id)
	id2, _ := r.connect()
	r.leave(1)
	r.End(r.now, id2, Kicked)
	s := r.Stats(r.now)
	if want := [NumSlotAges]int{0, 0, 1, 1, 2, 1, 0}; s.SlotAges != want {
		t.Errorf("slot ages %v, not %v", s.SlotAges, want)
	}
	if s.Slots != 5 || s.SlotsClosed != 1 || s.Open != 1 || s.PairsTotal != 2 || s.OpenedTotal != 1 || s.ClientsTotal != 2 || s.Ended[Kicked] != 1 || s.SlotsMade != 8 {
		t.Errorf("%+v", s)
	}
	if s.Handshakes.Count != 1 || s.Handshakes.Sum != time.Second || s.Handshakes.Counts[12] != 1 {
		t.Errorf("handshakes %+v", s.Handshakes)
	}
	r.now = 200 * time.Second
	if r.Tick(r.now); r.Stats(r.now).SlotsRecycled != 5 {
		t.Errorf("%d slots were recycled", r.Stats(r.now).SlotsRecycled)
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	r := newRig(t, nil)
	r.ClientConnected(5*time.Second, 1, Origin{}, nil)
	r.ClientConnected(3*time.Second, 2, Origin{}, nil)
	if c := r.Peer(2).Connected(); c != 5*time.Second {
		t.Errorf("connected at %v", c)
	}
}

func TestJitterSpreads(t *testing.T) {
	const n = 1000
	r := newRig(t, func(c *Config) { c.Lease = Lease{LeaseTTL, 100 * time.Second}; c.SlotMaxAge = 100 * time.Second })
	r.add(WorkerConfig{Name: "l"})
	for range n {
		c, _, _ := r.pairUp()
		r.Opened(0, c)
	}
	for i := range n {
		r.WorkerConnected(0, PeerID(2<<32+i), "d", Origin{}, nil)
		r.WorkerReady(0, PeerID(2<<32+i))
	}
	slots, pairs := map[time.Duration]int{}, map[time.Duration]int{}
	for at, ok := r.Deadline(); ok; at, ok = r.Deadline() {
		for _, a := range r.Tick(at) {
			switch {
			case a.Op == Ended:
				pairs[at]++
			case a.Reason == NoReason:
				slots[at]++
			}
		}
	}
	check := func(what string, got map[time.Duration]int, low, high time.Duration) {
		t.Helper()
		sum := 0
		for at, some := range got {
			if at < low || at > high || some > n/4 {
				t.Errorf("%s: %d ended at %v", what, some, at)
			}
			sum += some
		}
		if sum != n || len(got) < 10 {
			t.Errorf("%s: %d ended at %d moments", what, sum, len(got))
		}
	}
	check("slots", slots, 80*time.Second, 100*time.Second)
	check("pairs", pairs, 95*time.Second, 105*time.Second)
}

// Told of every chunk, or asking when a lease runs out, the table finds the same.
func TestIdleLeaseIsExact(t *testing.T) {
	t.Run("told", func(t *testing.T) {
		testIdleLease(t, func(r *rig, id PeerID) { r.Touch(r.now, id) }, func(*rig) {})
	})
	t.Run("asking", func(t *testing.T) {
		active := map[any]time.Duration{}
		testIdleLease(t,
			func(r *rig, id PeerID) { active[clientOf(r.Peer(id)).Conn] = r.now },
			func(r *rig) {
				r.AskActivity(func(conn any) time.Duration { return active[conn] })
			})
	})
}

func testIdleLease(t *testing.T, touch func(*rig, PeerID), prepare func(*rig)) {
	const ttl = 20 * time.Second
	r := newRig(t, func(c *Config) { c.Lease = Lease{LeaseIdle, ttl} })
	prepare(r)
	r.add(WorkerConfig{Name: "w"})
	alive, _, _ := r.pairUp()
	dead, deadWorker, _ := r.pairUp()
	r.Opened(0, alive)
	r.Opened(0, dead)
	last := 7*time.Second + 13*time.Millisecond
	found := time.Duration(0)
	for r.now < 10*ttl {
		r.now += 50 * time.Millisecond
		if r.now%(ttl-100*time.Millisecond) == 0 {
			touch(r, alive)
		}
		if r.now <= last {
			touch(r, deadWorker)
			last = r.now
		}
		if r.Tick(r.now); found == 0 && r.Peer(dead) == nil {
			found = r.now
		}
	}
	if r.Peer(alive) == nil {
		t.Error("a pair that moved a byte within every ttl was ended")
	}
	if idle := found - last; idle < ttl || idle > ttl*11/10 {
		t.Errorf("a dead pair was found after %v", idle)
	}
}

func ExampleTable() {
	t := New(Config{QueueTimeout: 10 * time.Second, FinishTimeout: time.Second, RetryMin: time.Second, RetryMax: time.Minute})
	show := func(actions []Action) {
		for _, a := range actions {
			fmt.Println(a.Op, a.Peer, a.Partner, a.Worker, a.Reason)
		}
	}
	now := time.Duration(0)
	_, _ = t.AddWorker(now, WorkerConfig{Name: "w1", Endpoint: "tcp://10.0.0.1:6000"})
	t.ClientConnected(now, 1, Origin{Address: "10.0.7.7"}, nil)
	show(t.ClientReady(now, 1))
	show(t.Dialled(now, 1, 2, nil))
	show(t.Opened(now, 1))
	show(t.Gone(now, 1, Closed))
	show(t.Gone(now, 2, Closed))
	// Output:
	// dial 1 0 w1 none
	// join 1 2 w1 none
	// close 2 1 w1 client-closed
	// ended 1 2 w1 client-closed
}
