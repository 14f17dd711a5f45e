package control

import (
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Verb is one thing that a caller can say.
type Verb struct {
	Name string `json:"verb"`
	// Args are the arguments, in the way of usage lines: "IDENTITY [WORKER]".
	// What is in brackets may be left out; KEY= in brackets is an option.
	Args  string     `json:"args"`
	Level wire.Level `json:"level"`
	Help  string     `json:"help"`

	// run is nil for HEARTBEAT, which is gathered instead.
	run func(*call) (wire.Reply, error)
}

// paging are the options of lists.
const paging = "[after=NEXT] [limit=N]"

// Verbs are all verbs, in the order in which HELP lists them. The table is the
// one that requests are executed by.
func Verbs() []Verb { return slices.Concat(peerVerbs(), listVerbs(), steerVerbs()) }

// words are the arguments of a verb, taken apart.
func (v *Verb) words() (required, optional, options []string) {
	for _, w := range strings.Fields(v.Args) {
		inner, isOptional := strings.CutPrefix(w, "[")
		inner = strings.TrimSuffix(inner, "]")
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
// ones come first and may have any form; options follow in any order.
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
		case len(args) < len(required)+len(optional) && len(options) == 0:
			args = append(args, s)
		default:
			wants := "wants " + v.Args
			if v.Args == "" {
				wants = "takes no arguments"
			}
			return nil, nil, wire.Errorf(wire.Malformed, "%s has no use for %q, it %s", v.Name, s, wants)
		}
	}
	return args, options, nil
}

// steers says whether a request changes something that is worth a line of log.
func (s *Server) steers(r wire.Request) bool {
	return s.steering[r.Verb] && (r.Verb != "LOGLEVEL" || len(r.Args) > 0) // else it only asks
}

// steering are the verbs that do.
func steering() map[string]bool {
	names := map[string]bool{}
	for _, v := range steerVerbs() {
		names[v.Name] = v.Name != "STATISTICS" && v.Name != "HINT"
	}
	return names
}
