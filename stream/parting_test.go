package stream

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Many pairs that are ended by one word, or at the end of a drain, end one after another, and all in time.
func TestEndsAreSpread(t *testing.T) {
	const pairs = 60
	for _, how := range []struct {
		name  string
		do    func(r *rig) error
		why   pairing.Reason
		first time.Duration // not before
		span  time.Duration // at least
	}{
		{"maintenance", func(r *rig) error { return r.pool.SetWorkerState(t.Context(), "w", pairing.Maintenance) }, pairing.Drained, 0, 550 * time.Millisecond},
		{"kick", func(r *rig) error { return r.pool.KickWorker(t.Context(), "w") }, pairing.Kicked, 0, 550 * time.Millisecond},
		{"drain", func(r *rig) error { r.pool.Drain(800 * time.Millisecond); return nil }, pairing.Drained, 500 * time.Millisecond, 150 * time.Millisecond},
		{"at once", func(r *rig) error { r.pool.Drain(0); return nil }, pairing.Drained, 0, 0},
	} {
		t.Run(how.name, func(t *testing.T) {
			spread := false
			for try := 0; try < 5 && !spread; try++ { // a busy machine may end many at once that it comes to late
				at := endsOf(t, pairs, how.do, how.why)
				first, last := at[0], at[pairs-1]
				t.Logf("the first ended after %v, the last %v later", first, last-first)
				if first < how.first || how.name == "drain" && last < 700*time.Millisecond { // the time begins with the turn of the loop in which it was said
					t.Fatal("that is too early")
				}
				spread = last-first >= how.span
			}
			if !spread {
				t.Error("they are not spread")
			}
		})
	}
}

// endsOf has so many pairs ended, and is when each was.
func endsOf(t *testing.T, pairs int, do func(*rig) error, why pairing.Reason) (at []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var begun time.Time
	endpoint, accept := listeningWorker(t)
	r := newRig(t, withWorker(endpoint), func(c *Config) {
		access := c.Access
		c.Access = func(a *Access) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begun))
			access(a)
		}
	})
	for range pairs {
		r.dialledPair(accept)
	}
	mu.Lock()
	begun = time.Now()
	mu.Unlock()
	if err := do(r); err != nil {
		t.Fatal(err)
	}
	r.expectReasons(pairs, why)
	mu.Lock()
	defer mu.Unlock()
	return at
}

// Pairs that are left when a worker is not in maintenance any more, and who comes after a kick, stay.
func TestEndsThatAreOff(t *testing.T) {
	endpoint, accept := listeningWorker(t)
	r := newRig(t, withWorker(endpoint))
	for range 100 {
		r.dialledPair(accept)
	}
	release := r.stall() // so that the one is said right behind the other
	said := make(chan error, 2)
	for i, state := range []pairing.State{pairing.Maintenance, pairing.Ready} {
		go func() { said <- r.pool.SetWorkerState(t.Context(), "w", state) }()
		eventually(t, "it is said", func() bool { return len(r.pool.commands) > i })
	}
	release()
	if err := errors.Join(<-said, <-said); err != nil {
		t.Fatal(err)
	}
	left := 100 - len(r.reasons())
	if left < 50 {
		t.Fatalf("%d are left", left)
	}
	if err := r.pool.KickWorker(t.Context(), "w"); err != nil {
		t.Fatal(err)
	}
	r.dialledPair(accept)
	eventually(t, "all but one have ended", func() bool { return len(r.reasons()) == 100 })
	r.onLoop(func(l *loop) {
		if _, some := l.partings.next(); some || len(l.pairs()) != 1 {
			t.Errorf("%d pairs are left, and more is to be ended: %v", len(l.pairs()), some)
		}
	})
	if err := r.pool.KickWorker(t.Context(), "x"); err == nil {
		t.Error("x is no worker")
	}
}
