package pairing

import "time"

// Guard has one goroutine at a time do something. A sync.Mutex is one; this package
// knows no locks, since whoever calls it says who owns what.
type Guard interface {
	Lock()
	Unlock()
}

// Group is what several tables remember together: the worker that each identity, or
// source address, had last. So a client with connections to several pools of the same
// workers has the same worker in all of them, as long as each of them can have it. Workers
// are the same that have the same name.
//
// A table that chooses for a client claims its choice before anybody else can make
// another, also where a client connects to all pools at the same time. A claim that came to
// nothing, because no pair opened, is forgotten.
//
// Its tables may be owned by different goroutines: what is shared is touched under the
// guard only, for as long as a look-up takes.
type Group struct {
	guard  Guard
	now    time.Duration
	last   memory[affinityKey, habit]
	live   map[string]int // identities with a peer, by the number of tables that have one
	bounds map[*Table]bounds
}

// habit is the worker that somebody has.
type habit struct {
	worker string
	opened bool // else it is a claim
}

// bounds of what a table would remember. In a group the widest of all its tables count.
type bounds struct {
	most, share int
	ttl         time.Duration
}

// NewGroup makes a group without tables.
func NewGroup(guard Guard) *Group {
	return &Group{guard: guard, live: map[string]int{}, bounds: map[*Table]bounds{}}
}

// Join makes the table one of a group, before anything else has happened to it. at is the
// group's time when the table's is 0; it is the same for all tables of a group.
func (t *Table) Join(g *Group, at time.Duration) {
	t.habits.group, t.habits.joined = g, at
	t.configureMemory()
}

// enter takes the guard, which the caller gives back, at a time that is never before an
// earlier one.
func (g *Group) enter(now time.Duration) time.Duration {
	g.guard.Lock()
	g.now = max(g.now, now)
	return g.now
}

func (g *Group) configure(t *Table, b bounds, now time.Duration) {
	now = g.enter(now)
	defer g.guard.Unlock()
	g.bounds[t] = b
	var widest bounds
	unbounded := false
	for _, one := range g.bounds {
		widest.most, widest.share, widest.ttl = max(widest.most, one.most), max(widest.share, one.share), max(widest.ttl, one.ttl)
		unbounded = unbounded || one.share == 0
	}
	if unbounded {
		widest.share = 0
	}
	g.last.configure(widest.most, widest.share, widest.ttl, now)
}

func (g *Group) get(key affinityKey, now time.Duration) (worker string, known bool) {
	now = g.enter(now)
	defer g.guard.Unlock()
	is, known := g.last.get(key, now)
	return is.worker, known
}

// put notes which worker somebody has, whose pair with it is open.
func (g *Group) put(key affinityKey, worker, source string, live bool, now time.Duration) {
	now = g.enter(now)
	defer g.guard.Unlock()
	g.hold(key, habit{worker, true}, source, live, now)
}

func (g *Group) hold(key affinityKey, is habit, source string, live bool, now time.Duration) {
	g.last.put(key, is, source, live || !key.source && g.live[key.name] > 0, now)
}

// claim has somebody have a worker whose pair is not open yet, unless another table has
// been faster and its choice is fit here as well: it says which it is to be.
func (g *Group) claim(key affinityKey, worker, source string, live bool, now time.Duration, fit func(worker string) bool) string {
	now = g.enter(now)
	defer g.guard.Unlock()
	if is, known := g.last.get(key, now); known && fit(is.worker) {
		return is.worker
	}
	g.hold(key, habit{worker: worker}, source, live, now)
	return worker
}

// disclaim forgets a claim that came to nothing, unless it was claimed anew, or opened.
func (g *Group) disclaim(key affinityKey, worker string, now time.Duration) {
	now = g.enter(now)
	defer g.guard.Unlock()
	if is, known := g.last.get(key, now); known && !is.opened && is.worker == worker {
		g.last.remove(key, now)
	}
}

// forget has nobody sent to a worker because of what was, if it is that worker.
func (g *Group) forget(key affinityKey, worker string, now time.Duration) {
	now = g.enter(now)
	defer g.guard.Unlock()
	if is, known := g.last.get(key, now); known && is.worker == worker {
		g.last.remove(key, now)
	}
}

// setLive says that an identity has its first peer in a table, or has lost its last there.
func (g *Group) setLive(name string, live bool, now time.Duration) {
	now = g.enter(now)
	defer g.guard.Unlock()
	if live {
		g.live[name]++
	} else if g.live[name]--; g.live[name] <= 0 {
		delete(g.live, name)
	}
	g.last.setLive(affinityKey{name: name}, g.live[name] > 0, now)
}

func (g *Group) len(now time.Duration) int {
	now = g.enter(now)
	defer g.guard.Unlock()
	return g.last.len(now)
}

// habits is which worker each has had last, as a table knows it: by itself, or with its group.
type habits struct {
	own    memory[affinityKey, string]
	group  *Group // nil: by itself
	joined time.Duration
}

func (h *habits) configure(t *Table, b bounds, now time.Duration) {
	if h.group != nil {
		h.group.configure(t, b, h.joined+now)
		return
	}
	h.own.configure(b.most, b.share, b.ttl, now)
}

func (h *habits) get(key affinityKey, now time.Duration) (worker string, known bool) {
	if h.group != nil {
		return h.group.get(key, h.joined+now)
	}
	return h.own.get(key, now)
}

// put notes which worker somebody has, whose pair with it is open.
func (h *habits) put(key affinityKey, worker, source string, live bool, now time.Duration) {
	if h.group != nil {
		h.group.put(key, worker, source, live, h.joined+now)
		return
	}
	h.own.put(key, worker, source, live, now)
}

// forget has nobody sent to a worker because of what was.
func (h *habits) forget(key affinityKey, worker string, now time.Duration) {
	if h.group != nil {
		h.group.forget(key, worker, h.joined+now)
		return
	}
	h.own.remove(key, now)
}

// setLive says that an identity has its first peer in the table, or has lost its last.
func (h *habits) setLive(name string, live bool, now time.Duration) {
	if h.group != nil {
		h.group.setLive(name, live, h.joined+now)
		return
	}
	h.own.setLive(affinityKey{name: name}, live, now)
}

func (h *habits) len(now time.Duration) int {
	if h.group != nil {
		return h.group.len(h.joined + now)
	}
	return h.own.len(now)
}

// agree is the worker for a client of which the table would choose w: another one if
// somebody in the group was faster.
func (t *Table) agree(p *Peer, w *worker) *worker {
	key, ok := t.affinityKey(p)
	if t.habits.group == nil || !ok || t.seatedAlone() {
		return w
	}
	bound := t.loadBound()
	name := t.habits.group.claim(key, w.name, sourceOf(p), p.identity != nil, t.habits.joined+t.now, func(name string) bool {
		other := t.workers[name]
		return other != nil && other.at >= 0 && other.bearable(bound)
	})
	if p.claimed = nil; name == w.name {
		p.claimed = w
	}
	return t.workers[name]
}

// disclaim forgets what was claimed for a client whose pair has never opened.
func (t *Table) disclaim(p *Peer) {
	if key, ok := t.affinityKey(p); ok && !p.wasOpen && p.claimed != nil && t.habits.group != nil {
		t.habits.group.disclaim(key, p.claimed.name, t.habits.joined+t.now)
	}
}
