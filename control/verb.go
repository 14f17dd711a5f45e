package control

import (
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Verb is one thing that a caller can say, with everything that is special about it:
// no code asks for a verb by its name.
type Verb struct {
	Name string
	// Args are the arguments, in the way of usage lines: "IDENTITY [WORKER]".
	// What is in brackets may be left out; KEY= in brackets is an option. Words in
	// lower case are said as they are, one of them: "client|worker".
	Args  string
	Level wire.Level
	Help  string
	// Timeout is how long it may take where that is more than other verbs may, which
	// is two seconds.
	Timeout time.Duration
	// Logged says whether an operator finds it in the log when it was done.
	Logged Logging
	// Asks are arguments with which it only asks, whatever Logged says.
	Asks []string
	// Steerable is a word of zmq_proxy_steerable(3): as a single frame, from an
	// operator, it is answered as libzmq's proxy would.
	Steerable bool
	// Batched requests are passed on to pools together, a moment later, and their
	// replies come then, see beat.go.
	Batched bool
	// Web verbs can be said over HTTP, too, by a [Steward].
	Web bool
	// Completes are the arguments whose name alone does not say what a shell can offer.
	Completes []Completion

	// run executes it. Of one that is batched it only takes the request, and a reply
	// that it returns is nobody's.
	run func(*call) (wire.Reply, error)
}

// Logging is when a verb that was done is logged. Refusals are whatever the verb.
type Logging uint8

// What is logged of a verb.
const (
	Unlogged   Logging = iota // it only asks, or is said too often
	Logged                    // it changes something
	LoggedArgs                // it changes something when it has arguments, else it asks
)

// paging are the options of lists.
const paging = "[after=NEXT] [limit=N]"

// Verbs are all verbs, in the order in which HELP lists them. The table is the
// one that requests are executed by.
func Verbs() []Verb {
	return slices.Concat(peerVerbs(), listVerbs(), steerVerbs(), doorVerbs(), steerableVerbs())
}

// VerbOf is the verb of a name, nil when there is none.
func VerbOf(name string) *Verb {
	all := Verbs()
	if i := slices.IndexFunc(all, func(v Verb) bool { return v.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// Described is what HELP tells of it.
func (v *Verb) Described() wire.Verb {
	return wire.Verb{Name: v.Name, Args: v.Args, Level: v.Level, Help: v.Help}
}

// timeout bounds a request.
func (v *Verb) timeout() time.Duration { return max(v.Timeout, askTimeout) }

// logs says whether a request with these arguments changes something that is worth
// a line of log.
func (v *Verb) logs(args []string) bool {
	asks := slices.ContainsFunc(args, func(a string) bool { return slices.Contains(v.Asks, a) })
	return !asks && (v.Logged == Logged || v.Logged == LoggedArgs && len(args) > 0)
}

// words are the arguments of a verb, taken apart.
func (v *Verb) words() (required, optional, options []string) {
	for _, w := range strings.Fields(v.Args) {
		inner, isOptional := strings.CutPrefix(w, "[")
		if isOptional {
			inner = strings.TrimSuffix(inner, "]")
		}
		switch key, _, isOption := strings.Cut(inner, "="); {
		case isOptional && isOption:
			options = append(options, key)
		case isOptional:
			optional = append(optional, inner)
		default:
			required = append(required, inner)
		}
	}
	return required, optional, options
}

// arguments sorts what a caller has said into what the verb takes. The required
// ones come first and may have any form; options follow in any order. An optional one
// that is one of some words may stand between options.
func (v *Verb) arguments(said []string) (args []string, options map[string]string, err error) {
	required, optional, known := v.words()
	if len(said) < len(required) {
		return nil, nil, wire.Errorf(wire.Malformed, "%s wants %s", v.Name, v.Args)
	}
	args, options = slices.Clone(said[:len(required)]), map[string]string{}
	for _, s := range said[len(required):] {
		key, value, isOption := strings.Cut(s, "=")
		switch {
		case isOption && slices.Contains(known, key):
			if _, twice := options[key]; twice {
				return nil, nil, wire.Errorf(wire.Malformed, "%s= is said twice", key)
			}
			options[key] = value
		case len(args) < len(required)+len(optional) &&
			(len(options) == 0 || slices.Contains(Literals(optional[len(args)-len(required)]), s)):
			args = append(args, s)
		default:
			wants := "wants " + v.Args
			if v.Args == "" {
				wants = "takes no arguments"
			}
			return nil, nil, wire.Errorf(wire.Malformed, "%s has no use for %q, it %s", v.Name, s, wants)
		}
	}
	for i, place := range slices.Concat(required, optional)[:len(args)] {
		if words := Literals(place); words != nil {
			if err := word(v.Name, args[i], words...); err != nil {
				return nil, nil, err
			}
		}
	}
	return args, options, nil
}
