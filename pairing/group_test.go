package pairing

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// newGrouped are tables of one group with the same workers, of which the second joined later.
func newGrouped(t *testing.T, workers int, change func(*Config)) [2]*rig {
	t.Helper()
	g := NewGroup(&sync.Mutex{})
	var all [2]*rig
	for i := range all {
		all[i] = newRig(t, func(c *Config) {
			c.AffinityMax, c.AffinityBySource, c.AffinityTTL = 1000, true, time.Hour
			if change != nil {
				change(c)
			}
		})
		all[i].random = rand.New(rand.NewPCG(uint64(i), 2)) // so that they do not agree by chance
		all[i].Join(g, time.Duration(i)*time.Minute)
		for w := range workers {
			all[i].add(WorkerConfig{Name: fmt.Sprint("w", w)})
		}
	}
	return all
}

// choose has a client come from an address, and says which worker is dialled for it.
func (r *rig) choose(address string) (id PeerID, worker string) {
	r.t.Helper()
	r.next++
	id = r.next
	r.ClientConnected(r.now, id, Origin{Address: address}, id)
	for _, a := range r.ClientReady(r.now, id) {
		if a.Op == Dial {
			worker = a.Worker
		}
	}
	return id, worker
}

// open has the pair of a client open that a worker was dialled for.
func (r *rig) open(id PeerID) (worker PeerID) {
	r.t.Helper()
	r.next++
	r.Dialled(r.now, id, r.next, nil)
	r.Opened(r.now, id)
	if p := r.Peer(id); p == nil || p.State() != PeerOpen {
		r.t.Fatalf("client %d is not open", id)
	}
	return r.next
}

// empty ends the pairs of a worker.
func (r *rig) empty(worker string) {
	r.t.Helper()
	clients, err := r.PairsOf(worker)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, id := range clients {
		r.End(r.now, id, Kicked)
	}
}

// TestGroup has 50 clients connect to two tables at the same time: each has the same worker in both, and by themselves
// half of them would not. When a worker goes each of its clients has the same other one.
func TestGroup(t *testing.T) {
	agree := func(of [2]*rig) (agreed int, at map[string]int) {
		at = map[string]int{}
		var ids [2][50]PeerID
		var names [2][50]string
		for i := range 50 {
			for k := range 2 { // who is first differs
				x := (i + k) % 2
				ids[x][i], names[x][i] = of[x].choose(fmt.Sprint("10.0.0.", i))
			}
		}
		for i := range 50 {
			for x := range of {
				of[x].open(ids[x][i])
			}
			at[names[0][i]]++
			if names[0][i] == names[1][i] {
				agreed++
			}
		}
		return agreed, at
	}
	random := func(c *Config) { c.Policy = Random }
	alone := newGrouped(t, 3, random)
	for i := range alone {
		alone[i].habits.group = nil
	}
	if n, _ := agree(alone); n > 30 {
		t.Errorf("by themselves %d of 50 agree", n)
	}
	for i, policy := range Policies() {
		of := newGrouped(t, 3, func(c *Config) { c.Policy, c.Seed = policy, uint64(i) })
		n, at := agree(of)
		if n != 50 {
			t.Errorf("%v: %d of 50 agree", policy, n)
		}
		if policy == LeastConnections && (at["w0"] < 16 || at["w1"] < 16 || at["w2"] < 16) {
			t.Errorf("they are at %v", at)
		}
		for x := range of {
			of[x].set("w1", Maintenance) // and all come again
			of[x].empty("w0")
			of[x].empty("w1")
			of[x].empty("w2")
		}
		if n, at := agree(of); n != 50 || at["w1"] > 0 {
			t.Errorf("%v: without a worker %d of 50 agree, %v", policy, n, at)
		}
	}
}

// TestGroupClaims: a claim counts while its pair is not open, and no more when that comes to nothing.
func TestGroupClaims(t *testing.T) {
	of := newGrouped(t, 2, nil)
	a, b := of[0], of[1]
	busy, _ := b.choose("10.9.9.9") // b would choose w1 for the next one
	b.open(busy)
	id, first := a.choose("10.0.0.1")
	if first != "w0" {
		t.Fatalf("the first is at %s", first)
	}
	other, second := b.choose("10.0.0.1")
	if second != first {
		t.Errorf("at the same time they are at %s and %s", first, second)
	}
	if e, known := b.Explain(b.now, "10.0.0.1"); known { // by an address nobody is found
		t.Errorf("%+v", e)
	}
	if r := b.Peer(other).rule; r != ByAffinity {
		t.Errorf("the second is there by %v", r)
	}
	b.Gone(b.now, other, Closed)
	a.Gone(a.now, id, Closed)
	if _, at := b.choose("10.0.0.1"); at != "w1" {
		t.Errorf("by a claim that came to nothing it is at %s", at)
	}

	// One that failed in a table does not take away what has opened in another.
	id, _ = a.choose("10.0.0.2")
	has, at := b.choose("10.0.0.2")
	b.open(has)
	a.Gone(a.now, id, Closed)
	if _, again := a.choose("10.0.0.2"); again != at {
		t.Errorf("it is at %s, and was at %s", again, at)
	}
}

// TestGroupOfIdentities: an identity is remembered while it has a connection in any of the tables, and for its time after.
func TestGroupOfIdentities(t *testing.T) {
	of := newGrouped(t, 2, func(c *Config) { c.HintMax, c.AffinityTTL, c.AffinityBySource = 100, 10*time.Second, false })
	a, b := of[0], of[1]
	named := func(r *rig) (PeerID, string) {
		r.Hint(r.now, Hint{Identity: "ann", Address: "10.0.0.1"})
		return r.choose("10.0.0.1")
	}
	later := func(d time.Duration) { a.now += d; b.now += d }
	first, at := named(a)
	worker := a.open(first)
	later(time.Hour)
	if last, known := b.habits.get(affinityKey{name: "ann"}, b.now); !known || last != at {
		t.Errorf("the other table knows %q of who is connected", last)
	}
	a.leave(first, worker)
	later(9 * time.Second)
	if a.Stats(a.now).Affinities != 1 || b.Stats(b.now).Affinities != 1 {
		t.Error("it is forgotten before its time")
	}
	second, again := named(b)
	if again != at {
		t.Errorf("it was at %s and is at %s", at, again)
	}
	worker = b.open(second)
	third, _ := named(a)
	thirds := a.open(third)
	b.leave(second, worker)
	later(time.Minute)
	if b.Stats(b.now).Affinities != 1 {
		t.Error("it is forgotten while it is connected to the first table")
	}
	a.leave(third, thirds)
	later(11 * time.Second)
	if n := b.Stats(b.now).Affinities; n != 0 {
		t.Errorf("%d are remembered for ever", n)
	}
	if len(of[0].habits.group.live) != 0 {
		t.Error("identities stay live")
	}
}

// TestGroupIsBounded by the widest of its tables' bounds.
func TestGroupIsBounded(t *testing.T) {
	of := newGrouped(t, 1, func(c *Config) { c.AffinityMax = 10 })
	cfg := of[1].cfg
	cfg.AffinityMax = 20
	of[1].Reconfigure(of[1].now, cfg)
	for i := range 50 {
		id, _ := of[0].choose(fmt.Sprint("10.0.0.", i))
		of[0].open(id)
	}
	if n := of[0].Stats(of[0].now).Affinities; n != 20 {
		t.Errorf("%d are remembered", n)
	}
	cfg.AffinityMax = 5
	of[1].Reconfigure(of[1].now, cfg)
	if n := of[0].Stats(of[0].now).Affinities; n != 10 {
		t.Errorf("%d are remembered", n)
	}
}

// TestGroupRebalances: when a table was rebalanced, and then the other, its clients are together again.
func TestGroupRebalances(t *testing.T) {
	of := newGrouped(t, 1, nil)
	var ids [2]map[string]PeerID
	for x := range of {
		ids[x] = map[string]PeerID{}
		for i := range 40 {
			address := fmt.Sprint("10.0.0.", (i+20*x)%40) // so that others have been idle for longest
			id, _ := of[x].choose(address)
			of[x].open(id)
			ids[x][address] = id
		}
	}
	for x := range of {
		of[x].add(WorkerConfig{Name: "new"})
	}
	for x, r := range of {
		if _, _, err := r.Rebalance(r.now, Rebalance{Rate: 1000}); err != nil {
			t.Fatal(err)
		}
		for at, ok := r.Deadline(); ok; at, ok = r.Deadline() {
			r.now = at
			var back []string
			for _, a := range r.Tick(at) {
				if a.Op == Ended && a.Reason == Moved {
					back = append(back, a.Record.Origin.Address)
				}
			}
			for _, address := range back {
				id, _ := r.choose(address)
				r.open(id)
				ids[x][address] = id
			}
			if is, _ := r.Rebalancing(r.now); is.State != RebalanceRunning {
				break
			}
		}
	}
	apart := 0
	for address := range ids[0] {
		if of[0].Peer(ids[0][address]).worker.name != of[1].Peer(ids[1][address]).worker.name {
			apart++
		}
	}
	if n := of[1].worker("new").Pairs; apart > 0 || n != 20 {
		t.Errorf("%d of 40 are apart, and the new worker has %d", apart, n)
	}
}

// TestGroupProperty: whatever comes and goes, in whatever order, a choice is what a naive memory of all tables says as long
// as that worker can take a client.
func TestGroupProperty(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 3))
		of := newGrouped(t, 4, func(c *Config) { c.Policy, c.Seed = Policies()[seed%4], seed })
		type client struct {
			id, worker PeerID
			address    string
			at         string
		}
		type known struct {
			worker string
			opened bool
		}
		had := map[string]known{}
		var clients [2][]*client
		fit := func(r *rig, name string) bool { w := r.workers[name]; return w != nil && w.at >= 0 }
		for step := range 400 {
			x := random.IntN(2)
			r := of[x]
			var c *client
			if n := len(clients[x]); n > 0 {
				c = clients[x][random.IntN(n)]
			}
			switch kind := random.IntN(10); {
			case kind < 4 || c == nil:
				address := fmt.Sprint("10.0.0.", random.IntN(12))
				want := ""
				if h, ok := had[address]; ok && fit(r, h.worker) {
					want = h.worker
				}
				id, at := r.choose(address)
				if at == "" {
					r.End(r.now, id, Kicked)
					continue
				}
				if want != "" && at != want {
					t.Fatalf("seed %d: it is at %s, not %s", seed, at, want)
				}
				if want == "" {
					had[address] = known{at, false}
				}
				clients[x] = append(clients[x], &client{id: id, address: address, at: at})
			case kind < 7:
				if c.worker == 0 && r.workers[c.at].state == Ready { // else it would be dialled elsewhere
					c.worker = r.open(c.id)
					had[c.address] = known{c.at, true}
				}
			case kind < 9:
				claimed := c.worker == 0 && r.Peer(c.id) != nil && r.Peer(c.id).claimed != nil
				r.Gone(r.now, c.id, Closed)
				if c.worker != 0 {
					r.Gone(r.now, c.worker, Closed)
				} else if claimed && had[c.address] == (known{c.at, false}) {
					delete(had, c.address)
				}
				for i := range clients[x] {
					if clients[x][i] == c {
						clients[x] = append(clients[x][:i], clients[x][i+1:]...)
						break
					}
				}
			default:
				r.set(fmt.Sprint("w", random.IntN(4)), State(random.IntN(2))) // ready or draining, in this table only
			}
			if step%20 > 0 {
				continue
			}
			if err := r.check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for address, h := range had {
			if is, ok := of[0].habits.get(affinityKey{source: true, name: address}, of[0].now); !ok || is != h.worker {
				t.Fatalf("seed %d: of %s it remembers %q, not %+v", seed, address, is, h)
			}
		}
	}
}
