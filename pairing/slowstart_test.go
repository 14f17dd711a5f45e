package pairing

import (
	"testing"
	"time"
)

// TestSlowStartCurve: a worker that comes beside one that has many pairs gets, of
// clients that come and go, a share that grows in a straight line to its weight's.
func TestSlowStartCurve(t *testing.T) {
	for _, policy := range []Policy{Random, RoundRobin} {
		r := newRig(t, func(c *Config) { c.Policy, c.SlowStart = policy, 16*time.Second })
		r.add(WorkerConfig{Name: "old"})
		r.connect()
		r.add(WorkerConfig{Name: "new", Weight: 2})
		if left := r.worker("new").SlowStart; left != 16*time.Second {
			t.Errorf("it begins slowly for %v", left)
		}
		for second := range 20 {
			got := 0
			for range 1000 {
				c, s, name := r.pairUp()
				if name == "new" {
					got++
				}
				r.Opened(r.now, c)
				r.leave(c, s)
			}
			weight := 2 * float64(min(second+1, 16)) / 16
			if want := 1000 * weight / (1 + weight); float64(got) < want-60 || float64(got) > want+60 {
				t.Errorf("%v: after %d s it gets %d of 1000, not %.0f", policy, second, got, want)
			}
			r.now += time.Second
			r.Tick(r.now)
		}
		if w := r.worker("new"); w.SlowStart != 0 || w.Weight != 2 {
			t.Errorf("in the end it is %+v", w)
		}
		if _, ok := r.Deadline(); ok {
			t.Error("something is due when all are warm")
		}
	}
}

// TestSlowStartOfLeastConnections: a new worker is not given all clients by its
// having none, and by its maximum less than that.
func TestSlowStartOfLeastConnections(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SlowStart = time.Minute })
	r.add(WorkerConfig{Name: "old"})
	r.serveMany(160)
	r.add(WorkerConfig{Name: "new"})
	r.add(WorkerConfig{Name: "small", MaxPairs: 32})
	r.serveMany(40)
	if n, s := r.worker("new").Pairs, r.worker("small").Pairs; n < 9 || n > 12 || s != 2 {
		t.Errorf("the new worker got %d of 40, that with a maximum %d", n, s)
	}
	r.now += time.Minute
	r.Tick(r.now)
	r.serveMany(30)
	if s := r.worker("small").Pairs; s < 10 {
		t.Errorf("when it is warm the one with a maximum has %d", s)
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

// TestWhoBeginsSlowly: a worker that is back from failing, from an operator, or
// after it was away, but not at the proxy's start, nor by redialling.
func TestWhoBeginsSlowly(t *testing.T) {
	r := newRig(t, func(c *Config) { c.SlowStart = time.Minute; c.Policy = RoundRobin })
	slow := func(name string, want bool, when string) {
		t.Helper()
		if got := r.worker(name).SlowStart > 0; got != want {
			t.Errorf("%s begins slowly %s: %v", name, when, got)
		}
	}
	r.add(WorkerConfig{Name: "a"})
	r.add(WorkerConfig{Name: "bad"})
	slow("bad", false, "at the proxy's start")
	c, _ := r.connect()
	r.leave(c)
	r.set("a", Draining)
	slow("a", false, "while it drains")
	r.set("a", Ready)
	slow("a", true, "after it was drained")
	r.now += time.Minute
	r.Tick(r.now)
	slow("a", false, "after a minute")

	r.tryUntilEjected()
	r.now = r.worker("bad").RetryAt
	r.Tick(r.now)
	slow("bad", true, "after it was ejected")

	r.set("a", Maintenance)
	r.set("bad", Maintenance)
	r.slot("d")
	slow("d", true, "when it is new")
	r.now += time.Minute
	r.Tick(r.now)
	r.leave(r.next)
	r.now += redialFor - 1
	r.slot("d")
	slow("d", false, "when it has redialled")
	r.leave(r.next)
	r.now += redialFor
	r.slot("d")
	slow("d", true, "when it was away")

	cfg := r.cfg
	cfg.SlowStart = 0
	r.Reconfigure(r.now, cfg)
	slow("d", false, "when it is turned off")
	if err := r.check(); err != nil {
		t.Error(err)
	}
}
