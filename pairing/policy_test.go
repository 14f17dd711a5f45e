package pairing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// serveMany has n clients come and stay, and returns the workers in the order in
// which they got them.
func (r *rig) serveMany(n int) (order []string) {
	for range n {
		_, _, name := r.pairUp()
		order = append(order, name)
	}
	return order
}

func tallyOf(names []string) map[string]int {
	n := map[string]int{}
	for _, name := range names {
		n[name]++
	}
	return n
}

func TestLeastConnectionsIsExactByWeight(t *testing.T) {
	r := newRig(t, nil)
	for i, weight := range []int{1, 2, 5} {
		r.add(WorkerConfig{Name: fmt.Sprint("w", i), Weight: weight})
	}
	got := tallyOf(r.serveMany(800))
	if got["w0"] != 100 || got["w1"] != 200 || got["w2"] != 500 {
		t.Errorf("800 clients over weights 1, 2, 5: %v", got)
	}
}

func TestLeastConnectionsTakesTheLongestAtItsLoad(t *testing.T) {
	r := newRig(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		r.add(WorkerConfig{Name: name})
	}
	for i := range 30 { // one at a time: all are idle when each comes
		c, s, name := r.pairUp()
		if want := string("abc"[i%3]); name != want {
			t.Fatalf("client %d got %s, not %s", i, name, want)
		}
		r.Opened(r.now, c) // those of a worker whose pairs fail go elsewhere by chance
		r.leave(c, s)
	}
}

func TestRoundRobinInterleavesWeights(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Policy = RoundRobin })
	r.add(WorkerConfig{Name: "a", Weight: 1})
	r.add(WorkerConfig{Name: "b", Weight: 2})
	r.add(WorkerConfig{Name: "c", Weight: 2})
	if got := strings.Join(r.serveMany(10), ""); got != "bcabcbcabc" && tallyOf(strings.Split(got, ""))["a"] != 2 {
		t.Errorf("order %s", got)
	}
	order := r.serveMany(1000)
	if got := tallyOf(order); got["a"] != 200 || got["b"] != 400 || got["c"] != 400 {
		t.Errorf("1000 clients over weights 1, 2, 2: %v", got)
	}
	for i := range len(order) - 1 {
		if order[i] == order[i+1] {
			t.Fatalf("%s twice in a row", order[i])
		}
	}
}

func TestRandomPoliciesFollowWeights(t *testing.T) {
	for _, policy := range []Policy{Random, PowerOfTwo} {
		t.Run(policy.String(), func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Policy = policy; c.Seed = 7 })
			for i, weight := range []int{1, 1, 2, 4} {
				r.add(WorkerConfig{Name: fmt.Sprint("w", i), Weight: weight})
			}
			got := tallyOf(r.serveMany(8000))
			for i, want := range []int{1000, 1000, 2000, 4000} {
				if n := got[fmt.Sprint("w", i)]; n < want*85/100 || n > want*115/100 {
					t.Errorf("w%d got %d of 8000, not about %d", i, n, want)
				}
			}
		})
	}
}

func TestPowerOfTwoBalancesBetterThanRandom(t *testing.T) {
	spreadOf := func(policy Policy) int {
		r := newRig(t, func(c *Config) { c.Policy = policy })
		for i := range 50 {
			r.add(WorkerConfig{Name: fmt.Sprint("w", i)})
		}
		r.serveMany(5000)
		low, high := 5000, 0
		for _, w := range r.Workers() {
			low, high = min(low, w.Pairs), max(high, w.Pairs)
		}
		return high - low
	}
	if random, two := spreadOf(Random), spreadOf(PowerOfTwo); two*3 > random {
		t.Errorf("loads are %d apart by power-of-two, %d by random", two, random)
	}
}

func TestMaxPairsHoldsForDialsToo(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w", MaxPairs: 2})
	r.connect()
	b, _ := r.connect()
	if _, name := r.connect(); name != "" {
		t.Fatal("a third was dialled")
	}
	// A client that gives up frees what it was dialled for.
	r.expect("one leaves", r.Gone(0, b, Closed), fmt.Sprintf("ended %d: client-closed", b), fmt.Sprintf("dial %d of w at tcp://w", r.next))
}

// TestLoads compares loads with a list that is sorted each time.
func TestLoads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var l loads
	type entry struct {
		w         *worker
		load, seq int
	}
	var in []entry
	for seq := range 20_000 {
		if len(in) > 0 && random.IntN(100) < 48 {
			i := random.IntN(len(in))
			l.remove(in[i].w, in[i].load)
			in = slices.Delete(in, i, i+1)
		} else {
			load := random.IntN(1 << random.IntN(26)) // beyond loadMax, too
			e := entry{&worker{}, load, seq}
			e.w.spot.owner = e.w
			l.put(e.w, load)
			in = append(in, e)
		}
		if len(in) == 0 {
			if l.least() != nil {
				t.Fatal("somebody is in an empty order")
			}
			continue
		}
		best := slices.MinFunc(in, func(a, b entry) int {
			if a, b := min(a.load, loadMax), min(b.load, loadMax); a != b {
				return a - b
			}
			return a.seq - b.seq
		})
		if l.least() != best.w {
			t.Fatalf("step %d: not the least, which has %d", seq, best.load)
		}
	}
}
