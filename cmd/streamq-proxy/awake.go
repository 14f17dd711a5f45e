//go:build linux && cgo

package main

import (
	"sync"
	"time"
)

const (
	// awakeLook is how often the clock is read at least, so that a stop of more than
	// awakeLook and awakeMin is never taken for time that has passed.
	awakeLook = 500 * time.Millisecond
	// awakeMin is how late a reading must be to count as a stop; a busy machine is late too.
	awakeMin = 500 * time.Millisecond
)

// awake is a clock that stands still while the process is stopped, by SIGSTOP or with
// its machine, as those of the pools do; the zero value is ready. Somebody has to keep it.
type awake struct {
	mu      sync.Mutex
	last    time.Time     // the true time of the last reading
	stopped time.Duration // in all
}

// now is the time, less what the process was stopped since the first reading. It may be called by anybody.
func (a *awake) now() time.Time { return a.at(time.Now) }

func (a *awake) at(read func() time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := read() // not before the lock: whoever waited for it would be behind last
	if late := now.Sub(a.last) - awakeLook; !a.last.IsZero() && late > awakeMin {
		a.stopped += late
	}
	a.last = now
	return now.Add(-a.stopped)
}

// keep reads the clock until done is closed, so that only a stop is late.
func (a *awake) keep(done <-chan struct{}) {
	look := time.NewTicker(awakeLook)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-look.C:
			a.now()
		}
	}
}
