package control

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// logPause is how long at least nothing more is logged of one cause.
	logPause = time.Minute
	// logCauses are remembered; one that was forgotten is logged anew.
	logCauses = 4096
)

// logLimiter bounds what strangers can have logged. It is safe for concurrent use.
type logLimiter struct {
	mutex sync.Mutex
	told  *simplelru.LRU[string, *logged]
}

// logged is what is known of a cause.
type logged struct {
	next time.Time // it may be logged again
	left int       // out, since it was
}

func newLogLimiter() (*logLimiter, error) {
	told, err := simplelru.NewLRU[string, *logged](logCauses, nil)
	return &logLimiter{told: told}, err
}

// due says whether a cause is to be logged now, and how often it was not since it
// last was.
func (s *logLimiter) due(cause string, now time.Time) (left int, due bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	t, known := s.told.Get(cause)
	if !known {
		t = &logged{}
		s.told.Add(cause, t)
	}
	if now.Before(t.next) {
		t.left++
		return 0, false
	}
	left, t.left, t.next = t.left, 0, now.Add(logPause)
	return left, true
}
