package pairing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// settle has n clients that stay come and be served.
func (s *sim) settle(n int) {
	s.visit(mix{}, n, 0, time.Millisecond)
	s.run(s.now + time.Duration(n)*time.Millisecond + time.Second)
}

func (s *sim) pairs(name string) int { return s.worker(name).Pairs }

// TestRebalance: 200 clients of one worker are 100 and 100 after another was added
// and a rebalance: at the rate that was said, the longest idle first, and no more
// than needed. Each ended one is back at once.
func TestRebalance(t *testing.T) {
	s := newSim(t, 1, nil)
	s.add(WorkerConfig{Name: "old"})
	s.settle(200)
	s.add(WorkerConfig{Name: "new"})
	// Clients with even numbers talk, and the later they came the longer ago.
	var clients []PeerID
	active := map[any]time.Duration{}
	s.EachPeer(func(p *Peer) bool {
		if p.Client() {
			p.Conn = p.ID
			if active[p.Conn] = time.Duration(-len(clients)) * time.Millisecond; len(clients)%2 == 0 {
				active[p.Conn] = time.Hour
			}
			clients = append(clients, p.ID)
		}
		return true
	})
	s.AskActivity(func(c any) time.Duration { return active[c] })
	ask := Rebalance{Rate: 20, DryRun: true}
	dry, a, err := s.Rebalance(s.now, ask)
	if err != nil || len(a) > 0 || dry.Planned != 100 || dry.State != RebalancePlanned || len(dry.Workers) != 2 ||
		dry.Workers[0] != (WorkerBalance{"new", 0, 100, 0}) || dry.Workers[1] != (WorkerBalance{"old", 200, 100, 100}) {
		t.Fatalf("it would do %+v, %v, %v", dry, a, err)
	}
	if _, ok := s.Rebalancing(s.now); ok {
		t.Error("a dry run is said to run")
	}
	ask.DryRun = false
	plan, a, err := s.Rebalance(s.now, ask)
	if err != nil || plan.Planned != 100 || plan.State != RebalanceRunning {
		t.Fatalf("it began %+v, %v", plan, err)
	}
	s.do(a)
	for second := 1; second <= 5; second++ {
		s.run(s.now + time.Second)
		is, _ := s.Rebalancing(s.now)
		if want := 20 * second; is.Ended < want-3 || is.Ended > want+3 || is.State != RebalanceRunning { // until all are back
			t.Errorf("after %d s it is at %+v", second, is)
		}
	}
	s.run(s.now + time.Second)
	is, _ := s.Rebalancing(s.now)
	if s.pairs("old") != 100 || s.pairs("new") != 100 || is.Ended != 100 || is.State != RebalanceDone || is.Took < 4900*time.Millisecond || is.Took > 5500*time.Millisecond {
		t.Errorf("in the end they are %d and %d: %+v", s.pairs("old"), s.pairs("new"), is)
	}
	if n := s.Stats(s.now).Ended[Moved]; n != 100 {
		t.Errorf("%d have ended so", n)
	}
	for i, id := range clients {
		if gone := s.Peer(id) == nil; gone != (i%2 == 1) {
			t.Fatalf("client %d, which is idle: %v, has ended: %v", i, i%2 == 1, gone)
		}
	}
	if again, _, _ := s.Rebalance(s.now, Rebalance{Rate: 1, DryRun: true}); again.Planned != 0 {
		t.Errorf("it would end %d more", again.Planned)
	}
}

// TestRebalanceProperty: whatever the weights, maxima and slots, and whoever comes
// and goes meanwhile, each worker has its share in the end, give or take who is on
// the way, and no more were ended than had to.
func TestRebalanceProperty(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 7))
		s := newSim(t, seed, nil)
		for i := range 1 + random.IntN(4) {
			s.add(WorkerConfig{Name: fmt.Sprint("old", i), Weight: 1 + random.IntN(3)})
		}
		s.settle(100 + random.IntN(200))
		for i := range 1 + random.IntN(4) {
			c := WorkerConfig{Name: fmt.Sprint("new", i), Weight: 1 + random.IntN(3)}
			if random.IntN(3) == 0 {
				c.MaxPairs = 1 + random.IntN(40)
			}
			s.add(c)
		}
		dials := random.IntN(2) == 0
		if dials { // it offers as many slots anew when these are used, of which the plan knows nothing
			s.offer("dials", 1+random.IntN(30))
		}
		must := 0
		for w, share := range s.shares(inFull, everybody) {
			must += max(0, w.load()-share)
		}
		plan, a, err := s.Rebalance(s.now, Rebalance{Rate: 50})
		if err != nil || plan.Planned != must {
			t.Fatalf("seed %d: %d are to end, and %d must: %v", seed, plan.Planned, must, err)
		}
		s.do(a)
		come := random.IntN(2) == 0
		if come {
			s.visit(mix{}, 40, time.Second, 20*time.Millisecond)
		}
		for range 20 {
			s.run(s.now + time.Second)
			if err := s.check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		is, _ := s.Rebalancing(s.now)
		if is.State != RebalanceDone || is.Ended > plan.Planned || !come && is.Ended < plan.Planned-1 { // rounded while somebody is on the way
			t.Errorf("seed %d: %+v", seed, is)
		}
		for w, share := range s.shares(inFull, everybody) {
			if off := w.load() - share; !dials && (off > 2 || off < -2) {
				t.Errorf("seed %d: %s of weight %d and maximum %d has %d pairs, not %d", seed, w.name, w.weight, w.max, w.load(), share)
			}
		}
	}
}

// TestRebalanceLeavesAlone who would come back to the same worker, and forgets what
// an address had.
func TestRebalanceLeavesAlone(t *testing.T) {
	r := newRig(t, func(c *Config) { c.AffinityMax, c.AffinityBySource = 100, true })
	r.add(WorkerConfig{Name: "old"})
	for i := range 20 {
		if i < 15 {
			r.Hint(r.now, Hint{Identity: fmt.Sprint("i", i), Address: fmt.Sprint("10.0.0.", i), Prefer: []string{"old"}})
		}
		c, _, _ := r.come(fmt.Sprint("10.0.0.", i))
		r.Opened(r.now, c)
	}
	r.add(WorkerConfig{Name: "new"})
	plan, _, err := r.Rebalance(r.now, Rebalance{Rate: 1000})
	if err != nil || plan.Planned != 5 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for at, ok := r.Deadline(); ok; at, ok = r.Deadline() {
		r.now = at
		r.Tick(at)
	}
	if n := r.worker("old").Pairs; n != 15 {
		t.Errorf("it has %d pairs", n)
	}
	if _, _, name := r.come("10.0.0.19"); name != "new" {
		t.Error("an address that was moved came back")
	}

	r = newRig(t, func(c *Config) { c.Policy = Rendezvous })
	r.add(WorkerConfig{Name: "old"})
	for i := range 100 {
		c, _, _ := r.come(fmt.Sprint("10.0.0.", i))
		r.Opened(r.now, c)
	}
	r.add(WorkerConfig{Name: "new"})
	plan, _, _ = r.Rebalance(r.now, Rebalance{Rate: 1000, DryRun: true})
	if plan.Planned < 35 || plan.Planned > 50 {
		t.Errorf("by rendezvous %d of 100 are moved", plan.Planned)
	}
}

// TestRebalanceOfOne, errors, and stopping.
func TestRebalanceOfOne(t *testing.T) {
	s := newSim(t, 1, nil)
	s.add(WorkerConfig{Name: "a"})
	s.add(WorkerConfig{Name: "b"})
	s.settle(100)
	s.add(WorkerConfig{Name: "c"})
	for _, r := range []Rebalance{{Rate: 0}, {Rate: -1}, {Rate: MaxMoveRate + 1}} {
		if _, _, err := s.Rebalance(s.now, r); !errors.Is(err, ErrWorkerConfig) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if _, _, err := s.Rebalance(s.now, Rebalance{Worker: "x", Rate: 1}); !errors.Is(err, ErrNoWorker) {
		t.Error(err)
	}
	plan, a, _ := s.Rebalance(s.now, Rebalance{Worker: "a", Rate: 5})
	s.do(a)
	if s.run(s.now + time.Second); plan.Planned < 16 || plan.Planned > 17 || s.pairs("b") != 50 || s.pairs("a") > 46 {
		t.Errorf("%+v: %d and %d", plan, s.pairs("a"), s.pairs("b"))
	}
	if !s.StopRebalance(s.now) || s.StopRebalance(s.now) {
		t.Error("it does not stop once")
	}
	before := s.pairs("a")
	s.run(s.now + 5*time.Second)
	if is, _ := s.Rebalancing(s.now); s.pairs("a") != before || is.State != RebalanceStopped || is.Took > 2*time.Second {
		t.Errorf("after it was stopped it is at %+v", is)
	}
}

// TestFailback: identities on a fallback come back when the worker that they
// prefer has been there for long enough, and not when it has gone again.
func TestFailback(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Failback = 10 * time.Second; c.HintMax = 1000 })
	for _, name := range []string{"first", "second", "third"} {
		r.add(WorkerConfig{Name: name})
	}
	come := func(i int) (PeerID, string) {
		r.Hint(r.now, Hint{Identity: fmt.Sprint("i", i), Address: fmt.Sprint("10.0.0.", i), Prefer: []string{"first", "second"}})
		c, _, name := r.come(fmt.Sprint("10.0.0.", i))
		r.Opened(r.now, c)
		return c, name
	}
	r.set("first", Draining)
	for i := range 100 {
		if _, name := come(i); name != "second" {
			t.Fatalf("%d is at %s", i, name)
		}
	}
	for range 10 { // who prefers nothing stays
		c, _, _ := r.come("10.1.1.1")
		r.Opened(r.now, c)
	}
	ticks := func(d time.Duration) (ended int) {
		for end := r.now + d; r.now < end; {
			at, ok := r.Deadline()
			if !ok || at > end {
				r.now = end
				break
			}
			r.now = max(r.now, at)
			for _, a := range r.Tick(r.now) {
				if a.Op == Ended && a.Reason == Moved && a.Record.Identity != "" {
					ended++
				} else if a.Op == Ended {
					t.Fatalf("%v ended by %v", a.Record.Identity, a.Reason)
				}
			}
		}
		return ended
	}
	r.set("first", Ready)
	r.now += 5 * time.Second
	r.set("first", Draining) // a short visit
	if n := ticks(20 * time.Second); n != 0 {
		t.Errorf("%d came back to who had gone again", n)
	}
	r.set("first", Ready)
	if n := ticks(10*time.Second - 1); n != 0 {
		t.Errorf("%d came back too early", n)
	}
	if n := ticks(500 * time.Millisecond); n < 40 || n > 60 {
		t.Errorf("%d of 100 come back in half a second, at 100 a second", n)
	}
	if n := ticks(time.Minute); r.worker("second").Pairs > 10 || n < 40 {
		t.Errorf("in the end the second has %d pairs", r.worker("second").Pairs)
	}
	if _, ok := r.Deadline(); ok {
		t.Error("something is due when all are back")
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

// TestEndOnDown: with it the pairs of a worker that cannot be dialled, and does not
// answer a probe, end; without it they do not.
func TestEndOnDown(t *testing.T) {
	for _, ends := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.EndOnDown = ends })
		r.add(WorkerConfig{Name: "w"})
		for range 3 {
			c, _, _ := r.pairUp()
			r.Opened(r.now, c)
		}
		c, _ := r.connect()
		r.DialFailed(r.now, c, "w")
		r.now += 2 * time.Second
		r.Tick(r.now)
		if n := r.worker("w").Pairs; n != 3 {
			t.Errorf("a dial that failed left %d pairs", n)
		}
		r.Probed(r.now, "w", false)
		if n, end := r.worker("w").Pairs, r.Stats(r.now).Ended[Drained]; n == 0 != ends || end == 3 != ends {
			t.Errorf("%v: a probe that failed left %d pairs, %d have ended", ends, n, end)
		}
	}
}

// TestRebalanceEnds once, in each of the ways in which it can, and then ends nobody more.
func TestRebalanceEnds(t *testing.T) {
	for want, end := range map[RebalanceState]func(s *sim){
		RebalanceStopped: func(s *sim) { s.StopRebalance(s.now) },
		RebalanceReplaced: func(s *sim) {
			// By one that has nothing to do, so that it is over as well.
			if next, _, err := s.Rebalance(s.now, Rebalance{Worker: "new", Rate: 1}); err != nil || next.State != RebalanceDone {
				s.t.Errorf("the next one is %+v, %v", next, err)
			}
		},
		RebalanceInterrupted: func(s *sim) { s.set("new", Draining) },
	} {
		s := newSim(t, 1, nil)
		s.add(WorkerConfig{Name: "old"})
		s.settle(100)
		s.add(WorkerConfig{Name: "new"})
		_, a, _ := s.Rebalance(s.now, Rebalance{Rate: 10})
		s.do(a)
		s.run(s.now + time.Second)
		ended := s.Stats(s.now).Ended[Moved]
		if left := s.Stats(s.now).RebalanceLeft; ended < 8 || ended > 12 || left != 50-int(ended) {
			t.Errorf("%d have ended, and %d are left", ended, left)
		}
		if over, is := s.Rebalanced(); is {
			t.Errorf("what is under way is told to be over: %+v", over)
		}
		end(s)
		over, is := s.Rebalanced()
		if !is || over.State != want || over.Ended != int(ended) || over.Planned != 50 || over.Left() != 0 {
			t.Errorf("%v: %+v, %v", want, over, is)
		}
		s.run(s.now + 10*time.Second)
		if _, is := s.Rebalanced(); is {
			t.Errorf("%v: it is told twice", want)
		}
		if now := s.Stats(s.now); now.Ended[Moved] != ended || now.RebalanceLeft != 0 {
			t.Errorf("%v: %d ended meanwhile, %d afterwards", want, ended, now.Ended[Moved])
		}
	}
}

// TestNobodyIsMovedFromATableThatTakesNobody: by a rebalance, or back to whom it prefers.
func TestNobodyIsMovedFromATableThatTakesNobody(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Failback, c.HintMax = time.Second, 100 })
	r.add(WorkerConfig{Name: "first"})
	r.add(WorkerConfig{Name: "second"})
	r.set("first", Draining)
	for i := range 20 {
		r.Hint(r.now, Hint{Identity: fmt.Sprint("i", i), Address: fmt.Sprint("10.0.0.", i), Prefer: []string{"first"}})
		c, _, _ := r.come(fmt.Sprint("10.0.0.", i))
		r.Opened(r.now, c)
	}
	r.set("first", Ready)
	if _, _, err := r.Rebalance(r.now, Rebalance{Rate: 1}); err != nil {
		t.Fatal(err)
	}
	r.StopWaiting(r.now, Shutdown)
	if over, is := r.Rebalanced(); !is || over.State != RebalanceInterrupted {
		t.Errorf("it is %+v, %v", over, is)
	}
	if plan, _, _ := r.Rebalance(r.now, Rebalance{Rate: 1}); plan.State != RebalanceDone {
		t.Errorf("another is %+v", plan)
	}
	for range 100 {
		r.now += 100 * time.Millisecond
		r.Tick(r.now)
	}
	if n := r.Stats(r.now).Ended[Moved]; n != 0 {
		t.Errorf("%d have been ended", n)
	}
}

// TestRebalanceLooksAtThePresent: when clients have left by themselves, fewer are ended than were planned.
func TestRebalanceLooksAtThePresent(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "old"})
	var clients, workers []PeerID
	for range 100 {
		c, w, _ := r.pairUp()
		r.Opened(r.now, c)
		clients, workers = append(clients, c), append(workers, w)
	}
	r.add(WorkerConfig{Name: "new"})
	if plan, _, err := r.Rebalance(r.now, Rebalance{Rate: 10}); err != nil || plan.Planned != 50 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for i := 40; i < 100; i++ {
		r.leave(clients[i], workers[i])
	}
	for at, ok := r.Deadline(); ok; at, ok = r.Deadline() {
		r.now = at
		moved := 0
		for _, a := range r.Tick(at) {
			if a.Op == Ended && a.Reason == Moved {
				moved++
			}
		}
		for range moved {
			c, _, _ := r.pairUp()
			r.Opened(r.now, c)
		}
	}
	is, _ := r.Rebalancing(r.now)
	if old := r.worker("old").Pairs; old != 20 || is.Ended != 20 || is.State != RebalanceDone {
		t.Errorf("the old worker has %d of 40, and it is %+v", old, is)
	}
}
