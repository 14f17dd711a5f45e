package pairing

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"
)

// slot has a worker dial in and greet.
func (r *rig) slot(name string) {
	r.next++
	r.WorkerConnected(r.now, r.next, name, Origin{Address: name}, nil)
	r.WorkerReady(r.now, r.next)
}

// come has a client from an address come and be paired with whatever it gets.
func (r *rig) come(address string) (client, worker PeerID, name string) {
	r.t.Helper()
	r.next++
	client = r.next
	r.ClientConnected(r.now, client, Origin{Address: address}, nil)
	for _, a := range r.ClientReady(r.now, client) {
		if a.Op == Dial {
			r.next++
			r.Dialled(r.now, client, r.next, nil)
		}
	}
	p := r.Peer(client)
	if p == nil || p.Partner() == nil {
		r.t.Fatalf("client %d got no worker", client)
	}
	return client, p.Partner().ID, p.Worker()
}

// try has a client come, and says who it was sent to: a pair with "bad" fails, one
// with another opens and ends.
func (r *rig) try(address string) string {
	r.t.Helper()
	c, s, name := r.come(address)
	if name != "bad" {
		r.Opened(r.now, c)
		r.leave(c, s)
		return name
	}
	r.leave(s, c)
	return name
}

// tryUntilEjected is how many clients a bad worker lost until it was ejected.
func (r *rig) tryUntilEjected() (lost int) {
	r.t.Helper()
	for range 100 {
		if r.worker("bad").State == SetAside {
			return lost
		}
		if r.try("") == "bad" {
			lost++
		}
	}
	r.t.Fatalf("after 100 clients the bad worker has lost %d, and is there", lost)
	return lost
}

func TestSurprise(t *testing.T) {
	for failed := uint64(1); failed < 30; failed += 3 {
		for opened := range uint64(20) {
			for others := uint64(0); others < 40; others += 7 {
				n := int64(opened + others)
				ways := new(big.Float).SetInt(new(big.Int).Binomial(n+int64(failed), int64(opened)))
				without := new(big.Float).SetInt(new(big.Int).Binomial(n, int64(opened)))
				ratio, _ := ways.Quo(ways, without).Float64()
				if got := surprise(failed, outcomes{opened, others}); math.Abs(got-math.Log2(ratio)) > 1e-9*(1+got) {
					t.Fatalf("%d failed, of the others %d opened and %d failed: %v bits, not %v", failed, opened, others, got, math.Log2(ratio))
				}
			}
		}
	}
}

// TestOutlier ejects a worker in each of the ways in which it may fail.
func TestOutlier(t *testing.T) {
	ends := map[string]func(r *rig, c, s PeerID){
		"closed":    func(r *rig, c, s PeerID) { r.leave(s, c) },
		"reset":     func(r *rig, c, s PeerID) { r.Gone(r.now, s, Reset); r.leave(c) },
		"left":      func(r *rig, c, s PeerID) { r.leave(c, s) },
		"silent":    func(r *rig, _, _ PeerID) { r.now += 10 * time.Second; r.Tick(r.now) },
		"not-zmtp":  func(r *rig, c, _ PeerID) { r.End(r.now, c, NotZMTP) },
		"mechanism": func(r *rig, c, _ PeerID) { r.End(r.now, c, MechanismRefused) },
	}
	for _, policy := range Policies() {
		for _, dialsIn := range []bool{false, true} {
			for how, end := range ends {
				t.Run(fmt.Sprint(policy, "/", how, "/", dialsIn), func(t *testing.T) {
					r := newRig(t, func(c *Config) { c.Policy = policy; c.RetryMax = time.Hour })
					r.add(WorkerConfig{Name: "good"})
					for range 20 {
						c, _, _ := r.come("")
						r.Opened(r.now, c)
					}
					if !dialsIn {
						r.add(WorkerConfig{Name: "bad"})
					}
					bad := 0
					for range 100 {
						if dialsIn {
							r.slot("bad")
						}
						c, s, name := r.come("")
						if name == "good" {
							r.Opened(r.now, c)
							continue
						}
						bad++
						end(r, c, s)
						if r.worker("bad").State == SetAside {
							break
						}
					}
					if w := r.worker("bad"); bad > 14 || !w.Outlier || w.Failures != 1 || w.RetryAt != r.now+r.cfg.RetryMin {
						t.Errorf("after %d clients it is %+v", bad, w)
					}
					if err := r.check(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// TestOutlierOnTrial: an ejected worker gets clients again by itself, is not
// probed, is ejected for twice as long after fewer failures, and is as good as new
// when a pair with it has opened.
func TestOutlierOnTrial(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "bad"})
	r.add(WorkerConfig{Name: "good"})
	r.Watch()
	first := r.tryUntilEjected()
	if c := r.Changes(); len(c) != 1 || c[0] != (WorkerChange{Worker: "bad", Change: WorkerDown, State: SetAside}) {
		t.Errorf("the changes are %v", c)
	}
	for _, after := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
		if got := r.worker("bad").RetryAt - r.now; got != after {
			t.Errorf("it is ejected for %v, not %v", got, after)
		}
		if e, _ := r.Explain(r.now, "nobody"); len(e.Candidates) > 0 {
			t.Error("nobody is known")
		}
		if r.try("") == "bad" {
			t.Error("an ejected worker got a client")
		}
		if at, ok := r.Deadline(); !ok || at != r.worker("bad").RetryAt {
			t.Errorf("the next thing to do is at %v", at)
		}
		r.now = r.worker("bad").RetryAt
		r.expect("the ejection is over", r.Tick(r.now))
		if w := r.worker("bad"); w.State != Ready || w.RetryAt != 0 {
			t.Errorf("after it was ejected it is %+v", w)
		}
		if again := r.tryUntilEjected(); again >= first {
			t.Errorf("it lost %d clients at first and %d on trial", first, again)
		}
	}
	r.now = r.worker("bad").RetryAt
	r.Tick(r.now)
	for r.worker("bad").Served == 0 || r.workers["bad"].attempt > 0 {
		c, s, name := r.come("")
		if name == "bad" {
			r.Opened(r.now, c)
		}
		r.leave(c, s)
	}
	r.tryUntilEjected()
	if got := r.worker("bad").RetryAt - r.now; got != time.Second {
		t.Errorf("after a pair had opened it was ejected for %v", got)
	}
}

// TestOutlierIsTheLast: an ejected worker serves when nobody else can, at once,
// also those who wait and where nobody may.
func TestOutlierIsTheLast(t *testing.T) {
	for _, queue := range []int{0, 10} {
		r := newRig(t, func(c *Config) { c.QueueMax = queue })
		r.add(WorkerConfig{Name: "bad", MaxPairs: 1})
		r.add(WorkerConfig{Name: "good"})
		r.tryUntilEjected()
		r.set("good", Maintenance)
		if !r.Usable() {
			t.Error("the pool is not usable, and it serves")
		}
		c, s, name := r.come("")
		if name != "bad" || r.worker("bad").State != Ready {
			t.Errorf("the client went to %q", name)
		}
		if queue > 0 { // it is full now
			if _, name := r.connect(); name != "" {
				t.Errorf("a client went to %q", name)
			}
			r.expect("it is free again", r.Gone(r.now, s, Closed), fmt.Sprintf("close %d with %d of bad: refused-by-worker", c, s))
			if a := r.Gone(r.now, c, Closed); len(a) != 2 || a[1].Op != Dial || a[1].Worker != "bad" {
				t.Errorf("who waited got %v", a)
			}
		}
		if err := r.check(); err != nil {
			t.Error(err)
		}
	}
}

// TestOperatorEndsEjection, and the failure of a dial, after which it is probed.
func TestOperatorEndsEjection(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Policy = RoundRobin })
	r.add(WorkerConfig{Name: "bad"})
	r.add(WorkerConfig{Name: "good"})
	r.tryUntilEjected()
	r.set("bad", Ready)
	if w := r.worker("bad"); w.State != Ready || w.Outlier || r.workers["bad"].streak.length != 0 {
		t.Errorf("it is %+v", w)
	}
	r.set("good", Draining)
	id, _ := r.connect()
	r.set("good", Ready)
	r.tryUntilEjected()
	r.DialFailed(r.now, id, "bad")
	if w := r.worker("bad"); w.State != SetAside || w.Outlier {
		t.Errorf("after a dial that failed it is %+v", w)
	}
	r.now = r.worker("bad").RetryAt
	r.expect("its back-off is over", r.Tick(r.now), "probe of bad at tcp://bad")
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

// TestStreakEnds by an operator's word, an answer to a probe, a pair that opens,
// and after a while.
func TestStreakEnds(t *testing.T) {
	for how, end := range map[string]func(r *rig){
		"state":  func(r *rig) { r.set("bad", Draining) },
		"opened": func(r *rig) { c, _, _ := r.come(""); r.Opened(r.now, c) },
		"while":  func(r *rig) { r.now += r.cfg.RetryMax; r.Tick(r.now) },
		"probe": func(r *rig) {
			id, _ := r.connect()
			r.DialFailed(r.now, id, "bad")
			r.now += 2 * time.Second
			r.Tick(r.now)
			r.Probed(r.now, "bad", true)
		},
	} {
		r := newRig(t, nil)
		r.add(WorkerConfig{Name: "bad"})
		for range 5 {
			r.try("")
		}
		if n := r.workers["bad"].streak.length; n != 5 {
			t.Fatalf("%d in a row", n)
		}
		if end(r); r.workers["bad"].streak.length != 0 {
			t.Errorf("%s: the streak goes on", how)
		}
	}
}

// TestPreferringClientCountsOnce: a bad client that always comes to the worker
// that it prefers does not have it ejected, but many who prefer it do.
func TestPreferringClientCountsOnce(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "bad"})
	r.add(WorkerConfig{Name: "good"})
	visit := func(identity, worker string) {
		r.Hint(r.now, Hint{Identity: identity, Address: identity, Prefer: []string{worker}})
		if name := r.try(identity); name != worker {
			t.Fatalf("%s went to %s", identity, name)
		}
	}
	for range 50 {
		visit("x", "bad")
		visit("y", "good")
	}
	if w := r.worker("bad"); w.State != Ready || r.workers["bad"].streak.length != 1 {
		t.Errorf("after one bad client it is %+v, with a streak of %d", w, r.workers["bad"].streak.length)
	}
	many := 1
	for ; r.worker("bad").State == Ready && many < 20; many++ {
		visit(fmt.Sprint("x", many), "bad")
		visit("y", "good")
	}
	if many < outlierLeast || many > 10 {
		t.Errorf("it was ejected after %d bad clients", many)
	}
}

// TestFailing: who fails is known, worst first, for as many addresses and as long
// as it says, and once for each time that somebody asks what is new.
func TestFailing(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxPerAddress = 2 })
	r.add(WorkerConfig{Name: "bad"})
	for range 3 {
		r.try("10.0.0.1")
	}
	c, s, _ := r.come("10.0.0.2")
	r.Opened(r.now, c)
	for range 2 {
		r.connect() // from 10.0.0.1
	}
	for range 5 {
		r.next++
		r.ClientConnected(r.now, r.next, Origin{Address: "10.0.0.1"}, nil)
	}
	r.now += time.Second
	c2, s2, _ := r.come("10.0.0.3")
	r.Gone(r.now, c2, Reset)
	r.leave(s2)
	r.leave(c, s) // it was open
	r.now += time.Second
	worst, all := r.Failing(r.now, 1)
	if all != 2 || len(worst) != 1 || worst[0] != (Failing{"10.0.0.1", QueueFull, 8, 2 * time.Second, 2 * time.Second, ""}) {
		t.Errorf("the worst of %d is %+v", all, worst)
	}
	sum := r.FailedSince(r.now, 5)
	if sum.Count != 9 || sum.Addresses != 2 || sum.Reasons[QueueFull] != 5 || sum.Reasons[RefusedByWorker] != 3 || sum.Reasons[ClientGaveUp] != 1 {
		t.Errorf("in sum %+v", sum)
	}
	if len(sum.Worst) != 2 || sum.Worst[1] != (Failing{"10.0.0.3", ClientGaveUp, 1, time.Second, time.Second, ""}) {
		t.Errorf("the worst are %+v", sum.Worst)
	}
	if sum := r.FailedSince(r.now, 5); sum.Count != 0 || sum.Addresses != 0 {
		t.Errorf("nothing has failed since, not %+v", sum)
	}
	r.try("10.0.0.3")
	if sum := r.FailedSince(r.now, 5); sum.Count != 1 || sum.Worst[0].Count != 1 {
		t.Errorf("one has failed since, not %+v", sum)
	}
	for i := range 2000 {
		r.try(fmt.Sprint("10.1.", i/250, ".", i%250))
	}
	if _, all := r.Failing(r.now, 0); all != failingMax {
		t.Errorf("%d addresses are known", all)
	}
	r.now += failingFor
	if _, all := r.Failing(r.now, 10); all != 0 {
		t.Errorf("%d addresses are known for ever", all)
	}
}

// What the last failure that means something means is told of its address, and of the
// address alone when nothing of it is there any more.
func TestFailingHint(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w"})
	r.AskHint(func(_ any, why Reason) string { return map[Reason]string{RefusedByWorker: "another key"}[why] })
	for _, first := range []bool{false, true} { // the worker's end, which means something, and then the client's
		c, s, _ := r.come("10.0.0.1")
		if first {
			c, s = s, c
		}
		r.leave(s, c)
	}
	worst, _ := r.Failing(r.now, 1)
	if len(worst) != 1 || worst[0].Count != 2 || worst[0].Hint != "another key" {
		t.Errorf("%+v", worst)
	}
	e, known := r.Explain(r.now, "10.0.0.1")
	if !known || e.Failing == nil || *e.Failing != worst[0] || len(e.Peers) != 0 {
		t.Errorf("%+v %t", e, known)
	}
	if _, known := r.Explain(r.now, "10.0.0.2"); known {
		t.Error("an address that nobody came from is known")
	}
	r.now += failingFor
	if _, known := r.Explain(r.now, "10.0.0.1"); known {
		t.Error("it is known for ever")
	}
}
