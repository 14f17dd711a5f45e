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

// Waiting is not being late, nor is a pause.
func TestWaitingIsNotLate(t *testing.T) {
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
	if s := r.snapshot(); s.Stalled >= 2*stallLook { // a busy machine may be late by itself
		t.Errorf("%d turns were late, by %v", s.Stalls, s.Stalled)
	}
}
