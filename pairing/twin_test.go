package pairing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
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
	fought  []string  // addresses that several have said HELLO for at once
	prefer  twinMemory[string, []string]
	had     *twinHabits
	moving  twinMoves
	beats   map[string]time.Duration // of identities that have live peers
	namedBy map[string]string        // of them: the source that named the first
	// The last words about identities: of those that are pinned, and that are no more.
	pinned, unpinned twinMemory[string, Steering]
	alias            []twinAlias // the longest unused first
	away             []twinAway  // workers that are remembered

	outcomes      []twinOutcome // of all pairs
	from          map[string]*twinFrom
	told          []*twinFrom // whose pairs have told something, in order
	clients       int         // that ever connected
	unservedCount uint64      // clients that ended so

	got  []Action // what the table did
	want []Action
	errs []string
}

type twinPeer struct {
	id                                       PeerID
	client, gone, opened, dialled, byPolicy  bool
	preferred                                bool // its worker, by it
	held                                     bool // for its identity
	asking, asked                            bool // others
	hinted                                   bool // by an address
	holding, askedAt                         time.Duration
	origin                                   Origin
	identity                                 string
	state                                    PeerState
	partner                                  *twinPeer
	worker                                   *twinWorker
	place, dials, failed                     int
	connected, ready, paired, openedAt, over time.Duration
	active, leased, drains                   time.Duration // last byte; begin of the lease; begin of draining
	touched                                  time.Duration // last byte that the table has noted, by an idle lease
	claimed                                  string        // the worker that its group was told of
	reason                                   Reason
}

type twinWorker struct {
	name, endpoint, source                           string
	weight, max, maxHandshakes, attempt, elsewhere   int
	weighed                                          bool // by an operator
	state                                            State
	everywhere                                       bool // the last word about its state was for all
	listed, kept, removed, failing, ejected, probing bool
	retryFrom, retryAfter                            time.Duration // back-off, without its jitter
	streak, streakFrom                               int           // failures in a row, and the outcome that was the first
	failedAt                                         time.Duration // the last of them
	ready                                            bool          // as last seen
	warm                                             int           // sixteenths of its weight that count, 0 for all
	warmFrom, warmAt                                 time.Duration // since when it is not warm, and was last made warmer
	wasHere                                          []time.Duration
	names                                            []affinityKey // of those whom the policy did not send
	served                                           uint64
	left                                             []time.Duration // when connections went that it had dialled in
	missed                                           []time.Duration // those of them that had greeted
}

// twinOutcome is how a pair's handshake ended.
type twinOutcome struct {
	worker *twinWorker
	opened bool
}

// twinFrom is an address: at which workers pairs in a row failed, "" for clients that
// would have come to no other, and when a client from there failed last.
type twinFrom struct {
	inRow  []string
	toldAt int
	last   time.Duration
}

// twinAway is a worker of which nothing is left.
type twinAway struct {
	name   string
	served uint64
	since  time.Duration
	missed []time.Duration
}

func newTwin(cfg Config) *twin {
	m := &twin{cfg: cfg, beats: map[string]time.Duration{}, namedBy: map[string]string{}, from: map[string]*twinFrom{}}
	m.had = &twinHabits{of: []*twin{m}}
	m.held.dropped = func(k hintKey) {
		m.next = slices.DeleteFunc(m.next, func(n hintKey) bool { return n == k })
		m.fought = slices.DeleteFunc(m.fought, func(address string) bool { return len(m.waitFor(address)) == 0 })
	}
	m.held.uncounted = func(k hintKey) bool { return !k.worker && m.cfg.asksWho() }
	m.size()
	return m
}

func (m *twin) size() {
	c := &m.cfg
	m.held.configure(c.HintMax, c.SourceMax, c.HintTTL, m.now)
	m.prefer.configure(c.HintMax, c.SourceMax, c.HintTTL, m.now)
	m.had.size(m.now)
	here := len(m.pinned.of(func(source string) bool { return source == "" }))
	m.pinned.configure(c.HintMax+max(c.HintMax, here), 0, 1<<60, m.now)
	m.unpinned.configure(c.HintMax, 0, unpinnedFor, m.now)
}

// keep has what is held of an identity live as long as a peer of it.
func (m *twin) keep(name string, live bool) {
	m.prefer.setLive(name, live, m.now)
	m.had.setLive(name, live, m.now)
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

// overall is a worker's load at all proxies.
func (m *twin) overall(w *twinWorker) int { return m.load(w) + w.elsewhere }

func (m *twin) load(w *twinWorker) int {
	return m.count(func(p *twinPeer) bool {
		return p.worker == w && (!p.client && p.partner != nil || p.state == PeerDialling)
	})
}

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

func (m *twin) choosable() []*twinWorker { return m.free(false) }

// room says whether a worker may have a pair more.
func (m *twin) room(w *twinWorker) bool {
	shaking := m.count(func(p *twinPeer) bool {
		return p.worker == w && p.client && (p.state == PeerDialling || p.state == PeerPaired)
	})
	return (w.maxHandshakes == 0 || shaking < w.maxHandshakes) && (w.max == 0 || m.load(w) < (w.max*w.sixteenths()+15)/16)
}

func (w *twinWorker) sixteenths() int {
	if w.warm == 0 {
		return 16
	}
	return w.warm
}

func (w *twinWorker) counts() int { return w.weight * w.sixteenths() }

// look sees which workers have become ready, and begin slowly, or are not any more.
func (m *twin) look() {
	for _, w := range m.workers {
		was := w.ready
		w.ready = !w.removed && w.state == Ready && !w.failing && !w.ejected && (w.endpoint != "" || m.slots(w)+m.pairs(w) > 0)
		lately := func(at time.Duration) bool { return m.now < at+redialFor }
		switch {
		case w.ready == was:
		case !w.ready:
			w.warm = 0
		case m.cfg.SlowStart > 0 && m.clients > 0 && !slices.ContainsFunc(w.missed, lately) && !slices.ContainsFunc(w.wasHere, lately):
			w.warm, w.warmFrom, w.warmAt = 1, m.now, m.now
		}
	}
}

// warmer has more of the weight count of those who begin slowly.
func (m *twin) warmer() {
	for _, w := range m.workers {
		step := m.cfg.SlowStart / 16
		if w.warm == 0 || step > 0 && m.now-w.warmAt < step {
			continue
		}
		w.warmAt = m.now
		if w.warm = 16; step > 0 {
			w.warm = min(1+int((m.now-w.warmFrom)*16/m.cfg.SlowStart), 16)
		}
		if w.warm == 16 {
			w.warm = 0
		}
	}
}

func (m *twin) pairs(w *twinWorker) int {
	return m.count(func(p *twinPeer) bool { return p.worker == w && !p.client && p.partner != nil })
}

// free are those that can take a client, ejected or not.
func (m *twin) free(ejected bool) (all []*twinWorker) {
	m.look()
	for _, w := range m.workers {
		if w.ejected == ejected && !w.removed && w.state == Ready && !w.failing && m.room(w) && (w.endpoint != "" || m.slots(w) > 0) {
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
		return !w.removed && w.state == Ready && !w.failing && (w.endpoint != "" || m.slots(w)+m.pairs(w) > 0)
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

// coming is what the table did next, the zero Action if nothing. What it tells others because of
// that, which the twin knows by itself, is passed over.
func (m *twin) coming() Action {
	for _, a := range m.got[min(len(m.want), len(m.got)):] {
		if a.Op != Say {
			return a
		}
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
	m.look()
	m.workers = slices.DeleteFunc(m.workers, func(w *twinWorker) bool {
		forgotten := !m.here(w) && (w.removed || !w.listed && !w.kept && w.state == Ready && !w.ejected && w.streak == 0)
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
		w.served, w.wasHere = m.away[i].served, m.away[i].missed
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
		w.removed, w.kept, w.weighed, w.state, w.max, w.weight, w.maxHandshakes = false, false, false, Ready, 0, 1, 0
	}
	return w
}

func (m *twin) ended(p *twinPeer, why Reason) {
	m.unserved(p, why)
	if p.claimed != "" && !p.opened {
		m.had.forget(m, p, p.claimed, true)
	}
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
	p.state, p.worker, p.held, p.asking = PeerConnected, nil, false, false
	m.holdAgain(p, why)
	m.leave(p)
	if abort {
		m.abort(p, why)
	}
	m.ended(p, why)
}

func (m *twin) endPair(c *twinPeer, why Reason) {
	if c.state != PeerDraining {
		m.failed(c, why)
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
		if !c.opened {
			why = map[Reason]Reason{ClientClosed: ClientGaveUp, ClientReset: ClientGaveUp, WorkerClosed: RefusedByWorker, WorkerReset: RefusedByWorker}[why]
		}
		m.failed(c, why)
		m.holdAgain(c, why)
		c.reason, c.over = why, m.now
		p.state, p.partner.state = PeerDraining, PeerDraining
		p.partner.drains = m.now
		m.leave(p)
		m.emit(Action{Op: Close, Peer: p.partner.id, Partner: p.id, Worker: c.worker.name, Reason: why})
	}
}

// failed notes a pair that ended before it opened, if that may be its worker's fault.
func (m *twin) failed(c *twinPeer, why Reason) {
	w := c.worker
	if c.opened || slices.Contains([]Reason{HeartbeatExpired, Kicked, Drained, Shutdown}, why) {
		return
	}
	from := m.failingFrom(c)
	known := m.alwaysFails(c)
	named := !c.byPolicy || m.hashes(c)
	at := w.name
	if named {
		at = ""
	}
	from.inRow = append(from.inRow, at)
	if !known {
		m.told = append(m.told, from)
	}
	if from.toldAt = len(m.told); known {
		return
	}
	key := affinityKey{source: true, name: c.origin.Address}
	if c.identity != "" {
		key = affinityKey{name: c.identity}
	}
	if !named || !slices.Contains(w.names, key) && len(w.names) < outlierNames {
		if named {
			w.names = append(w.names, key)
		}
		if w.streak++; w.streak == 1 {
			w.streakFrom = len(m.outcomes)
		}
		w.failedAt = m.now
		m.outcomes = append(m.outcomes, twinOutcome{w, false})
	}
	least, most := outlierLeast, float64(outlierSurprise)
	if w.attempt > 0 {
		least, most = 2, most/3
	}
	others := slices.DeleteFunc(m.choosable(), func(o *twinWorker) bool { return o == w })
	if w.streak >= least && surprise(uint64(w.streak), m.meanwhile(w)) >= most && len(others) > 0 && !w.failing && !w.ejected {
		w.ejected = true
		m.backOff(w)
	}
}

// failingFrom is what is known of a client's address.
func (m *twin) failingFrom(c *twinPeer) *twinFrom {
	if f := m.from[c.origin.Address]; f == nil || m.now-f.last >= failingFor {
		m.from[c.origin.Address] = &twinFrom{last: m.now}
	}
	return m.from[c.origin.Address]
}

func (m *twin) alwaysFails(c *twinPeer) bool {
	f := m.from[c.origin.Address]
	if f == nil {
		return false
	}
	several := slices.ContainsFunc(f.inRow, func(at string) bool { return at == "" || at != f.inRow[0] })
	return several && len(f.inRow) >= tellsUpTo && f.toldAt < len(m.told) && m.now-f.last < failingFor
}

// unserved notes that a client has ended without having been served.
func (m *twin) unserved(c *twinPeer, why Reason) {
	left := []Reason{Kicked, Drained, Shutdown}
	if c.partner == nil {
		left = append(left, ClientClosed, ClientReset)
	}
	if !c.opened && !slices.Contains(left, why) {
		m.failingFrom(c).last = m.now
		m.unservedCount++
	}
}

// meanwhile is what has become of the others' pairs since a worker began to fail.
func (m *twin) meanwhile(w *twinWorker) (o outcomes) {
	for _, x := range m.outcomes[w.streakFrom:] {
		switch {
		case x.worker == w:
		case x.opened:
			o.opened++
		default:
			o.failed++
		}
	}
	return o
}

func (m *twin) endStreak(w *twinWorker) { w.streak, w.names = 0, nil }

func (m *twin) admit(w *twinWorker) {
	w.ejected = false
	m.endStreak(w)
}

// forget forgets streaks that have ended for long enough, and ends ejections.
func (m *twin) forget() {
	for _, w := range m.workers {
		if w.streak > 0 && m.now-w.failedAt >= m.cfg.RetryMax {
			m.endStreak(w)
		}
		if w.ejected && m.now-w.retryFrom >= w.retryAfter {
			m.admit(w)
		}
	}
	m.sweep()
}

// anybody admits, if nobody else can take a client, the ejected worker whose time is over first.
func (m *twin) anybody() bool {
	if spare := m.free(true); len(m.choosable()) == 0 && len(spare) > 0 {
		m.admit(slices.MinFunc(spare, func(a, b *twinWorker) int {
			return cmp.Or(cmp.Compare(a.retryFrom+a.retryAfter, b.retryFrom+b.retryAfter), cmp.Compare(a.name, b.name))
		}))
	}
	return len(m.choosable()) > 0
}

func (m *twin) setAside(w *twinWorker) {
	if !w.failing && w.endpoint != "" {
		w.failing, w.ejected = true, false
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

func (m *twin) clearFailures(w *twinWorker) {
	w.failing, w.probing, w.ejected, w.attempt = false, false, false, 0
	m.endStreak(w)
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
	m.warmer()
	m.forget()
}

// finish closes an event: nobody waits while a worker could take him.
func (m *twin) finish() {
	m.sweep()
	for p := m.firstWaiting(); p != nil && m.anybody(); p = m.firstWaiting() {
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
	m.emit(Action{Op: Dial, Peer: p.id, Worker: w.name, Endpoint: w.endpoint, Source: w.source})
}

// pick checks the choice that the table has made.
func (m *twin) pick(p *twinPeer, next Action) *twinWorker {
	p.byPolicy, p.preferred = false, false
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
				p.preferred = true
				return must(pref[i], "preference")
			}
		}
	}
	if key, ok := m.affinityKey(p); ok {
		if last, ok := m.had.get(key, m.now); ok && isFree(last) && m.bearable(m.named(last), free) && m.remembers() {
			return must(last, "affinity")
		}
	}
	if m.hashes(p) {
		if best := m.rendezvous(p, free); best != w {
			m.fail("client %v got %s, not %s, where it hashes to", p.id, w.name, best.name)
		}
	} else if (m.cfg.Policy == LeastConnections || m.cfg.Policy == Rendezvous || m.expected() > 0) && !m.leastLoaded(w, free) {
		m.fail("client %v got %s although another is less loaded", p.id, w.name)
	}
	p.byPolicy = true
	if p.worker = w; m.had.grouped && m.remembers() {
		if _, ok := m.affinityKey(p); ok {
			m.had.put(m, p, false)
			p.claimed = w.name
		}
	}
	return w
}

// remembers: what a client had last decides.
func (m *twin) remembers() bool { return m.cfg.Policy != Rendezvous || m.cfg.SharedWait > 0 }

func (m *twin) hashes(p *twinPeer) bool {
	return m.cfg.Policy == Rendezvous && (p.identity != "" || p.origin.Address != "")
}

// bearable says whether a worker is not loaded too much for a client of its own.
func (m *twin) bearable(w *twinWorker, free []*twinWorker) bool {
	load, weight := 1, 0
	for _, o := range free {
		load, weight = load+m.overall(o), weight+o.counts()
	}
	return m.cfg.AffinityMaxLoad == 0 || float64(m.overall(w)+1) <= math.Ceil(m.cfg.AffinityMaxLoad*float64(load)/float64(weight)*float64(w.counts()))
}

// rendezvous is where a client hashes to among those that are not loaded too much.
func (m *twin) rendezvous(p *twinPeer, free []*twinWorker) (best *twinWorker) {
	key := hashOf(hashAddress, p.origin.Address)
	if p.identity != "" {
		key = hashOf(hashIdentity, p.identity)
	}
	o, soonest := orderOf(key), math.Inf(1)
	at := naiveSeats(free, func(w *twinWorker) string { return w.name })
	for i, w := range free {
		seated := &worker{class: &class{weight: w.counts()}, seat: seat{name: hashOf(hashWorker, w.name)}}
		if time := o.time(o.rank(at[i]), seated); time < soonest && m.bearable(w, free) {
			best, soonest = w, time
		}
	}
	return best
}

// leastLoaded says whether w is right by load: it is the least loaded, or pairs of
// that one fail, so that chance may decide for the least loaded beside it.
func (m *twin) leastLoaded(w *twinWorker, free []*twinWorker) bool {
	least := func(w *twinWorker, but *twinWorker) bool {
		return w != but && !slices.ContainsFunc(free, func(o *twinWorker) bool {
			return o != but && (m.overall(o)+1)*w.counts() < (m.overall(w)+1)*o.counts()
		})
	}
	return slices.ContainsFunc(free, func(o *twinWorker) bool {
		return least(o, nil) && (o == w || o.streak > 0 && least(w, o))
	})
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
	c.paired, c.active, c.leased, c.touched = m.now, m.now, m.now, m.now
	s.worker.served++
	m.emit(Action{Op: Join, Peer: c.id, Partner: s.id, Worker: s.worker.name})
}

func (m *twin) requeue(p *twinPeer) {
	p.state, p.worker = PeerWaiting, nil
	m.sweep()
	if !m.anybody() && m.cfg.QueueMax == 0 {
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
	if s, pinned := m.pinned.get(name, m.now); pinned {
		return strings.Split(s.Workers, ","), true
	}
	return m.prefer.get(name, m.now)
}
