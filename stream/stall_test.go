package stream

import (
	"net"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// A turn that takes long is a halt, too: what expires meanwhile has that much longer,
// and what is idle was not idle for it.
func TestLateTurn(t *testing.T) {
	lentPairs(t, func(t *testing.T, r *rig, _, _ net.Conn) {
		for range 3 {
			r.onLoop(func(*loop) { time.Sleep(2 * time.Second) }) // no processor for so long
		}
		s := r.snapshot()
		if s.Stalls == 0 || s.Stalled < 5*time.Second || s.Stats.Open != 1 {
			t.Errorf("%d late turns, by %v, and %d pairs: want some, by 6 s, and 1", s.Stalls, s.Stalled, s.Stats.Open)
		}
		r.expectReasons(1, pairing.IdleExpired)
	}, func(c *Config) {
		c.Pairing.Lease = pairing.Lease{Strategy: pairing.LeaseIdle, TTL: 1500 * time.Millisecond}
	})
}

// What the clock showed when bytes passed while it stood still, in a stall and in the moment after it, is what it had stopped
// at: else an idle lease has what a late turn took twice.
func TestClockAgo(t *testing.T) {
	now := time.Now()
	l := &loop{start: now.Add(-10 * time.Second), clock: 10 * time.Second}
	// 2 s ago the clock, at 9 s, was set back by 6 s, which were 5 s of a stall and the grace.
	l.stalls.past = []stall{{now.Add(-2 * time.Second), 6 * time.Second, 9 * time.Second}}
	for ago, want := range map[time.Duration]time.Duration{
		500 * time.Millisecond:  9500 * time.Millisecond,
		1500 * time.Millisecond: 9 * time.Second, // in the grace
		2500 * time.Millisecond: 9 * time.Second, // in the stall
		8 * time.Second:         8 * time.Second, // before it
	} {
		if is, passed := l.clockAgo(ago), time.Since(now); is < want || is > want+passed {
			t.Errorf("%v ago it was %v, not %v", ago, is, want)
		}
	}
}

// Waiting is not being late, nor is a pause. A busy machine may be late by itself, but not each time.
func TestWaitingIsNotLate(t *testing.T) {
	var s Snapshot
	for range 5 {
		if s = waitsAndPauses(t); s.Stalled < 2*stallLook {
			return
		}
	}
	t.Errorf("%d turns were late, by %v", s.Stalls, s.Stalled)
}

// waitsAndPauses is what a pool has seen that had nothing to do, and then was paused.
func waitsAndPauses(t *testing.T) Snapshot {
	t.Helper()
	r := newRig(t)
	_ = r.slot() // which has an age
	time.Sleep(3 * stallLook)
	if err := r.pool.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * stallMin)
	if err := r.pool.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.snapshot()
}
