package control

import (
	"slices"
	"sync/atomic"

	"github.com/streamq/streamq-proxy/control/wire"
)

// otherVerb counts what is no verb.
const otherVerb = "other"

// counters count requests. They are written by who answers and read by anybody.
type counters struct {
	verbs    []string // sorted
	codes    []wire.Code
	requests []atomic.Uint64
	refused  [numRefusals]atomic.Uint64 // connections
	unread   atomic.Uint64              // replies that were dropped
}

func newCounters() *counters {
	c := &counters{codes: wire.Codes(), verbs: []string{otherVerb}}
	for _, v := range Verbs() {
		c.verbs = append(c.verbs, v.Name)
	}
	slices.Sort(c.verbs)
	c.requests = make([]atomic.Uint64, len(c.verbs)*len(c.codes))
	return c
}

func (c *counters) count(verb string, code wire.Code) {
	v, known := slices.BinarySearch(c.verbs, verb)
	if !known {
		v, _ = slices.BinarySearch(c.verbs, otherVerb)
	}
	k, known := slices.BinarySearch(c.codes, code)
	if !known {
		k, _ = slices.BinarySearch(c.codes, wire.Failed)
	}
	c.requests[v*len(c.codes)+k].Add(1)
}

// RequestCount is how often a verb was answered by a code.
type RequestCount struct {
	Verb  string // "other" for what is no verb
	Code  wire.Code
	Count uint64
}

// Stats are what a server has counted since its start.
type Stats struct {
	Requests []RequestCount // those that are not zero, by verb and code
	// Refused connections were not let in.
	Refused Refusals
	// Unread replies were dropped because their caller did not read.
	Unread uint64
	// EventsLost did not fit into the queue to the PUB socket.
	EventsLost uint64
}

// Stats may be called from any goroutine.
func (s *Server) Stats() Stats {
	all := Stats{Requests: s.counters.counted(), Unread: s.counters.unread.Load(), EventsLost: s.feed.Lost()}
	for r := range all.Refused {
		all.Refused[r] = s.counters.refused[r].Load()
	}
	return all
}

// Requests are those over HTTP since its start that are not zero, by verb and code. It may be
// called from any goroutine.
func (s *Steward) Requests() []RequestCount { return s.desk.counters.counted() }

// counted are the requests that are not zero, by verb and code.
func (c *counters) counted() (all []RequestCount) {
	for v, verb := range c.verbs {
		for k, code := range c.codes {
			if n := c.requests[v*len(c.codes)+k].Load(); n > 0 {
				all = append(all, RequestCount{verb, code, n})
			}
		}
	}
	return all
}
