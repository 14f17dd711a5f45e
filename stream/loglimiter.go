package stream

import "time"

// logPause is the least time between two lines of the log that say the same.
const logPause = 10 * time.Second

// logLimiter keeps a line that could be said again and again from filling the log.
type logLimiter struct {
	said bool
	last time.Duration
}

// due says whether it may be said now, which it is then.
func (l *logLimiter) due(now time.Duration) bool {
	if l.said && now-l.last < logPause {
		return false
	}
	l.said, l.last = true, now
	return true
}
