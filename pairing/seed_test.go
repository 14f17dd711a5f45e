package pairing

import (
	"fmt"
	"testing"
	"time"
)

// TestSeed: tables with the same seed act alike, and others choose, recycle slots,
// end leases and probe at other times.
func TestSeed(t *testing.T) {
	signs := map[string]func(seed uint64) string{
		"random": func(seed uint64) string {
			r := newRig(t, func(c *Config) { c.Policy, c.Seed = Random, seed })
			for _, name := range []string{"a", "b", "c"} {
				r.add(WorkerConfig{Name: name})
			}
			return fmt.Sprint(r.serveMany(30))
		},
		"ages of slots": func(seed uint64) string {
			r := newRig(t, func(c *Config) { c.SlotMaxAge, c.Seed = 20*time.Second, seed })
			for range 30 {
				r.slot("w")
			}
			return r.ends()
		},
		"ttl": func(seed uint64) string {
			r := newRig(t, func(c *Config) {
				c.Lease, c.HandshakeTimeout, c.Seed = Lease{LeaseTTL, time.Minute}, 0, seed
			})
			r.add(WorkerConfig{Name: "w"})
			r.serveMany(30)
			return r.ends()
		},
		"probe": func(seed uint64) string {
			r := newRig(t, func(c *Config) { c.Seed = seed })
			r.add(WorkerConfig{Name: "w"})
			id, _ := r.connect()
			r.DialFailed(r.now, id, "w")
			return r.worker("w").RetryAt.String()
		},
	}
	for what, sign := range signs {
		if a, b := sign(1), sign(1); a != b {
			t.Errorf("%s: the same seed gave %s and %s", what, a, b)
		}
		if a, b := sign(1), sign(2); a == b {
			t.Errorf("%s: two seeds gave %s", what, a)
		}
	}
}

// ends is when connections end of themselves, in order.
func (r *rig) ends() (all string) {
	for at, ok := r.Deadline(); ok; at, ok = r.Deadline() {
		r.now = at
		for _, a := range r.Tick(at) {
			if a.Op == Abort {
				all += fmt.Sprint(at, " ", a.Peer, "; ")
			}
		}
	}
	return all
}
