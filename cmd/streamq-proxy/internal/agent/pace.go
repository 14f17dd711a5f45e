package agent

import (
	"math/rand/v2"
	"time"
)

// pace is when something that fails is to be tried again: after a pause that
// doubles, of which a random half is left out so that many agents do not come at once.
// The zero value is of something that has not failed.
type pace struct {
	pause time.Duration
	next  time.Time
}

// fail notes a failure, and says whether it is the first. Of several at once one counts.
func (p *pace) fail(now time.Time) (first bool) {
	if p.pause > 0 && now.Before(p.next) {
		return false
	}
	first = p.pause == 0
	p.pause = min(max(retryMin, 2*p.pause), retryMax)
	p.next = now.Add(p.pause/2 + rand.N(p.pause/2))
	return first
}

// good notes a success, and says whether it had failed before.
func (p *pace) good() (again bool) {
	again = p.failing()
	*p = pace{}
	return again
}

func (p *pace) failing() bool { return p.pause > 0 }

// wait is how long to wait before the next try.
func (p *pace) wait(now time.Time) time.Duration {
	if !p.failing() {
		return 0
	}
	return max(0, p.next.Sub(now))
}
