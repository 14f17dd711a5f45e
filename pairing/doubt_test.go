package pairing

import (
	"fmt"
	"testing"
	"time"
)

// slot has a worker dial in and greet.
func (r *rig) slot(name string) {
	r.next++
	r.WorkerConnected(r.now, r.next, name, Origin{Address: name}, nil)
	r.WorkerReady(r.now, r.next)
}

// visit has a client come and be paired with whatever it gets, a slot or a dial.
func (r *rig) visit() (client, worker PeerID, name string) {
	r.t.Helper()
	client, name = r.connect()
	if name != "" {
		r.next++
		r.Dialled(r.now, client, r.next, nil)
	}
	p := r.Peer(client)
	if p == nil || p.Partner() == nil {
		r.t.Fatalf("client %d got no worker", client)
	}
	return client, p.Partner().ID, p.Worker()
}

// TestBadWorkerLosesPreference has a worker end every pair before it opens, in
// each of the ways, beside a good one that has 20 pairs: it gets about as many
// clients as the good one has, and not all of them.
func TestBadWorkerLosesPreference(t *testing.T) {
	ends := map[string]func(r *rig, c, s PeerID){
		"closed":    func(r *rig, _, s PeerID) { r.Touch(r.now, s); r.Gone(r.now, s, Closed) },
		"reset":     func(r *rig, _, s PeerID) { r.Touch(r.now, s); r.Gone(r.now, s, Reset) },
		"silent":    func(r *rig, _, _ PeerID) { r.now += 10 * time.Second; r.Tick(r.now) },
		"not-zmtp":  func(r *rig, c, _ PeerID) { r.End(r.now, c, NotZMTP) },
		"mechanism": func(r *rig, c, _ PeerID) { r.End(r.now, c, MechanismRefused) },
	}
	for _, policy := range []Policy{LeastConnections, PowerOfTwo} {
		for _, dialsIn := range []bool{false, true} {
			for how, end := range ends {
				t.Run(fmt.Sprint(policy, "/", how, "/", dialsIn), func(t *testing.T) {
					r := newRig(t, func(c *Config) { c.Policy = policy; c.RetryMax = time.Hour })
					r.add(WorkerConfig{Name: "good"})
					for range 20 {
						c, _, _ := r.visit()
						r.Opened(r.now, c)
					}
					if !dialsIn {
						r.add(WorkerConfig{Name: "bad"})
					}
					bad := 0
					for range 200 {
						if dialsIn {
							r.slot("bad")
						}
						c, s, name := r.visit()
						if name == "good" {
							r.Opened(r.now, c)
							r.leave(c, s)
							continue
						}
						bad++
						end(r, c, s)
						r.leave(c, s)
					}
					if most := map[Policy]int{LeastConnections: 21, PowerOfTwo: 80}[policy]; bad > most || bad == 0 {
						t.Errorf("the bad worker got %d of 200, not 1 to %d", bad, most)
					}
					if err := r.check(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// TestDoubtIsBounded: 64 is the most that counts, and the last worker that is
// left is used whatever has ended with it.
func TestDoubtIsBounded(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w", MaxPairs: 1})
	for range 100 {
		c, s, _ := r.visit()
		r.End(r.now, c, NotZMTP)
		r.leave(s)
	}
	if n := r.workers["w"].unopened; n != 64 {
		t.Errorf("%d count, not 64", n)
	}
	if at, ok := r.Deadline(); !ok || at != r.cfg.RetryMax {
		t.Errorf("the doubt is over at %v, %v", at, ok)
	}
	r.now += r.cfg.RetryMax
	r.Tick(r.now)
	if n := r.workers["w"].unopened; n != 0 {
		t.Errorf("%d still count", n)
	}
	if at, ok := r.Deadline(); ok {
		t.Errorf("something is due at %v", at)
	}
}

// TestProbeClearsDoubt: a worker that was set aside and answers is as good as new.
func TestProbeClearsDoubt(t *testing.T) {
	r := newRig(t, func(c *Config) { c.RetryMax = time.Hour })
	r.add(WorkerConfig{Name: "w"})
	c, _, _ := r.visit()
	r.End(r.now, c, NotZMTP)
	c, _ = r.connect()
	r.DialFailed(r.now, c, "w")
	if n := r.workers["w"].unopened; n != 1 {
		t.Fatalf("%d count, not 1", n)
	}
	r.now += 2 * time.Second
	r.Tick(r.now)
	r.Probed(r.now, "w", true)
	if n := r.workers["w"].unopened; n != 0 {
		t.Errorf("%d still count", n)
	}
}
