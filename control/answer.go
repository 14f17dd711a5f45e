package control

import (
	"context"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

const (
	// askTimeout bounds how long one request may wait for a loop.
	askTimeout = 2 * time.Second
	// reloadTimeout bounds RELOAD, which reads a file and asks all loops.
	reloadTimeout = 10 * time.Second
	// upgradeTimeout bounds UPGRADE, which starts a process and waits until it is in place.
	upgradeTimeout = 40 * time.Second
)

// outcome is what has become of a request.
type outcome struct {
	frames []any // of the reply
	// batched requests are replied to later, see beat.go.
	batched bool
}

// answer executes a request and replies, exactly once.
func (s *Server) answer(ctx context.Context, m message) error {
	now := time.Now()
	c := s.callers.of(m.id, m.user, m.address, now)
	if c.pending > 0 && !s.batches(m) {
		if err := s.passBeats(ctx, true); err != nil {
			return err
		}
	}
	o := s.execute(ctx, c, m, now)
	if o.batched {
		return nil
	}
	if c.pending > 0 {
		if err := s.passBeats(ctx, true); err != nil {
			return err
		}
	}
	return s.send(m, o.frames)
}

// batches says whether a message is of a verb whose requests are batched.
func (s *Server) batches(m message) bool {
	v := s.verbOf(m)
	return v != nil && v.Batched
}

// verbOf is the verb of a message, nil when there is no such.
func (s *Server) verbOf(m message) *Verb {
	if len(m.frames) == 0 {
		return nil
	}
	return s.verbs[string(m.frames[0])]
}

// execute is everything about a request but its envelope.
func (s *Server) execute(ctx context.Context, from *caller, m message, now time.Time) outcome {
	r, err := wire.ParseRequest(m.frames)
	if !s.callers.admit(from, now) {
		err = wire.Errorf(wire.SlowDown, "more than %d requests a second", s.cfg.Rate)
		if !from.silenced {
			from.silenced = true
			s.log.Warn("control: a caller is too fast", "address", from.address, "caller", from.who)
		}
	}
	c := &call{ctx: ctx, desk: s.desk, server: s, caller: from, message: m, verb: s.verbs[r.Verb]}
	var answer wire.Reply
	if err == nil {
		answer, err = s.perform(c, r, now)
	}
	if err == nil && c.verb.Batched {
		return outcome{batched: true}
	}
	if err != nil {
		answer = failure(err)
	}
	s.counters.count(r.Verb, answer.Code)
	s.note(c, r, answer)
	if err == nil && c.verb.Steerable && len(m.frames) == 1 {
		return outcome{frames: answer.SteerableFrames()}
	}
	return outcome{frames: answer.Frames()}
}

// perform has a verb do what a request asks for.
func (s *Server) perform(c *call, r wire.Request, now time.Time) (wire.Reply, error) {
	if c.verb == nil || !c.verb.Batched { // one that is batched has all its time when it is passed on
		limit := askTimeout
		if c.verb != nil {
			limit = c.verb.timeout()
		}
		var cancel context.CancelFunc
		c.ctx, cancel = context.WithTimeout(c.ctx, limit)
		defer cancel()
	}
	s.renew(c, now)
	if err := s.understand(c, r); err != nil {
		return wire.Reply{}, err
	}
	return c.verb.run(c)
}

// renew has anything that a caller says renew what it said HELLO for.
func (s *Server) renew(c *call, now time.Time) {
	if len(c.caller.identities) == 0 || now.Sub(c.caller.renewed) < renewEvery {
		return
	}
	c.caller.renewed = now
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	for _, p := range s.proxy.Pools {
		if names := c.caller.identities[p.Name()]; len(names) > 0 {
			if err := p.Renew(ctx, names); err != nil {
				s.log.Warn("control: leases were not renewed", "pool", p.Name(), "error", err)
			}
		}
	}
}
