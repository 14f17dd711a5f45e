package control

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

const (
	// askTimeout bounds how long one request may wait for a loop.
	askTimeout = 2 * time.Second
	// reloadTimeout bounds RELOAD, which reads a file and asks all loops.
	reloadTimeout = 10 * time.Second
)

// answer executes a request and replies, exactly once.
func (s *Server) answer(ctx context.Context, m message) error {
	now := time.Now()
	c := s.callers.of(m.id, m.user, m.address, now)
	if c.pending > 0 && (len(m.frames) == 0 || string(m.frames[0]) != "HEARTBEAT") {
		if err := s.passBeats(ctx, true); err != nil {
			return err
		}
	}
	frames := s.execute(ctx, c, m, now)
	if frames == nil { // a heartbeat that was gathered
		return nil
	}
	if c.pending > 0 {
		if err := s.passBeats(ctx, true); err != nil {
			return err
		}
	}
	return s.send(m, frames)
}

// execute is everything about a request but its envelope. nil stands for a
// heartbeat, whose reply comes later.
func (s *Server) execute(ctx context.Context, from *caller, m message, now time.Time) []any {
	r, err := wire.ParseRequest(m.frames)
	if !s.callers.admit(from, now) {
		err = wire.Errorf(wire.SlowDown, "more than %d requests a second", s.cfg.Rate)
		if !from.silenced {
			from.silenced = true
			s.log.Warn("control: a caller is too fast", "address", from.address, "caller", from.who)
		}
	}
	if r.Verb != "HEARTBEAT" { // which has all its time when it is passed on
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout(r.Verb))
		defer cancel()
	}
	c := &call{ctx: ctx, server: s, caller: from}
	var answer wire.Reply
	if err == nil {
		if words, was := steerable(c, r.Verb, m.frames); was {
			s.counters.count(r.Verb, wire.OK)
			s.note(c, r, wire.Reply{Code: wire.OK, Text: "OK"})
			return words
		}
		s.renew(c, now)
		var v *Verb
		if v, err = s.understand(c, r); err == nil && v.run == nil {
			if err = s.gather(c, m); err == nil {
				return nil
			}
		} else if err == nil {
			answer, err = v.run(c)
		}
	}
	if err != nil {
		answer = failure(err)
	}
	s.counters.count(r.Verb, answer.Code)
	s.note(c, r, answer)
	return answer.Frames()
}

// timeout bounds a request of that verb.
func timeout(verb string) time.Duration {
	if verb == "RELOAD" {
		return reloadTimeout
	}
	return askTimeout
}

// understand finds the verb of a request that is well-formed, and its arguments.
func (s *Server) understand(c *call, r wire.Request) (*Verb, error) {
	v := s.verbs[r.Verb]
	if v == nil {
		text := fmt.Sprintf("no verb %q, HELP lists them", r.Verb)
		if s.verbs[strings.ToUpper(r.Verb)] != nil {
			text = fmt.Sprintf("no verb %q: verbs are upper case", r.Verb)
		}
		return nil, wire.Errorf(wire.UnknownVerb, "%s", text)
	}
	if c.caller.level < v.Level {
		return nil, wire.Errorf(wire.Forbidden, "%s is for the level %s, and you are %s", v.Name, v.Level, c.caller.level)
	}
	var err error
	if c.args, c.options, err = v.arguments(r.Args); err != nil {
		return nil, err
	}
	return v, nil
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

// note logs what operators do and what goes wrong.
func (s *Server) note(c *call, r wire.Request, answer wire.Reply) {
	level, unlogged := slog.LevelDebug, 0
	switch {
	case s.steers(r) && answer.Code < wire.Malformed:
		level = slog.LevelInfo
	case tells(answer.Code):
		level, unlogged = s.refusalLevel(c.caller, answer.Code)
	}
	if !s.log.Enabled(c.ctx, level) {
		return
	}
	about := []any{
		"verb", clip(r.Verb), "args", clip(strings.Join(r.Args, " ")), "code", int(answer.Code),
		"text", clip(answer.Text), "level", c.caller.level.String(), "address", c.caller.address, "caller", c.caller.who,
	}
	if unlogged > 0 {
		about = append(about, "unlogged", unlogged)
	}
	s.log.Log(c.ctx, level, "control", about...)
}

// tells says whether an operator should know of a refused request: that something
// is not there is asked for every day, and who is too fast is told when it begins.
func tells(code wire.Code) bool {
	return code >= wire.Malformed && code != wire.NotFound && code != wire.SlowDown
}

// refusalLevel has the first refusal of a caller by a code logged, and then one a
// minute, with the number of those between.
func (s *Server) refusalLevel(from *caller, code wire.Code) (level slog.Level, unlogged int) {
	unlogged, due := s.seldom.due("request "+from.user+" "+from.address+" "+code.String(), time.Now())
	switch {
	case !due:
		return slog.LevelDebug, 0
	case code == wire.Forbidden:
		return slog.LevelWarn, unlogged
	}
	return slog.LevelInfo, unlogged
}

// maxLogged bounds what a line of the log has of a caller's own words, in bytes.
const maxLogged = 200

func clip(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	return strings.ToValidUTF8(s[:maxLogged], "") + "..."
}
