package pairing

import (
	"fmt"
	"testing"
	"time"
)

// TestRebalanceByAnyPolicy: whom a rebalance has ended is not sent back by chance, or in turn, to the worker that he
// was taken from; nor by a worker's slow start; nor because bad clients come before him.
func TestRebalanceByAnyPolicy(t *testing.T) {
	for _, policy := range Policies() {
		if policy == Rendezvous {
			continue // who would come back is left alone, see TestRebalanceLeavesAlone
		}
		for _, slow := range []time.Duration{0, 20 * time.Second} {
			for _, bad := range []int{0, 5} {
				if bad > 0 && slow > 0 {
					continue // nearly all that the new worker gets at first is bad clients, and it is set aside for a while
				}
				t.Run(fmt.Sprint(policy, "/", slow, "/", bad), func(t *testing.T) {
					s := newSim(t, 1, func(c *Config) { c.Policy, c.SlowStart = policy, slow })
					s.add(WorkerConfig{Name: "old"})
					s.settle(200)
					s.add(WorkerConfig{Name: "new"})
					s.spoil(mix{kinds: []simKind{simWrongKey}, each: bad}, 30*time.Second)
					plan, a, err := s.Rebalance(s.now, Rebalance{Rate: 20})
					if err != nil || plan.Planned < 100 || plan.Planned > 105 {
						t.Fatalf("%+v, %v", plan, err)
					}
					s.do(a)
					s.run(s.now + 35*time.Second)
					is, _ := s.Rebalancing(s.now)
					if old, fresh := s.pairs("old"), s.pairs("new"); old < 98 || old > 102 || old+fresh != 200 {
						t.Errorf("they have %d and %d pairs: %+v", old, fresh, is)
					}
					if bad > 0 { // some are given to the old one again, and go again
						plan.Planned += 40
					}
					if is.State != RebalanceDone || is.Ended > plan.Planned || is.Took < 4900*time.Millisecond || is.Took > 7500*time.Millisecond+slow {
						t.Errorf("it is %+v", is)
					}
				})
			}
		}
	}
}

// TestRebalanceBesideBadClients: by whatever rate, and however many bad clients come before those that are moved and
// have some of them sent back, both workers have their share in the end.
func TestRebalanceBesideBadClients(t *testing.T) {
	for _, policy := range []Policy{LeastConnections, RoundRobin} {
		for _, bad := range []int{0, 1, 5, 20} {
			for _, rate := range []float64{2, 5, 20, 100} {
				s := newSim(t, 1, func(c *Config) { c.Policy = policy })
				s.add(WorkerConfig{Name: "old"})
				s.settle(60)
				s.add(WorkerConfig{Name: "new"})
				s.spoil(mix{kinds: []simKind{simWrongKey}, each: bad}, time.Minute)
				_, a, err := s.Rebalance(s.now, Rebalance{Rate: rate})
				if err != nil {
					t.Fatal(err)
				}
				s.do(a)
				s.run(s.now + 35*time.Second)
				is, _ := s.Rebalancing(s.now)
				if o := opened(s.workers["old"]); is.State != RebalanceDone || is.Ended > 60 || o < 29 || o > 31 {
					t.Errorf("%v, %d bad clients, %v a second: the old one has %d open pairs: %+v", policy, bad, rate, o, is)
				}
				if is.Ended > 30 && bad == 0 {
					t.Errorf("%v, %v a second: %d have ended", policy, rate, is.Ended)
				}
			}
		}
	}
}

// TestWhoIsNotBackIsNotAwaitedForEver: a minute after the last end, or when all are back, the policy has its say again.
func TestWhoIsNotBackIsNotAwaitedForEver(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Policy = RoundRobin })
	r.add(WorkerConfig{Name: "old"})
	for range 40 {
		c, _, _ := r.pairUp()
		r.Opened(r.now, c)
	}
	r.add(WorkerConfig{Name: "new"})
	if _, _, err := r.Rebalance(r.now, Rebalance{Rate: 1000}); err != nil {
		t.Fatal(err)
	}
	r.Tick(r.now) // 20 end
	come := func(n int) (fresh int) {
		for range n {
			c, _, name := r.pairUp()
			if r.Opened(r.now, c); name == "new" {
				fresh++
			}
		}
		return fresh
	}
	if n := come(12); n != 12 {
		t.Errorf("of 12 who come again %d get the new worker", n)
	}
	r.now += returnWithin - time.Millisecond
	if n := come(4); n != 4 {
		t.Errorf("of 4 who come late %d get the new worker", n)
	}
	r.now += time.Millisecond
	if n := come(10); n != 5 {
		t.Errorf("after a minute %d of 10 get the new worker, in turn", n)
	}
}
