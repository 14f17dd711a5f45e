package control

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

const (
	// maxCallers bounds the connections that are remembered; one that was
	// forgotten begins anew.
	maxCallers = 16 << 10
	// maxNames bounds the identities that one connection renews by speaking.
	maxNames = 64
	// renewEvery is how often at most a connection's other messages renew them.
	renewEvery = 250 * time.Millisecond
)

// caller is one connection to the ROUTER, or the [Guest] of a [Steward].
type caller struct {
	user    string // as ZAP has named it; the next three are read from it
	level   wire.Level
	domain  domain
	who     string // the name of its certificate, "" without one
	address string // IP, or localhost:uid:gid:pid over ipc
	reason  string // why it is of no higher level, "" where the level says all
	web     bool   // it is a guest

	allowance float64 // requests that it may still make
	refilled  time.Time
	silenced  bool // it is above its rate, and that was logged

	identities map[string][]string // that it said HELLO for, by pool
	renewed    time.Time
	pending    int // heartbeats that wait for their reply
}

// way is by what it steers, in the log.
func (c *caller) way() string {
	if c.web {
		return "steered over HTTP"
	}
	return "control"
}

// callers are those that were heard of, by routing id.
type callers struct {
	known *simplelru.LRU[string, *caller]
	rate  float64
}

func newCallers(rate int) (*callers, error) {
	known, err := simplelru.NewLRU[string, *caller](maxCallers, nil)
	return &callers{known: known, rate: float64(rate)}, err
}

// of is the caller of a message. A routing id that comes with another user or
// address is another connection.
func (s *callers) of(id, user, address string, now time.Time) *caller {
	if c, ok := s.known.Get(id); ok && c.user == user && c.address == address {
		return c
	}
	level, at, who, _ := userOf(user) // who is not known is a peer of no endpoint
	c := &caller{user: user, level: level, domain: at, who: who, address: address, allowance: s.rate, refilled: now}
	s.known.Add(id, c)
	return c
}

// admit says whether a caller may make one more request now.
func (s *callers) admit(c *caller, now time.Time) bool {
	c.allowance = min(s.rate, c.allowance+s.rate*now.Sub(c.refilled).Seconds())
	c.refilled = now
	if c.allowance < 1 {
		return false
	}
	c.allowance--
	if c.allowance > s.rate/2 {
		c.silenced = false
	}
	return true
}

// speaksFor notes an identity that c renews by anything that it says.
func (c *caller) speaksFor(p *stream.Pool, identity string) {
	if c.identities == nil {
		c.identities = map[string][]string{}
	}
	all := c.identities[p.Name()]
	for _, name := range all {
		if name == identity {
			return
		}
	}
	if len(all) < maxNames {
		c.identities[p.Name()] = append(all, identity)
	}
}

// silent is the end of that.
func (c *caller) silent(p *stream.Pool, identity string) {
	all := c.identities[p.Name()]
	for i, name := range all {
		if name == identity {
			c.identities[p.Name()] = append(all[:i:i], all[i+1:]...)
			return
		}
	}
}
