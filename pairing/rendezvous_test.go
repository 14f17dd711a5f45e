package pairing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// naiveSeats are the seats of workers: in the order of their precedence each takes
// the first that it wants of those that are left.
func naiveSeats[T any](workers []T, name func(T) string) []uint32 {
	all, order := make([]seat, len(workers)), make([]int, len(workers))
	for i, w := range workers {
		all[i].name = hashOf(hashWorker, name(w))
		all[i].precedence = mixed(all[i].name) | 1
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if all[a].precedence > all[b].precedence {
			return -1
		}
		return 1
	})
	taken, at := map[uint32]bool{}, make([]uint32, len(workers))
	for _, i := range order {
		for tries := uint32(0); ; tries++ {
			if at[i] = all[i].wish(tries); !taken[at[i]] {
				taken[at[i]] = true
				break
			}
		}
	}
	return at
}

// TestSeats: who sits where depends on who is there, and on nothing else, also
// where there are hardly enough seats.
func TestSeats(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, crowd := range []int{20, 20_000} {
		var s seats
		all := make([]*worker, crowd)
		class := &class{seats: make([]uint32, crowd)}
		for i := range all {
			all[i] = &worker{name: fmt.Sprint("w", i), at: i, class: class}
		}
		in := map[*worker]bool{}
		for step := range 3 * crowd {
			w := all[random.IntN(crowd)]
			if in[w] {
				s.leave(w)
				delete(in, w)
			} else {
				s.sit(w)
				in[w] = true
			}
			if crowd > 100 && step%10_000 != 9999 {
				continue
			}
			var sitting []*worker
			for w := range in {
				sitting = append(sitting, w)
			}
			for i, at := range naiveSeats(sitting, func(w *worker) string { return w.name }) {
				if w := sitting[i]; w.seat.at != at || s.taken[at] != w || class.seats[w.at] != at {
					t.Fatalf("step %d: %s sits at %d, not %d", step, w.name, w.seat.at, at)
				}
			}
		}
		evicted := 0
		for w := range in {
			if w.seat.tries > 0 {
				evicted++
			}
		}
		if len(s.evicted) != evicted || crowd > 100 && evicted == 0 {
			t.Errorf("%d of %d sit elsewhere, %d are known to", evicted, len(in), len(s.evicted))
		}
	}
}

// TestOrder: a key's order is a permutation of the seats, and its inverse is.
func TestOrder(t *testing.T) {
	for key := range uint64(5) {
		o := orderOf(mixed(key))
		of, seen := o.backwards(), make([]bool, seatMax+1)
		for at := range uint32(seatMax + 1) {
			rank := o.rank(at)
			if rank > seatMax || seen[rank] {
				t.Fatalf("two seats have rank %d", rank)
			}
			seen[rank] = true
			if got := of.seatAt(rank); got != at {
				t.Fatalf("rank %d is seat %d, and not %d", rank, got, at)
			}
		}
	}
}

// rendezvousOf is a table with these workers, added in some order after others
// that have gone again.
func rendezvousOf(t testing.TB, random *rand.Rand, workers []WorkerConfig) *Table {
	cfg := traceConfig()
	cfg.Policy = Rendezvous
	table := New(cfg)
	must := func(_ []Action, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range random.IntN(5) {
		name := fmt.Sprint("other", i)
		must(table.AddWorker(0, WorkerConfig{Name: name, Endpoint: "tcp://other"}))
		defer func() { must(table.RemoveWorker(0, name)) }()
	}
	for _, i := range random.Perm(len(workers)) {
		w := workers[i]
		w.Endpoint = "tcp://" + w.Name
		must(table.AddWorker(0, w))
	}
	return table
}

// fleet is so many workers with weights up to one.
func fleet(n, weight int) (workers []WorkerConfig) {
	for i := range n {
		workers = append(workers, WorkerConfig{Name: fmt.Sprint("worker-", i), Weight: 1 + i%weight})
	}
	return workers
}

// identities calls f for each of n clients.
func identities(n int, f func(i int, p *Peer)) {
	id := &identity{}
	p := &Peer{identity: id}
	for i := range n {
		id.name = "identity-" + strconv.Itoa(i)
		f(i, p)
	}
}

// rendezvousSize is how many identities and proxies are tried: with
// STREAMQ_FULL=1 ten million and a thousand, which takes minutes.
func rendezvousSize(workers int) (ids, proxies int) {
	switch {
	case os.Getenv("STREAMQ_FULL") != "":
		return 10_000_000, 1000
	case workers > 100:
		return 10_000, 3
	default:
		return 20_000, 10
	}
}

// TestRendezvous has many proxies, each of which has come to know the workers in
// its own way, choose for many identities: all choose alike, each worker gets what
// its weight is, and when a worker goes, drains, comes or changes its weight hardly
// more identities move than have to.
func TestRendezvous(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for _, c := range []struct{ workers, weight int }{{3, 1}, {3, 3}, {10, 2}, {100, 1}, {100, 4}, {1000, 1}, {1000, 4}} {
		t.Run(fmt.Sprintf("%d workers of weight up to %d", c.workers, c.weight), func(t *testing.T) {
			ids, proxies := rendezvousSize(c.workers)
			workers := fleet(c.workers, c.weight)
			table := rendezvousOf(t, random, workers)
			number := map[string]uint16{}
			total := 0
			for i, w := range workers {
				number[w.Name] = uint16(i)
				total += w.Weight
			}
			had, count := make([]uint16, ids), make([]int, c.workers)
			identities(ids, func(i int, p *Peer) {
				had[i] = number[table.rendezvous(p).name]
				count[had[i]]++
			})
			// The identities are chance, too: of those of a worker up to six times
			// the root of their number may be there or not.
			worst := 0.0
			for i, n := range count {
				want := float64(ids) * float64(workers[i].Weight) / float64(total)
				off := math.Abs(float64(n)/want - 1)
				if worst = max(worst, off); off > 0.02+6/math.Sqrt(want) || want > 50_000 && off > 0.02 {
					t.Errorf("%s of weight %d has %d identities, not %.0f", workers[i].Name, workers[i].Weight, n, want)
				}
			}
			for proxy := 1; proxy < proxies; proxy++ {
				other := rendezvousOf(t, random, workers)
				from := proxy * (ids / proxies)
				identities(ids/proxies, func(i int, p *Peer) {
					p.identity.name = "identity-" + strconv.Itoa(from+i)
					if w := other.rendezvous(p); number[w.name] != had[from+i] {
						t.Fatalf("proxy %d has %s for %s, and not %s", proxy, w.name, p.identity.name, workers[had[from+i]].Name)
					}
				})
			}
			moved := expectMoves(t, table, workers, number, had)
			t.Logf("the worst share is off by %.2f %%, the worst change moves %.3f of the least possible", 100*worst, moved)
		})
	}
}

// expectMoves changes a worker, and back, and says how many more identities than
// had to have moved in the worst case.
func expectMoves(t *testing.T, table *Table, workers []WorkerConfig, number map[string]uint16, had []uint16) (worst float64) {
	victim := workers[len(workers)/2]
	victim.Endpoint = "tcp://" + victim.Name
	total := 0
	for _, w := range workers {
		total += w.Weight
	}
	is := number[victim.Name]
	changes := []struct {
		what   string
		change func() ([]Action, error)
	}{
		{"drains", func() ([]Action, error) { return table.SetWorkerState(0, victim.Name, Draining) }},
		{"is ready", func() ([]Action, error) { return table.SetWorkerState(0, victim.Name, Ready) }},
		{"goes", func() ([]Action, error) { return table.RemoveWorker(0, victim.Name) }},
		{"comes", func() ([]Action, error) { return table.AddWorker(0, victim) }},
		{"is heavier", func() ([]Action, error) { return table.SetWeight(0, victim.Name, victim.Weight*2) }},
		{"is lighter", func() ([]Action, error) { return table.SetWeight(0, victim.Name, victim.Weight) }},
	}
	now := slices.Clone(had)
	for _, c := range changes {
		if _, err := c.change(); err != nil {
			t.Fatal(err)
		}
		moved, must, elsewhere := 0, 0, map[uint16]bool{}
		identities(len(had), func(i int, p *Peer) {
			w := number[table.rendezvous(p).name]
			if w == now[i] {
				return
			}
			moved++
			if w == is || now[i] == is { // to it, or from it: what the change is about
				must++
			}
			elsewhere[w] = true
			now[i] = w
		})
		ratio := float64(moved) / float64(must)
		if worst = max(worst, ratio); ratio > 1.05 || must == 0 {
			t.Errorf("the worker %s: %d identities move, %d have to", c.what, moved, must)
		}
		if c.what == "goes" && len(elsewhere) < min(len(workers)-1, must/20) {
			t.Errorf("the worker %s: its %d identities go to %d others only", c.what, must, len(elsewhere))
		}
	}
	for i := range now {
		if now[i] != had[i] {
			t.Fatalf("in the end identity %d has another worker than at first", i)
		}
	}
	return worst
}

// TestRendezvousScan: many workers are gone through by rank, and few asked for
// theirs: it is the same worker.
func TestRendezvousScan(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	table := rendezvousOf(t, random, fleet(3000, 3))
	c := table.classes[0]
	if n := len(c.members); n <= scanFrom {
		t.Fatalf("%d workers are too few", n)
	}
	identities(2000, func(i int, p *Peer) {
		o := orderOf(hashOf(hashIdentity, p.identity.name))
		w, rank := c.soonest(&o, &table.seats, math.Inf(1))
		least := uint32(math.MaxUint32)
		for _, at := range c.seats {
			least = min(least, o.rank(at))
		}
		of := o.backwards()
		if rank != least || w != table.seats.taken[of.seatAt(least)] {
			t.Fatalf("%d: the least rank is %d, not %d", i, least, rank)
		}
	})
}

// TestRendezvousIsBounded: nobody gets a client when loaded more than the bound
// says, and most clients have where they hash to.
func TestRendezvousIsBounded(t *testing.T) {
	for _, bound := range []float64{1, 1.25, 2} {
		for _, by := range []string{"rendezvous", "affinity"} {
			r := newRig(t, func(c *Config) {
				c.Policy, c.AffinityMaxLoad = Rendezvous, bound
				if by == "affinity" {
					c.Policy, c.AffinityMax, c.AffinityBySource = Random, 100_000, true
				}
			})
			for _, w := range fleet(7, 2) {
				r.add(w)
			}
			clients := 0
			for i := range 3000 {
				address := fmt.Sprint("10.0.", i/250, ".", i%250)
				if i%3 > 0 { // many behind one address
					address = "10.1.1.1"
				}
				c, _, name := r.come(address)
				r.Opened(r.now, c)
				clients++
				w := r.workers[name]
				if most := math.Ceil(bound * float64(clients) * float64(w.weight) / 10); by == "rendezvous" && float64(w.load()) > most {
					t.Fatalf("%v: %s of weight %d has %d of %d pairs", bound, name, w.weight, w.load(), clients)
				}
			}
			most := 0.0
			for _, w := range r.Workers() {
				most = max(most, float64(w.Pairs)/float64(w.Weight)/(3000.0/10))
			}
			if most > bound*1.15 {
				t.Errorf("%v %s: one has %.2f times the average", bound, by, most)
			}
		}
	}
}

// TestRendezvousKeys: an identity goes before the address, and who has neither gets
// the least loaded.
func TestRendezvousKeys(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Policy, c.AffinityMax = Rendezvous, 100 })
	for _, w := range fleet(50, 1) {
		r.add(w)
	}
	_, _, first := r.come("10.0.0.1")
	if _, _, again := r.come("10.0.0.1"); again != first {
		t.Errorf("one address has %s and %s", first, again)
	}
	r.Hint(r.now, Hint{Identity: "ann", Address: "10.0.0.1"})
	_, _, ann := r.come("10.0.0.1")
	r.Hint(r.now, Hint{Identity: "ann", Address: "10.0.0.2"})
	if _, _, again := r.come("10.0.0.2"); again != ann || ann == first {
		t.Errorf("ann has %s and %s, her address %s", ann, again, first)
	}
	r.set(ann, Draining)
	r.Hint(r.now, Hint{Identity: "ann", Address: "10.0.0.2"})
	_, _, other := r.come("10.0.0.2")
	r.set(ann, Ready)
	r.Hint(r.now, Hint{Identity: "ann", Address: "10.0.0.3"})
	if _, _, back := r.come("10.0.0.3"); other == ann || back != ann {
		t.Errorf("ann had %s, then %s, and is back at %s", ann, other, back)
	}
	seen := map[string]bool{}
	for range 40 {
		_, _, name := r.come("")
		seen[name] = true
	}
	if len(seen) < 40 {
		t.Errorf("who has no name is at %d of 40", len(seen))
	}
}

// BenchmarkRendezvous chooses for ever other clients, beside least-connections.
func BenchmarkRendezvous(b *testing.B) {
	for _, workers := range []int{3, 100, 600, 1000, 10_000} {
		for _, policy := range []Policy{LeastConnections, Rendezvous} {
			b.Run(fmt.Sprintf("%v/workers=%d", policy, workers), func(b *testing.B) {
				table := rendezvousOf(b, rand.New(rand.NewPCG(1, 2)), fleet(workers, 1))
				table.setPolicy(policy)
				p := &Peer{identity: &identity{}}
				names := make([]string, 1024)
				for i := range names {
					names[i] = fmt.Sprint("identity-", i)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					p.identity.name = names[i%len(names)]
					i++
					table.choose(p)
				}
			})
		}
	}
}
