package control

import (
	"context"
	"time"

	"github.com/streamq/streamq-proxy/stream"
)

// Heartbeats are the one thing that many callers say all the time. Each on its
// own would wake a loop, and with it delay the bytes of its pairs, so they are
// gathered for a moment and passed on together. Replies to one caller keep the
// order of its requests: whatever else it says has them passed on first.

const (
	// beatDelay is for how long they are gathered, maxBeats how many.
	beatDelay = 5 * time.Millisecond
	maxBeats  = 1024
)

// beat is a HEARTBEAT that waits for its reply.
type beat struct {
	message  message
	caller   *caller
	pool     *stream.Pool
	identity string
	judge    stream.Judge
}

// gather takes a HEARTBEAT that is well-formed.
func (s *Server) gather(c *call, m message) error {
	pool, err := c.pool()
	if err != nil {
		return err
	}
	if len(s.beats) == 0 {
		s.beatsDue = time.Now().Add(beatDelay)
	}
	s.beats = append(s.beats, beat{m, c.caller, pool, c.arg(0), c.judge(c.arg(0))})
	c.caller.pending++
	return nil
}

// patience is how long the server may wait for requests; below zero: for ever.
func (s *Server) patience() time.Duration {
	if len(s.beats) == 0 {
		return -1
	}
	// A time-out below a millisecond would be none.
	return max(time.Millisecond, time.Until(s.beatsDue))
}

// passBeats passes on what was gathered, if its time has come or must, and replies.
func (s *Server) passBeats(ctx context.Context, must bool) error {
	if len(s.beats) == 0 || !must && len(s.beats) < maxBeats && time.Now().Before(s.beatsDue) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answers := make([]Reply, len(s.beats))
	for _, p := range s.proxy.Pools {
		var of []int
		var beats []stream.Beat
		for i, b := range s.beats {
			if b.pool == p {
				of, beats = append(of, i), append(beats, stream.Beat{Name: b.identity, Judge: b.judge})
			}
		}
		if len(beats) == 0 {
			continue
		}
		all, err := p.Beat(ctx, beats)
		for k, i := range of {
			if err != nil {
				answers[i] = failure(err)
				continue
			}
			answers[i] = beaten(s.beats[i].identity, all[k])
		}
	}
	beats := s.beats
	s.beats = nil
	for i, b := range beats {
		b.caller.pending--
		s.counters.count("HEARTBEAT", answers[i].Code)
		if err := s.send(b.message, answers[i].frames()); err != nil {
			return err
		}
	}
	return nil
}

func beaten(identity string, b stream.Beaten) Reply {
	if b.Err != nil {
		return failure(b.Err)
	}
	r, err := leaseOf(identity, b.Info)
	if err != nil {
		return failure(err)
	}
	return r
}
