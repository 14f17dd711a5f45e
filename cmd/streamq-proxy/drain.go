//go:build linux && cgo

package main

import (
	"context"
	"time"
)

// end is when a proxy that was told to end does so; the zero value for one that
// was not. Until from it is a lame duck, unready and serving, so that a balancer
// has time to send clients elsewhere; from then on it drains, until by. Both are of the
// clock that stands still while the process is stopped.
type end struct {
	from, by time.Time
	due      <-chan time.Time // at from, or earlier, to look again
}

// endAfter has the proxy drain after delay, and let pairs go on for timeout then;
// who names in the log what has asked for it. Of several ends the earliest counts: endAfter says
// what is left until then.
func (s *server) endAfter(delay, timeout time.Duration, who ...any) (left time.Duration) {
	now := s.awake.now()
	e, first := end{from: now.Add(delay), by: now.Add(delay + timeout)}, s.end.by.IsZero()
	if first {
		go s.awake.keep(s.ended)
	}
	if !first && !e.by.Before(s.end.by) {
		left = max(0, s.end.by.Sub(now))
		s.log.Info("draining already: the earlier deadline stays", append(who, "deadline", left.Round(time.Millisecond), "asked", delay+timeout)...)
		return left
	}
	if !first && s.end.from.Before(e.from) {
		e.from = s.end.from
	}
	s.ending.Store(true)
	s.end = e
	if wait := e.from.Sub(now); wait > 0 {
		s.log.Info("unready, and serving until it drains", append(who, "drain-delay", wait.Round(time.Millisecond), "deadline", e.by.Sub(now).Round(time.Millisecond))...)
		s.serveOn()
		s.end.due = time.After(min(wait, awakeLook))
	} else {
		s.drain(who...)
	}
	return e.by.Sub(now)
}

// drainWhenDue drains once from has come, which a stop of the process puts off.
func (s *server) drainWhenDue() {
	if wait := s.end.from.Sub(s.awake.now()); wait > 0 {
		s.end.due = time.After(min(wait, awakeLook))
		return
	}
	s.drain()
}

// drain lets pairs go on until the deadline.
func (s *server) drain(who ...any) {
	s.end.due = nil
	s.draining.Store(true)
	left := max(0, s.end.by.Sub(s.awake.now())).Round(time.Millisecond)
	s.log.Info("draining: pairs may go on until they end by themselves", append(who, "deadline", left)...)
	for _, p := range s.pools {
		p.Drain(left)
	}
}

// serveOn makes lame ducks of the pools. One that is paused would serve nobody, so
// it goes on first, as it does when it drains.
func (s *server) serveOn() {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	for _, p := range s.pools {
		p.SetLameDuck(true)
		if p.Paused() {
			_ = p.Resume(ctx) // a loop that is stuck has a second signal
		}
	}
}
