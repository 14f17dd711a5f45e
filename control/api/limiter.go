package api

import (
	"sync"
	"time"
)

// limiter lets so many pass a second, and so many at once.
type limiter struct {
	mutex    sync.Mutex
	rate     float64
	burst    float64
	left     float64
	refilled time.Time
}

func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, left: burst, refilled: time.Now()}
}

// admit says whether one more may pass.
func (l *limiter) admit(now time.Time) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.left = min(l.burst, l.left+now.Sub(l.refilled).Seconds()*l.rate)
	l.refilled = now
	if l.left < 1 {
		return false
	}
	l.left--
	return true
}
