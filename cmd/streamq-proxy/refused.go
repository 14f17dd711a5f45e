//go:build linux && cgo

package main

import (
	"time"

	"github.com/streamq/streamq-proxy/stream"
)

const (
	// refusedLook is how often it is looked whether connections were refused, and
	// refusedPause how long at least it is until that is logged again.
	refusedLook  = 5 * time.Second
	refusedPause = time.Minute
)

// refused is what was logged of connections that were closed as they came.
type refused struct {
	told uint64
	next time.Time // may be told again
}

// news is how many there are that were not told, when it is time to tell them.
func (r *refused) news(count uint64, now time.Time) uint64 {
	if count == r.told || now.Before(r.next) {
		return 0
	}
	n := count - r.told
	r.told, r.next = count, now.Add(refusedPause)
	return n
}

// tellRefused logs that connections are refused, until the pools have ended.
func (s *server) tellRefused() {
	told := refused{told: stream.Refused()}
	look := time.NewTicker(refusedLook)
	defer look.Stop()
	for {
		select {
		case <-s.ended:
			return
		case now := <-look.C:
			if n := told.news(stream.Refused(), now); n > 0 {
				s.log.Warn("connections were closed as they came: descriptors are scarce (ulimit -n)", "connections", n)
			}
		}
	}
}
