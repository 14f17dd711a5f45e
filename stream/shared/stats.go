package shared

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// lookupResult is what a look-up came to.
type lookupResult uint8

const (
	lookupKnown    lookupResult = iota // the store knows
	lookupUnknown                      // it does not
	lookupPending                      // what is about to be written was the answer
	lookupLate                         // it has not answered in time
	lookupDown                         // nobody was asked
	lookupCrowded                      // too many were asked for already
	lookupNonsense                     // the answer is none
	lookupResults
)

var lookupNames = [lookupResults]string{"known", "unknown", "pending", "late", "down", "crowded", "nonsense"}

// writeResult is what a write came to.
type writeResult uint8

const (
	writeStored  writeResult = iota
	writeSpared              // the store knows it already
	writeDropped             // too many wait
	writeRefused             // by the store, for good
	writeResults
)

var writeNames = [writeResults]string{"stored", "spared", "dropped", "refused"}

// leftOut is what is left out of what proxies know of each other's pairs, because it is too much.
type leftOut uint8

const (
	leftWorkers leftOut = iota // of this proxy, of which the others are not told
	leftProxies                // others that are not read
	leftOuts
)

var leftOutNames = [leftOuts]string{"workers", "proxies"}

// counters are since the start.
type counters struct {
	lookups [lookupResults]atomic.Uint64
	names   [lookupResults]atomic.Uint64 // of who clients are
	asking  sync.Mutex
	times   pairing.Histogram // of those that were answered
	// nonsense is whatever was read and is nothing that a proxy writes.
	nonsense atomic.Uint64
	leftOut  [leftOuts]atomic.Int64 // now

	// Under the store's lock.
	writes  [writeResults]uint64
	changes uint64
}

// lookup counts one.
func (c *counters) lookup(result lookupResult, took time.Duration) {
	if result == lookupKnown || result == lookupUnknown {
		c.asking.Lock()
		c.times.Observe(took)
		c.asking.Unlock()
	}
	c.lookups[result].Add(1)
}

// Stats is a store at one moment.
type Stats struct {
	State State
	// Why it is Refusing or Down, "" for else.
	Why string
	// Where it is, without a password.
	Where string
	// Since when it is so.
	Since time.Time
	// Pending keys wait to be written.
	Pending int
	// Lookups and Writes since the start, by what they came to; Changes of the state.
	Lookups, Writes map[string]uint64
	// Names are look-ups of who clients are, likewise.
	Names   map[string]uint64
	Changes uint64
	// Nonsense values were read that no proxy writes, of whatever kind.
	Nonsense uint64
	// LeftOut are the workers and the proxies whose pairs do not count everywhere now, since there is too much
	// to tell: in all pools together, the proxies in each.
	LeftOut map[string]int64
	// Times that look-ups took that were answered, the way to the store included.
	Times pairing.Histogram
}

// Stats tells how the store is.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := Stats{
		State: s.state, Where: s.cfg.Where, Since: s.since, Pending: s.pending.len(), Changes: s.stats.changes, Nonsense: s.stats.nonsense.Load(),
		Lookups: map[string]uint64{}, Names: map[string]uint64{}, Writes: map[string]uint64{},
		LeftOut: map[string]int64{},
	}
	if s.why != nil {
		is.Why = s.why.Error()
	}
	for r, name := range lookupNames {
		is.Lookups[name] = s.stats.lookups[r].Load()
		is.Names[name] = s.stats.names[r].Load()
	}
	for what, name := range leftOutNames {
		is.LeftOut[name] = s.stats.leftOut[what].Load()
	}
	for r, name := range writeNames {
		is.Writes[name] = s.stats.writes[r]
	}
	s.stats.asking.Lock()
	is.Times = s.stats.times
	s.stats.asking.Unlock()
	return is
}
