package pairing

import (
	"fmt"
	"slices"
	"time"
)

// twinAlias is an address all of whose connections are one worker's.
type twinAlias struct {
	address string
	naming
}

// twin is the table written so that one can see that it is right: everything is
// a list, every question a walk along it. It predicts each action of the real
// table, in order. Only where chance or a tie decides does it look at what the
// table did next, and then it checks that this was allowed.
type twin struct {
	cfg     Config
	now     time.Duration
	peers   []*twinPeer // live, or the gone half of a pair
	workers []*twinWorker
	refuse  Reason
	places  int

	held    twinMemory[hintKey, naming]
	next    []hintKey // address hints, the oldest first
	prefer  twinMemory[string, []string]
	had     twinMemory[affinityKey, string]
	beats   map[string]time.Duration // of identities that have live peers
	namedBy map[string]string        // of them: the source that named the first
	pins    map[string][]string
	alias   []twinAlias // the longest unused first
	away    []twinAway  // workers that are remembered

	got  []Action // what the table did
	want []Action
	errs []string
}

type twinPeer struct {
	id                                       PeerID
	client, gone, spoke, opened, dialled     bool
	held                                     bool // for its identity
	hinted                                   bool // by an address
	holding                                  time.Duration
	origin                                   Origin
	identity                                 string
	state                                    PeerState
	partner                                  *twinPeer
	worker                                   *twinWorker
	place, dials, failed                     int
	connected, ready, paired, openedAt, over time.Duration
	active, leased, drains                   time.Duration // last byte; begin of the lease; begin of draining
	reason                                   Reason
}

type twinWorker struct {
	name, endpoint                          string
	weight, max, attempt, suspicion         int
	state                                   State
	listed, kept, removed, failing, probing bool
	retryFrom, retryAfter                   time.Duration   // back-off, without its jitter
	unopened                                []time.Duration // when pairs ended before they opened, in a row
	served                                  uint64
	left                                    []time.Duration // when connections went that it had dialled in
	missed                                  []time.Duration // those of them that had greeted
}

// twinAway is a worker of which nothing is left.
type twinAway struct {
	name   string
	served uint64
	since  time.Duration
	missed []time.Duration
}

func newTwin(cfg Config) *twin {
	m := &twin{cfg: cfg, beats: map[string]time.Duration{}, namedBy: map[string]string{}, pins: map[string][]string{}}
	m.held.dropped = func(k hintKey) {
		m.next = slices.DeleteFunc(m.next, func(n hintKey) bool { return n == k })
	}
	m.size()
	return m
}

func (m *twin) size() {
	c := &m.cfg
	m.held.configure(c.HintMax, c.SourceMax, c.HintTTL, m.now)
	m.prefer.configure(c.HintMax, c.SourceMax, c.HintTTL, m.now)
	m.had.configure(c.AffinityMax, c.SourceMax, c.AffinityTTL, m.now)
}

// keep has what is held of an identity live as long as a peer of it.
func (m *twin) keep(name string, live bool) {
	m.prefer.setLive(name, live, m.now)
	m.had.setLive(affinityKey{name: name}, live, m.now)
}

// die is called when a peer has given its identity up.
func (m *twin) die(name string) {
	if name == "" || m.count(func(q *twinPeer) bool { return !q.gone && q.identity == name }) > 0 {
		return
	}
	delete(m.beats, name)
	m.keep(name, false)
}

func (m *twin) fail(format string, args ...any) {
	m.errs = append(m.errs, fmt.Sprintf(format, args...))
}

// --- looking ---

func (m *twin) find(id PeerID) *twinPeer {
	for _, p := range m.peers {
		if p.id == id && !p.gone {
			return p
		}
	}
	return nil
}

func (m *twin) named(name string) *twinWorker {
	for _, w := range m.workers {
		if w.name == name {
			return w
		}
	}
	return nil
}

func (m *twin) count(f func(*twinPeer) bool) (n int) {
	for _, p := range m.peers {
		if f(p) {
			n++
		}
	}
	return n
}

func (m *twin) load(w *twinWorker) int {
	return m.count(func(p *twinPeer) bool {
		return p.worker == w && (!p.client && p.partner != nil || p.state == PeerDialling)
	})
}

// burden is the load that counts in a choice.
func (m *twin) burden(w *twinWorker) int { return m.load(w) + min(len(w.unopened), 64) }

func (m *twin) slots(w *twinWorker) int {
	return m.count(func(p *twinPeer) bool { return p.worker == w && p.state == PeerSlot })
}

func (m *twin) here(w *twinWorker) bool {
	return m.count(func(p *twinPeer) bool { return p.worker == w }) > 0
}

func (m *twin) dialsIn(w *twinWorker) bool {
	return m.count(func(p *twinPeer) bool { return p.worker == w && !p.client && !p.dialled && !p.gone }) > 0 ||
		slices.ContainsFunc(w.left, func(at time.Duration) bool { return m.now-at < redialFor })
}

func (m *twin) choosable() (all []*twinWorker) {
	for _, w := range m.workers {
		if !w.removed && w.state == Ready && !w.failing && (w.max == 0 || m.load(w) < w.max) && (w.endpoint != "" || m.slots(w) > 0) {
			all = append(all, w)
		}
	}
	return all
}

func (m *twin) able() bool {
	return slices.ContainsFunc(m.workers, func(w *twinWorker) bool {
		return !w.removed && w.state != Maintenance && (w.endpoint != "" || m.here(w))
	})
}

func (m *twin) usable() bool {
	return m.refuse == NoReason && slices.ContainsFunc(m.workers, func(w *twinWorker) bool {
		pairs := m.count(func(p *twinPeer) bool { return p.worker == w && !p.client && p.partner != nil })
		return !w.removed && w.state == Ready && !w.failing && (w.endpoint != "" || m.slots(w)+pairs > 0)
	})
}

// returning: somebody is not usable for the only reason that it is redialling.
func (m *twin) returning() bool {
	if m.refuse != NoReason {
		return false
	}
	lately := func(at time.Duration) bool { return m.now-at < redialFor }
	return slices.ContainsFunc(m.away, func(a twinAway) bool { return slices.ContainsFunc(a.missed, lately) }) ||
		slices.ContainsFunc(m.workers, func(w *twinWorker) bool {
			pairs := m.count(func(p *twinPeer) bool { return p.worker == w && !p.client && p.partner != nil })
			return !w.removed && w.state == Ready && !w.failing && w.endpoint == "" && m.slots(w)+pairs == 0 &&
				slices.ContainsFunc(w.missed, lately)
		})
}

func (m *twin) firstWaiting() (first *twinPeer) {
	for _, p := range m.peers {
		if p.state == PeerWaiting && (first == nil || p.place < first.place) {
			first = p
		}
	}
	return first
}

// coming is what the table did next, the zero Action if nothing.
func (m *twin) coming() Action {
	if len(m.want) < len(m.got) {
		return m.got[len(m.want)]
	}
	return Action{}
}

// --- doing ---

func (m *twin) emit(a Action) { m.want = append(m.want, a) }

func (m *twin) abort(p *twinPeer, why Reason) { m.emit(Action{Op: Abort, Peer: p.id, Reason: why}) }

// leave drops p. Half of a pair stays until the other half goes.
func (m *twin) leave(p *twinPeer) {
	p.gone = true
	if !p.client && !p.dialled {
		p.worker.left = append(p.worker.left, m.now)
		if p.state != PeerConnected {
			p.worker.missed = append(p.worker.missed, m.now)
		}
	}
	if p.partner == nil || p.partner.gone {
		m.peers = slices.DeleteFunc(m.peers, func(q *twinPeer) bool { return q == p || q == p.partner })
	}
	m.die(p.identity)
	m.sweep()
}

// sweep forgets workers that are nobody's, and remembers for a while those that
// nobody has taken out.
func (m *twin) sweep() {
	m.workers = slices.DeleteFunc(m.workers, func(w *twinWorker) bool {
		forgotten := !m.here(w) && (w.removed || !w.listed && !w.kept && w.state == Ready && len(w.unopened) == 0)
		if forgotten && !w.removed {
			m.away = append(m.away, twinAway{w.name, w.served, m.now, w.missed})
		}
		return forgotten
	})
	m.away = slices.DeleteFunc(m.away, func(a twinAway) bool { return m.now-a.since >= departedFor })
}

// join is the worker of a name, which may be new, or back.
func (m *twin) join(name string) *twinWorker {
	if w := m.named(name); w != nil {
		return w
	}
	w := &twinWorker{name: name, weight: 1}
	if i := slices.IndexFunc(m.away, func(a twinAway) bool { return a.name == name }); i >= 0 {
		w.served = m.away[i].served
		m.away = slices.Delete(m.away, i, i+1)
	}
	m.workers = append(m.workers, w)
	return w
}

// joinAnew is join for a connection that the worker has dialled in: whoever was
// taken out is let in again.
func (m *twin) joinAnew(name string) *twinWorker {
	w := m.join(name)
	if w.removed {
		w.removed, w.kept, w.state, w.max, w.weight = false, false, Ready, 0, 1
	}
	return w
}

func (m *twin) ended(p *twinPeer, why Reason) {
	r := &Record{
		Client: p.id, Origin: p.origin, Identity: p.identity, Reason: why,
		Total: m.now - p.connected, Dials: p.dials, Opened: p.opened,
	}
	a := Action{Op: Ended, Peer: p.id, Reason: why, Record: r}
	if s := p.partner; s != nil {
		r.Paired, r.WorkerPeer, r.WorkerOrigin, r.Worker = true, s.id, s.origin, s.worker.name
		a.Partner, a.Worker = s.id, s.worker.name
		r.Waited, r.Handshake = p.paired-p.ready, p.over-p.paired
		if p.opened {
			r.Handshake = p.openedAt - p.paired
		}
	} else if p.place > 0 {
		r.Waited = m.now - p.ready
	}
	m.emit(a)
}

func (m *twin) endClient(p *twinPeer, why Reason, abort bool) {
	p.state, p.worker, p.held = PeerConnected, nil, false
	m.holdAgain(p, why)
	m.leave(p)
	if abort {
		m.abort(p, why)
	}
	m.ended(p, why)
}

func (m *twin) endPair(c *twinPeer, why Reason) {
	if c.state != PeerDraining {
		m.doubt(c, why)
		m.holdAgain(c, why)
		c.reason, c.over = why, m.now
	}
	for _, p := range []*twinPeer{c, c.partner} {
		if !p.gone {
			m.leave(p)
			m.abort(p, c.reason)
		}
	}
	m.ended(c, c.reason)
}

func (m *twin) end(p *twinPeer, why Reason) {
	switch {
	case p.partner != nil && p.client:
		m.endPair(p, why)
	case p.partner != nil:
		m.endPair(p.partner, why)
	case p.client:
		m.endClient(p, why, true)
	default:
		m.abort(p, why)
		m.leave(p)
	}
}

func (m *twin) vanish(p *twinPeer, how Gone) {
	c := p
	if !p.client {
		c = p.partner
	}
	switch why := how.Reason(p.client); {
	case p.partner == nil && p.client:
		m.endClient(p, why, false)
	case p.partner == nil:
		m.leave(p)
	case p.partner.gone:
		m.leave(p)
		m.ended(c, c.reason)
	default:
		if !p.client && p.state == PeerPaired && !p.spoke {
			m.suspect(p.worker)
		}
		m.doubt(c, why)
		m.holdAgain(c, why)
		c.reason, c.over = why, m.now
		p.state, p.partner.state = PeerDraining, PeerDraining
		p.partner.drains = m.now
		m.leave(p)
		m.emit(Action{Op: Close, Peer: p.partner.id, Partner: p.id, Worker: c.worker.name, Reason: why})
	}
}

// doubt notes a pair that ended before it opened, if its worker may be the cause.
func (m *twin) doubt(c *twinPeer, why Reason) {
	innocent := []Reason{ClientClosed, ClientReset, HeartbeatExpired, Kicked, Drained, AdoptFailed, Shutdown}
	if !c.opened && !slices.Contains(innocent, why) {
		c.worker.unopened = append(c.worker.unopened, m.now)
	}
}

// forget forgets the doubts that have been there for long enough.
func (m *twin) forget() {
	for _, w := range m.workers {
		if n := len(w.unopened); n > 0 && m.now-w.unopened[n-1] >= m.cfg.RetryMax {
			w.unopened = nil
		}
	}
	m.sweep()
}

func (m *twin) suspect(w *twinWorker) {
	w.suspicion++
	others := len(slices.DeleteFunc(m.choosable(), func(o *twinWorker) bool { return o == w }))
	if w.suspicion >= suspicionMax && others > 0 {
		m.setAside(w)
	}
}

func (m *twin) setAside(w *twinWorker) {
	if !w.failing && w.endpoint != "" {
		w.failing, w.suspicion = true, 0
		m.backOff(w)
	}
}

func (m *twin) backOff(w *twinWorker) {
	w.retryFrom, w.retryAfter = m.now, m.cfg.RetryMin
	for range w.attempt {
		w.retryAfter = min(w.retryAfter*2, m.cfg.RetryMax)
	}
	w.attempt++
}

func (m *twin) trust(w *twinWorker) {
	w.failing, w.probing, w.attempt, w.suspicion, w.unopened = false, false, 0, 0, nil
}

// begin opens an event: slots that are too old go. Which share of the age each
// has is the table's choice, within 80 to 100 %.
func (m *twin) begin(now time.Duration, got []Action) {
	m.now, m.got, m.want = max(m.now, now), got, nil
	age := func(p *twinPeer) time.Duration {
		if p == nil || p.client || p.partner != nil || m.cfg.SlotMaxAge == 0 {
			return 0
		}
		return m.now - p.connected
	}
	for {
		a := m.coming()
		p := m.find(a.Peer)
		if a.Op != Abort || a.Reason != NoReason || age(p) == 0 || age(p) < m.cfg.SlotMaxAge/5*4 {
			break
		}
		m.end(p, NoReason)
	}
	for _, p := range m.peers {
		if age(p) > 0 && age(p) >= m.cfg.SlotMaxAge {
			m.fail("slot %v is too old and still there", p.id)
		}
	}
	m.forget()
}

// finish closes an event: nobody waits while a worker could take him.
func (m *twin) finish() {
	m.sweep()
	for p := m.firstWaiting(); p != nil && len(m.choosable()) > 0; p = m.firstWaiting() {
		m.assign(p)
		if len(m.errs) > 0 {
			return
		}
	}
}

func (m *twin) assign(p *twinPeer) {
	w := m.pick(p, m.coming())
	if w == nil {
		return
	}
	p.worker = w
	var slot *twinPeer
	for _, s := range m.peers {
		// >= : of two that connected at once, the one that greeted later is fresher;
		// which of them that was, only the table knows.
		if s.worker == w && s.state == PeerSlot && (slot == nil || s.connected > slot.connected ||
			s.connected == slot.connected && s.id == m.coming().Partner) {
			slot = s
		}
	}
	if slot != nil {
		m.pair(p, slot)
		return
	}
	p.state = PeerDialling
	p.dials++
	m.emit(Action{Op: Dial, Peer: p.id, Worker: w.name, Endpoint: w.endpoint})
}

// pick checks the choice that the table has made.
func (m *twin) pick(p *twinPeer, next Action) *twinWorker {
	free := m.choosable()
	w := m.named(next.Worker)
	if next.Op != Join && next.Op != Dial || next.Peer != p.id || !slices.Contains(free, w) {
		m.fail("client %v should have got a worker; next is %v of %v", p.id, next.Op, next.Peer)
		return nil
	}
	must := func(name string, rule string) *twinWorker {
		if w.name != name {
			m.fail("client %v got %s, not %s by %s", p.id, w.name, name, rule)
		}
		return w
	}
	isFree := func(name string) bool {
		return slices.ContainsFunc(free, func(w *twinWorker) bool { return w.name == name })
	}
	if p.identity != "" {
		if pref, ok := m.preference(p.identity); ok {
			if i := slices.IndexFunc(pref, isFree); i >= 0 {
				return must(pref[i], "preference")
			}
		}
	}
	if key, ok := m.affinityKey(p); ok {
		if last, ok := m.had.get(key, m.now); ok && isFree(last) {
			return must(last, "affinity")
		}
	}
	if m.cfg.Policy == LeastConnections {
		for _, o := range free {
			if (m.burden(o)+1)*w.weight < (m.burden(w)+1)*o.weight {
				m.fail("client %v got %s although %s is less loaded", p.id, w.name, o.name)
			}
		}
	}
	return w
}

func (m *twin) affinityKey(p *twinPeer) (affinityKey, bool) {
	switch {
	case m.cfg.AffinityMax == 0:
		return affinityKey{}, false
	case p.identity != "":
		return affinityKey{name: p.identity}, true
	}
	return affinityKey{source: true, name: p.origin.Address}, m.cfg.AffinityBySource && p.origin.Address != ""
}

func (m *twin) pair(c, s *twinPeer) {
	c.partner, s.partner, c.worker = s, c, s.worker
	c.state, s.state = PeerPaired, PeerPaired
	c.paired, c.active, c.leased = m.now, m.now, m.now
	s.worker.served++
	if key, ok := m.affinityKey(c); ok {
		source := c.origin.Address
		if c.identity != "" {
			source = m.namedBy[c.identity]
		}
		m.had.put(twinItem[affinityKey, string]{key: key, value: s.worker.name, source: source, live: c.identity != "", since: m.now})
	}
	m.emit(Action{Op: Join, Peer: c.id, Partner: s.id, Worker: s.worker.name})
}

func (m *twin) requeue(p *twinPeer) {
	p.state, p.worker = PeerWaiting, nil
	m.sweep()
	if len(m.choosable()) == 0 && m.cfg.QueueMax == 0 {
		m.endClient(p, m.whyUnserved(p), true)
	}
}

func (m *twin) whyUnserved(p *twinPeer) Reason {
	switch {
	case p.failed > 0:
		return DialFailed
	case !m.able():
		return NoWorker
	}
	return QueueTimeout
}

func (m *twin) preference(name string) ([]string, bool) {
	if workers, pinned := m.pins[name]; pinned {
		return workers, true
	}
	return m.prefer.get(name, m.now)
}
