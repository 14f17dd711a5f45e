package stream

import (
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Group is what pools remember together: a client with connections to several of them has
// the same worker in each, see [pairing.Group].
//
// It has the only lock that loops share: for as long as a look-up takes, where a client of
// such a pool is given a worker, comes to be open, or ends.
type Group struct {
	name   string
	start  time.Time
	shared *pairing.Group
}

// NewGroup makes a group without pools.
func NewGroup(name string) *Group {
	return &Group{name: name, start: time.Now(), shared: pairing.NewGroup(&sync.Mutex{})}
}

// Name of the group; "" of none.
func (g *Group) Name() string {
	if g == nil {
		return ""
	}
	return g.name
}

// Save is what the group remembers, for another process.
func (g *Group) Save() pairing.SavedGroup { return g.shared.Save() }

// Restore has the group remember what another process's has. Its pools are taken over before, and do not run yet.
func (g *Group) Restore(s *pairing.SavedGroup) { g.shared.Restore(s) }

// join makes a table, whose time begins now, one of the group.
func (g *Group) join(t *pairing.Table) {
	if g != nil {
		t.Join(g.shared, time.Since(g.start))
	}
}
