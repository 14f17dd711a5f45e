package pairing

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if err := traceConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Config){
		"policy":            func(c *Config) { c.Policy = "least" },
		"queue-max":         func(c *Config) { c.QueueMax = -1 },
		"queue-timeout":     func(c *Config) { c.QueueTimeout = 30 * time.Second },
		"queue-timeout:":    func(c *Config) { c.QueueTimeout = 0 },
		"handshake-timeout": func(c *Config) { c.HandshakeTimeout = -1 },
		"slot-max-age":      func(c *Config) { c.SlotMaxAge = -1 },
		"finish-timeout":    func(c *Config) { c.FinishTimeout = 0 },
		"max-clients":       func(c *Config) { c.MaxClients = -1 },
		"max-per-address":   func(c *Config) { c.MaxPerAddress = -1 },
		"lease":             func(c *Config) { c.Lease.Strategy = strategyCount },
		"lease-ttl":         func(c *Config) { c.Lease.Strategy = LeaseIdle },
		"affinity-max":      func(c *Config) { c.AffinityMax = -1 },
		"affinity-ttl":      func(c *Config) { c.AffinityTTL = 0 },
		"hint-max":          func(c *Config) { c.HintMax = -1 },
		"hint-ttl":          func(c *Config) { c.HintTTL = 0 },
		"retry-min":         func(c *Config) { c.RetryMin = 0 },
		"retry-max":         func(c *Config) { c.RetryMax = c.RetryMin - 1 },
	} {
		c := traceConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	c := traceConfig()
	c.QueueMax, c.FinishTimeout = -1, 0
	if lines := strings.Split(c.Validate().Error(), "\n"); len(lines) != 2 {
		t.Errorf("two mistakes in %d lines: %q", len(lines), lines)
	}
}

func TestNamesAreReadBack(t *testing.T) {
	for _, r := range Reasons() {
		if got, err := ParseReason(r.String()); got != r || err != nil {
			t.Errorf("%v is read as %v, %v", r, got, err)
		}
	}
	for _, p := range Policies() {
		if got, err := ParsePolicy(p.String()); got != p || err != nil {
			t.Errorf("%v is read as %v, %v", p, got, err)
		}
	}
	for s := range strategyCount {
		if got, err := ParseStrategy(s.String()); got != s || err != nil {
			t.Errorf("%v is read as %v, %v", s, got, err)
		}
	}
	_, reason := ParseReason("none")
	_, policy := ParsePolicy("")
	_, strategy := ParseStrategy("lease")
	if reason == nil || policy == nil || strategy == nil {
		t.Error("nonsense was read")
	}
	if s := Reason(99).String() + PeerState(99).String() + Op(99).String() + State(99).String() + Strategy(99).String(); strings.Count(s, "99") != 5 {
		t.Errorf("out of range: %s", s)
	}
}

func TestWorkerErrors(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w"})
	add := func(c WorkerConfig) error { _, err := r.AddWorker(0, c); return err }
	state := func(name string, s State) error { _, err := r.SetWorkerState(0, name, s); return err }
	weight := func(name string, n int) error { _, err := r.SetWeight(0, name, n); return err }
	most := func(name string, n int) error { _, err := r.SetMaxPairs(0, name, n); return err }
	remove := func(name string) error { _, err := r.RemoveWorker(0, name); return err }
	for _, c := range []struct {
		got, want error
	}{
		{add(WorkerConfig{Name: "w"}), ErrWorkerExists},
		{add(WorkerConfig{}), ErrWorkerConfig},
		{add(WorkerConfig{Name: "x", Weight: 257}), ErrWorkerConfig},
		{add(WorkerConfig{Name: "x", MaxPairs: -1}), ErrWorkerConfig},
		{state("w", SetAside), ErrWorkerConfig},
		{weight("w", -1), ErrWorkerConfig},
		{most("w", -1), ErrWorkerConfig},
		{state("x", Ready), ErrNoWorker},
		{weight("x", 1), ErrNoWorker},
		{most("x", 1), ErrNoWorker},
		{remove("x"), ErrNoWorker},
		{remove("w"), nil},
		{remove("w"), ErrNoWorker},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%v, not %v", c.got, c.want)
		}
	}
}
