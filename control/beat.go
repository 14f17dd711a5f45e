package control

import (
	"context"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// Heartbeats are the one thing that many callers say all the time. Each on its
// own would wake a loop, and with it delay the bytes of its pairs, so they are
// batched for a moment and passed on together. Replies to one caller keep the
// order of its requests: whatever else it says has them passed on first.

const (
	// beatDelay is for how long they are batched, maxBeats how many.
	beatDelay = 5 * time.Millisecond
	maxBeats  = 1024
)

// beat is a HEARTBEAT that waits for its reply.
type beat struct {
	message  message
	verb     *Verb
	caller   *caller
	pool     *stream.Pool
	identity string
	permit   stream.Permit
	answer   wire.Reply
}

// heartbeat takes one that is well-formed. Its reply comes by passBeats.
func heartbeat(c *call) (wire.Reply, error) {
	s := c.server
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	if len(s.beats) == 0 {
		s.beatsDue = time.Now().Add(beatDelay)
	}
	s.beats = append(s.beats, beat{
		message: c.message, verb: c.verb, caller: c.caller, pool: pool, identity: c.arg(0), permit: c.permit(c.arg(0)),
	})
	c.caller.pending++
	return wire.Reply{}, nil
}

// patience is how long the server may wait for requests; below zero: for ever.
func (s *Server) patience() time.Duration {
	if len(s.beats) == 0 {
		return -1
	}
	// A time-out below a millisecond would be none.
	return max(time.Millisecond, time.Until(s.beatsDue))
}

// passBeats passes on what was batched, if its time has come or must, and replies.
func (s *Server) passBeats(ctx context.Context, must bool) error {
	if len(s.beats) == 0 || !must && len(s.beats) < maxBeats && time.Now().Before(s.beatsDue) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, p := range s.proxy.Pools {
		s.passTo(ctx, p)
	}
	var err error
	for i := range s.beats {
		b := &s.beats[i]
		b.caller.pending--
		s.counters.count(b.verb.Name, b.answer.Code)
		if err == nil {
			err = s.send(b.message, b.answer.Frames())
		}
	}
	clear(s.beats)
	s.beats = s.beats[:0]
	return err
}

// passTo passes on what was batched for a pool.
func (s *Server) passTo(ctx context.Context, p *stream.Pool) {
	of, beats := make([]*beat, 0, len(s.beats)), make([]stream.Beat, 0, len(s.beats))
	for i := range s.beats {
		if b := &s.beats[i]; b.pool == p {
			of, beats = append(of, b), append(beats, stream.Beat{Name: b.identity, Permit: b.permit})
		}
	}
	if len(beats) == 0 {
		return
	}
	all, err := p.Beat(ctx, beats)
	for i, b := range of {
		if err != nil {
			b.answer = failure(err)
			continue
		}
		b.answer = renewed(b.identity, all[i])
	}
}

func renewed(identity string, b stream.Renewed) wire.Reply {
	if b.Err != nil {
		return failure(b.Err)
	}
	r, err := leaseOf(identity, b.Info)
	if err != nil {
		return failure(err)
	}
	return r
}
