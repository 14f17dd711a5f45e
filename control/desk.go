package control

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// desk has verbs executed, and logs who had it do what: for the control socket and for
// what else steers. It is safe for concurrent use.
type desk struct {
	proxy    Proxy
	log      *slog.Logger
	verbs    map[string]*Verb
	counters *counters
	limiter  *logLimiter
}

func newDesk(proxy Proxy, log *slog.Logger) (*desk, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &desk{proxy: proxy, log: log, verbs: map[string]*Verb{}, counters: newCounters()}
	for _, v := range Verbs() {
		d.verbs[v.Name] = &v
	}
	var err error
	d.limiter, err = newLogLimiter()
	return d, err
}

// Steward has verbs executed for who does not come by the control socket, such as a browser:
// the same verbs, by the same code, for the same levels. It is safe for concurrent use.
type Steward struct{ desk *desk }

// NewSteward makes one. log gets a line for whatever an operator had it do.
func NewSteward(proxy Proxy, log *slog.Logger) (*Steward, error) {
	d, err := newDesk(proxy, log)
	return &Steward{d}, err
}

// Guest is who has a [Steward] do something.
type Guest struct {
	Level   wire.Level
	Name    string // "" of whoever
	Address string // where it comes from
	// Reason says why it is of no higher level, for who would have to be.
	Reason string
}

// Do has a verb that is [Verb.Web] executed with what a form says, and tells how that went. A form
// that could not be read, for a reason that unread tells, is refused; such an error is a [*wire.Error]. Do
// logs what operators do, whatever becomes of it, and of others a refusal a minute.
func (s *Steward) Do(ctx context.Context, from Guest, verb string, form url.Values, unread error) wire.Reply {
	d := s.desk
	c := &call{
		ctx: ctx, desk: d, verb: d.verbs[verb],
		caller: &caller{level: from.Level, who: from.Name, user: from.Name, address: from.Address, reason: from.Reason, web: true},
	}
	if c.verb != nil && !c.verb.Web {
		c.verb = nil
	}
	r := wire.Request{Verb: verb}
	answer, err := d.serve(c, &r, form, unread)
	if err != nil {
		answer = failure(err)
	}
	d.counters.count(verb, answer.Code)
	d.note(c, r, answer)
	return answer
}

// serve has a guest's verb executed. r gets what the form says also where that is refused.
func (d *desk) serve(c *call, r *wire.Request, form url.Values, mistake error) (wire.Reply, error) {
	if c.verb != nil && mistake == nil {
		r.Args, mistake = c.verb.said(form)
	}
	if err := cmp.Or(d.allowed(c, *r), mistake); err != nil {
		return wire.Reply{}, err
	}
	var err error
	if c.args, c.options, err = c.verb.arguments(r.Args); err != nil {
		return wire.Reply{}, err
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(c.ctx, c.verb.timeout())
	defer cancel()
	return c.verb.run(c)
}

// literalField is the field that says which of some words is meant.
const literalField = "what"

// field is how forms call an argument that is known by its place.
func field(place string) string {
	if Literals(place) != nil {
		return literalField
	}
	return strings.ToLower(place)
}

// Fields are what a form says to have a verb executed: those that it must say, and those that it may.
func (v *Verb) Fields() (must, may []string) {
	required, optional, options := v.words()
	for _, place := range required {
		must = append(must, field(place))
	}
	for _, place := range optional {
		may = append(may, field(place))
	}
	return must, append(may, options...)
}

// said is what a form says, as the words of a request. A field that is empty says nothing.
func (v *Verb) said(form url.Values) (args []string, err error) {
	must, may := v.Fields()
	for key, values := range form {
		switch {
		case !slices.Contains(must, key) && !slices.Contains(may, key):
			return nil, wire.Errorf(wire.Malformed, "%s has no use for %q, it takes %s", v.Name, key, strings.Join(append(must, may...), ", "))
		case len(values) > 1:
			return nil, wire.Errorf(wire.Malformed, "%s is said twice", key)
		}
	}
	places, options := v.Places()
	for _, place := range places {
		value := form.Get(field(place))
		switch {
		case value != "":
			args = append(args, value)
			// A word more is known by its form: what is none of these would be taken for an option.
			if words := Literals(place); words != nil {
				err = cmp.Or(err, word(v.Name, value, words...))
			}
		case v.Required(place):
			return args, wire.Errorf(wire.Malformed, "%s wants %s", v.Name, strings.Join(must, ", "))
		}
	}
	for _, key := range options {
		if value := form.Get(key); value != "" {
			args = append(args, key+"="+value)
		}
	}
	return args, err
}

// WebVerbs are those that can be said over HTTP, in the order of [Verbs].
func WebVerbs() []Verb {
	return slices.DeleteFunc(Verbs(), func(v Verb) bool { return !v.Web })
}

// understand finds out whether there is the verb of a request that is well-formed, for
// this caller and with these arguments.
func (d *desk) understand(c *call, r wire.Request) (err error) {
	if err := d.allowed(c, r); err != nil {
		return err
	}
	c.args, c.options, err = c.verb.arguments(r.Args)
	return err
}

// allowed finds out whether there is the verb, for this caller.
func (d *desk) allowed(c *call, r wire.Request) error {
	v := c.verb
	switch {
	case v == nil && d.verbs[strings.ToUpper(r.Verb)] != nil:
		return wire.Errorf(wire.UnknownVerb, "no verb %q: verbs are upper case", r.Verb)
	case v == nil:
		return wire.Errorf(wire.UnknownVerb, "no verb %q, HELP lists them", r.Verb)
	case c.caller.level >= v.Level:
		return nil
	case c.caller.reason != "":
		return wire.Errorf(wire.Forbidden, "%s is for the level %s: %s", v.Name, v.Level, c.caller.reason)
	}
	return wire.Errorf(wire.Forbidden, "%s is for the level %s, and you are %s", v.Name, v.Level, c.caller.level)
}

// note logs what operators do and what goes wrong.
func (d *desk) note(c *call, r wire.Request, answer wire.Reply) {
	level, unlogged := slog.LevelDebug, 0
	switch {
	case c.caller.web && c.caller.level == wire.Operator, !answer.Code.Refused() && c.verb.logs(r.Args):
		level = slog.LevelInfo
	case tells(answer.Code):
		level, unlogged = d.refusalLevel(c.caller, answer.Code)
	}
	if !d.log.Enabled(c.ctx, level) {
		return
	}
	about := []any{
		"verb", clip(r.Verb), "args", clip(quoted(r.Args)), "code", int(answer.Code),
		"text", clip(answer.Text), "level", c.caller.level.String(), "address", c.caller.address, "caller", c.caller.who,
	}
	if unlogged > 0 {
		about = append(about, "unlogged", unlogged)
	}
	d.log.Log(c.ctx, level, c.caller.way(), about...)
}

// tells says whether an operator should know of a refused request: that something
// is not there is asked for every day, and who is too fast is told when it begins.
func tells(code wire.Code) bool {
	return code.Refused() && code != wire.NotFound && code != wire.SlowDown
}

// refusalLevel has the first refusal of a caller by a code logged, and then one a
// minute, with the number of those between.
func (d *desk) refusalLevel(from *caller, code wire.Code) (level slog.Level, unlogged int) {
	unlogged, due := d.limiter.due("request "+from.user+" "+from.address+" "+code.String(), time.Now())
	switch {
	case !due:
		return slog.LevelDebug, 0
	case code == wire.Forbidden:
		return slog.LevelWarn, unlogged
	}
	return slog.LevelInfo, unlogged
}

// quoted are arguments on one line, so that it can be told where each ends: one with a blank, a quote
// or what cannot be printed in it is in quotes, as in Go.
func quoted(args []string) string {
	all := make([]string, len(args))
	for i, a := range args {
		all[i] = a
		if q := strconv.Quote(a); q != `"`+a+`"` || a == "" || strings.Contains(a, " ") {
			all[i] = q
		}
	}
	return strings.Join(all, " ")
}

// maxLogged bounds what a line of the log has of a caller's own words, in bytes.
const maxLogged = 200

func clip(s string) string {
	if len(s) <= maxLogged {
		return s
	}
	return strings.ToValidUTF8(s[:maxLogged], "") + "..."
}
