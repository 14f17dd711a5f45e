package control

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// seldomPause is how long at least nothing more is logged of one cause.
	seldomPause = time.Minute
	// seldomCauses are remembered; one that was forgotten is logged anew.
	seldomCauses = 4096
)

// seldom bounds what strangers can have logged. It is safe for concurrent use.
type seldom struct {
	mutex sync.Mutex
	told  *simplelru.LRU[string, *telling]
}

// telling is what is known of a cause.
type telling struct {
	next time.Time // it may be logged again
	left int       // out, since it was
}

func newSeldom() (*seldom, error) {
	told, err := simplelru.NewLRU[string, *telling](seldomCauses, nil)
	return &seldom{told: told}, err
}

// due says whether a cause is to be logged now, and how often it was not since it
// last was.
func (s *seldom) due(cause string, now time.Time) (left int, due bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	t, known := s.told.Get(cause)
	if !known {
		t = &telling{}
		s.told.Add(cause, t)
	}
	if now.Before(t.next) {
		t.left++
		return 0, false
	}
	left, t.left, t.next = t.left, 0, now.Add(seldomPause)
	return left, true
}
