package stream

import (
	"slices"
	"time"
)

// A process can be stopped: by SIGSTOP, by a snapshot or a migration of its virtual
// machine, by a frozen cgroup, by swapping. CLOCK_MONOTONIC goes on meanwhile, so
// that the first turn afterwards would see every deadline passed, and would have
// heard nobody yet. A loop that gets no processor for a while is in the same place.
// So a reading of the clock that comes much later than it had to counts as a halt, as
// [Pool.Pause] does: the clock did not run. And it stands still a moment longer, so
// that what waited, in sockets and with the control server, is heard before anything expires.
const (
	// stallLook is how long a loop for which something expires waits at most, so that a
	// stop of more than stallLook and stallMin is never taken for waiting.
	stallLook = 500 * time.Millisecond
	// stallMin is how late a reading must be to count. Leases have more room than
	// that, and a busy machine is that late too often to be told of.
	stallMin = 500 * time.Millisecond
	// stallGrace is for hearing who waited.
	stallGrace = time.Second
	// stallsKept bounds the memory for stalls; older ones are taken together.
	stallsKept = 64
	// stallTelling is the least time between two lines in the log.
	stallTelling = 10 * time.Second
)

// stalls are the halts that nobody asked for.
type stalls struct {
	seen  time.Duration // a reading of the clock is late from then on
	past  []stall       // oldest first
	count uint64
	total time.Duration // how late, in all
	told  time.Time     // when the log was
	quiet time.Duration // of total, what the log was not told
}

// stall is a moment at which the clock was set back.
type stall struct {
	at    time.Time
	set   time.Duration
	clock time.Duration // what it had shown until then, and shows for a moment longer
}

// waited takes in that the loop has waited on purpose, since its last reading.
func (s *stalls) waited(patience time.Duration, reading time.Duration) {
	if patience < 0 { // nothing could have expired
		s.seen = reading
		return
	}
	s.seen += patience
}

// read reads the clock, which stands still for a stall and a moment after it.
func (l *loop) read() {
	reading := time.Since(l.start)
	if late := reading - l.stalls.seen; late > stallMin {
		l.clock = max(l.clock, l.stalls.seen)
		l.stalled(late, reading-(l.clock-stallGrace))
		reading = l.clock - stallGrace
	}
	l.stalls.seen = reading
	l.clock = max(l.clock, reading)
}

// stalled sets the clock back, since a reading of it was late.
func (l *loop) stalled(late, set time.Duration) {
	s := &l.stalls
	l.start = l.start.Add(set)
	now := time.Now()
	if s.past = append(s.past, stall{now, set, l.clock}); len(s.past) > stallsKept {
		s.past[1].set += s.past[0].set
		s.past = s.past[1:]
	}
	s.count++
	s.total += late
	s.quiet += late
	if now.Sub(s.told) < stallTelling {
		return
	}
	l.cfg.Log.Warn("this process was stopped, or had no processor: nothing expires because of it",
		"pool", l.fixed.Name, "for", s.quiet.Round(time.Millisecond))
	s.told, s.quiet = now, 0
}

// clockAgo is what the clock showed so long ago, in true time.
func (l *loop) clockAgo(ago time.Duration) time.Duration {
	at := time.Now().Add(-ago)
	clock, most := at.Sub(l.start), l.clock
	for _, s := range slices.Backward(l.stalls.past) {
		if !at.Before(s.at) {
			clock = max(clock, s.clock)
			break
		}
		clock += s.set
		most = s.clock // in the stall itself: what passes while a turn is late
	}
	return min(clock, most)
}
