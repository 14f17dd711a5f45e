package pairing

import (
	"maps"
	"slices"
	"time"
)

// Save writes down what the table knows, and of the connections those that may come
// along; both halves of a pair do, or none. The table stays as it is, and what was written
// down is not touched by it any more.
func (t *Table) Save(now time.Duration, along func(*Peer) bool) Saved {
	t.at(now)
	s := Saved{
		Now: t.now, Config: t.cfg, Peers: t.SavePeers(along), LastPlace: t.queue.last,
		LostSlots: slices.Clone(t.lostSlots), LostHint: t.lostHint, Joined: t.habits.joined,
		Told: t.told, Outcomes: [2]uint64{t.outcomes.opened, t.outcomes.failed},
		Moves: t.moves.saved(), Counters: t.saveCounters(),
	}
	t.saveWorkers(&s)
	t.saveWhoFailed(&s)
	t.saveMemory(&s)
	for side := range t.arrivals {
		a := &t.arrivals[side]
		s.Arrivals[side].N = a.n
		for _, x := range a.ring {
			s.Arrivals[side].Ring = append(s.Arrivals[side].Ring, SavedArrival{x.id, x.from, x.at})
		}
	}
	return s
}

// saver gives peers their places.
type saver struct {
	SavedPeers
	place map[*Peer]int
}

// SavePeers writes down connections alone, for a table that goes on already.
func (t *Table) SavePeers(along func(*Peer) bool) SavedPeers {
	s := saver{place: map[*Peer]int{}}
	var all []*Peer
	add := func(p *Peer) {
		if _, has := s.place[p]; !has {
			s.place[p] = len(all)
			all = append(all, p)
		}
	}
	t.index.each(func(p *Peer) bool {
		if along(p) {
			if add(p); p.partner != nil {
				add(p.partner)
			}
		}
		return true
	})
	for _, p := range all {
		s.Peers = append(s.Peers, t.savePeer(p, s.place))
	}
	for _, name := range slices.Sorted(maps.Keys(t.workers)) {
		w := t.workers[name]
		l := SavedLists{Worker: name, Greeting: s.list(&w.greeting), Slots: s.list(&w.slots), Paired: s.list(&w.paired)}
		if len(l.Greeting)+len(l.Slots)+len(l.Paired) > 0 {
			s.Of = append(s.Of, l)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(t.addresses)) {
		if l := s.list(&t.addresses[address].unnamed); len(l) > 0 {
			s.Unnamed = append(s.Unnamed, l)
		}
	}
	s.Queue = s.list(&t.queue.fresh)
	for _, p := range slices.SortedFunc(slices.Values(t.queue.back), func(a, b *Peer) int { return int(int64(a.place - b.place)) }) {
		if i, has := s.place[p]; has {
			s.Returned = append(s.Returned, i)
		}
	}
	s.saveIdentities(t)
	s.Handshakes, s.Silences, s.Holds = s.order(&t.handshakes), s.order(&t.silences), s.order(&t.holds)
	s.Recalls = s.order(&t.recalls)
	s.Finishes, s.Apart, s.Idles = s.order(&t.finishes), s.order(&t.apart), s.order(&t.leases.idles)
	for i := range spread {
		s.Ages[i] = s.order(&t.ages.queues[i])
		s.TTLs[i] = s.order(&t.leases.ttls.queues[i])
		s.Rechecks[i] = s.order(&t.leases.rechecks.queues[i])
	}
	return s.SavedPeers
}

func (t *Table) savePeer(p *Peer, place map[*Peer]int) SavedPeer {
	s := SavedPeer{
		ID: p.ID, Client: p.client, State: p.state.String(), Gone: p.gone, Partner: -1, Reason: p.reason, Origin: *p.origin,
		Named: p.named, Greeted: p.greeted, Replaced: p.replaced, Connected: p.connected, Rule: Rule(0).String(),
		Found: p.origin.Endpoint != "" && t.byEndpoint[side(p)].get(p.origin.Endpoint) == p,
	}
	if p.partner != nil {
		s.Partner = place[p.partner]
	}
	if p.worker != nil {
		s.Worker = p.worker.name
	}
	if c := clientOf(p); c != nil {
		s.Paired = c.paired
	}
	if p.visit != nil {
		p.visit.save(&s)
	}
	if p.coming != nil {
		p.coming.save(&s)
	}
	if p.identity != nil {
		s.Identity, s.IdentitySource = p.identity.name, p.identity.source
	}
	return s
}

func (v *visit) save(s *SavedPeer) {
	s.WasOpen, s.Asked = v.wasOpen, v.asked
	s.Ready, s.Open, s.Over = v.ready, v.opened, v.over
	s.Dials, s.Rule = int(v.dials), v.rule.String()
	for _, one := range v.passedOver() {
		s.Passed = append(s.Passed, SavedPassed{one.worker, one.why.String()})
	}
}

func (c *coming) save(s *SavedPeer) {
	s.Place, s.Dialled, s.FailedDials = c.place, c.dialled, int(c.failedDials)
	s.Held, s.Asking, s.Hinted, s.Portless = c.held, c.asking, c.hinted, c.portless
	if c.claimed != nil {
		s.Claimed = c.claimed.name
	}
}

// list is those of a list that come along.
func (s *saver) list(l *list[*Peer]) (places []int) {
	for x := l.head; x != nil; x = x.next {
		if i, has := s.place[x.owner]; has {
			places = append(places, i)
		}
	}
	return places
}

func (s *saver) order(q *expiry[*Peer]) (all []SavedEntry) {
	for x := q.head; x != nil; x = x.next {
		if i, has := s.place[x.owner]; has {
			all = append(all, SavedEntry{i, x.since})
		}
	}
	return all
}

// saveIdentities has those first whose leases run, the longest not renewed before the others.
func (s *saver) saveIdentities(t *Table) {
	add := func(i *identity) {
		one := SavedIdentity{Name: i.name, Source: i.source, Leased: i.lease.in != nil, Since: i.lease.running()}
		for _, p := range i.peers {
			if at, has := s.place[p]; has {
				one.Peers = append(one.Peers, at)
			}
		}
		if len(one.Peers) > 0 {
			s.Identities = append(s.Identities, one)
		}
	}
	for x := t.leases.heartbeats.head; x != nil; x = x.next {
		add(x.owner)
	}
	for _, name := range slices.Sorted(maps.Keys(t.identities)) {
		if i := t.identities[name]; i.lease.in == nil {
			add(i)
		}
	}
}

func (t *Table) saveWorkers(s *Saved) {
	for _, name := range slices.Sorted(maps.Keys(t.workers)) {
		s.Workers = append(s.Workers, t.workers[name].saved())
	}
	for _, c := range t.classes {
		one := SavedClass{Weight: c.weight, Credit: c.credit, Turn: c.turn}
		for _, w := range c.members {
			one.Members = append(one.Members, w.name)
		}
		for _, w := range c.byLoad() {
			one.ByLoad = append(one.ByLoad, w.name)
		}
		s.Classes = append(s.Classes, one)
	}
	for _, name := range t.departed.Keys() {
		d, _ := t.departed.Peek(name)
		s.Departed = append(s.Departed, SavedDeparted{name, d.since, d.returning, d.failures, d.served, d.lost})
	}
}

// byLoad is a class in the order of its loads.
func (c *class) byLoad() (all []*worker) {
	seen := map[*list[*worker]]bool{}
	byLoad := slices.Clone(c.members)
	slices.SortStableFunc(byLoad, func(a, b *worker) int { return a.filed - b.filed })
	for _, w := range byLoad {
		if seen[w.spot.in] {
			continue
		}
		seen[w.spot.in] = true
		for x := w.spot.in.head; x != nil; x = x.next {
			all = append(all, x.owner)
		}
	}
	return all
}

func (w *worker) saved() SavedWorker {
	return SavedWorker{
		Said: w.saidOf(),
		Name: w.name, Endpoint: w.endpoint, Source: w.source, Weight: w.weight, Max: w.max, MaxHandshakes: w.maxHandshakes, State: w.state.String(),
		Listed: w.listed, Kept: w.kept, Removed: w.removed, Awaited: w.awaited, Returning: w.returning,
		Failing: w.failing, Probing: w.probing, Ejected: w.ejected, Attempt: w.attempt, RetryAt: w.retryAt,
		Portless: w.portless, PortlessSince: w.ports.running(),
		Opened: w.opened, Failed: w.failed,
		Streak:   SavedStreak{w.streak.length, w.streak.others.opened, w.streak.others.failed, savedHabits(w.streak.names), w.streak.timer.running()},
		Failures: w.failures, Served: w.served, DialTime: w.dialTime, Lost: w.lost, Loser: w.loser.in != nil, LostSince: w.loser.running(),
		Sixteenths: w.warmth.sixteenths, WarmFrom: w.warmth.from, WarmAt: w.warmth.timer.running(),
		Elsewhere: w.elsewhere, ComesBack: w.comeback.in != nil, BackSince: w.comeback.running(), WasHere: w.wasHere, Ready: w.ready, Empty: w.empty,
	}
}

func (w *worker) saidOf() (all []SavedSaid) {
	for r, said := range w.said {
		if said.At > 0 {
			all = append(all, SavedSaid{Register(r).String(), said})
		}
	}
	return all
}

// running is since when x waits for its time, 0 if it does not.
func (x *node[T]) running() time.Duration {
	if x.in == nil {
		return 0
	}
	return x.since
}

func savedHabits(keys []affinityKey) (all []SavedHabit) {
	for _, k := range keys {
		all = append(all, SavedHabit{k.source, k.name})
	}
	return all
}

func (t *Table) saveWhoFailed(s *Saved) {
	for _, address := range t.failing.Keys() {
		f, _ := t.failing.Peek(address)
		counts := map[string]uint64{}
		for r, n := range f.counts {
			if n > 0 {
				counts[Reason(r).String()] = uint64(n)
			}
		}
		s.Failing = append(s.Failing, SavedFailing{address, f.since, f.last, counts, f.recent, f.inRow, f.with, f.several, f.told, f.hint})
	}
	for _, name := range t.shrunk.Keys() {
		at, _ := t.shrunk.Peek(name)
		s.Shrunk = append(s.Shrunk, SavedTime{name, at})
	}
	for _, address := range t.costly.Keys() {
		c, _ := t.costly.Peek(address)
		s.Costly = append(s.Costly, SavedCostly{address, c.slots, c.last, c.until})
	}
	for x := t.awaited.head; x != nil; x = x.next {
		o := x.owner
		s.Owed = append(s.Owed, SavedOwed{owedNames[o.kind], o.slot, x.since})
	}
	for _, name := range slices.Sorted(maps.Keys(t.owing)) {
		s.Owing = append(s.Owing, SavedTime{name, t.owing[name].last})
	}
	for _, w := range t.wishes {
		if w.any {
			s.Wishes = append(s.Wishes, SavedTime{w.address, w.at})
		}
	}
}

var owedNames = [owedKinds]string{"idle", "opened", "failed"}

func (m *moves) saved() SavedMoves {
	s := SavedMoves{Next: m.next, Last: m.last.saved(), Away: m.away, Awaited: m.awaited}
	if m.over != nil {
		over := m.over.saved()
		s.Over = &over
	}
	for _, b := range m.back {
		s.Back = append(s.Back, SavedFailback{b.worker.name, b.after})
	}
	if r := m.rebalance; r != nil {
		s.Rebalance = &SavedRebalance{Rebalance: r.Rebalance, Owed: r.owed, Among: slices.Clone(r.among), Moved: r.moved, Ended: r.ended}
		for _, o := range r.over {
			one := SavedOverloaded{Worker: o.worker.name, Ends: o.ends}
			for _, c := range o.pairs {
				one.Pairs = append(one.Pairs, SavedCandidate{c.client, c.stray, c.active, c.again})
			}
			s.Rebalance.Over = append(s.Rebalance.Over, one)
		}
	}
	return s
}

func (r *Rebalancing) saved() SavedRebalancing {
	s := SavedRebalancing{Rebalancing: *r, Began: r.began}
	s.Workers = slices.Clone(r.Workers)
	return s
}

func (t *Table) saveMemory(s *Saved) {
	s.Hints = savedMemory(&t.hints.held, hintKey.saved, naming.saved)
	same := func(name string) string { return name }
	s.Preferred = savedMemory(&t.preferred, same, func(w []string) []string { return w })
	s.Habits = savedMemory(&t.habits.own, affinityKey.saved, same)
	s.Pinned, s.Unpinned = savedMemory(&t.pins.held, same, pin.saved), savedMemory(&t.pins.ended, same, pin.saved)
	s.Pins = map[string][]string{}
	for _, is := range s.Pinned {
		s.Pins[is.Key] = is.Value.Workers
	}
	for _, address := range slices.Sorted(maps.Keys(t.hints.next)) {
		w := t.hints.next[address]
		s.Next = append(s.Next, SavedNext{address, slices.Clone(w.identities), w.contested})
	}
	for _, address := range t.aliases.Keys() {
		n, _ := t.aliases.Peek(address)
		s.Aliases = append(s.Aliases, SavedItem[string, SavedNaming]{Key: address, Value: n.saved()})
	}
}

func savedMemory[K comparable, V, SK, SV any](m *memory[K, V], key func(K) SK, value func(V) SV) (all []SavedItem[SK, SV]) {
	for _, q := range [...]*expiry[*item[K, V]]{&m.live, &m.operators, &m.sources} {
		for x := q.head; x != nil; x = x.next {
			i := x.owner
			all = append(all, SavedItem[SK, SV]{key(i.key), value(i.value), i.source, q == &m.live, x.since})
		}
	}
	return all
}

func (k hintKey) saved() SavedHint { return SavedHint{k.endpoint, k.address, k.identity, k.worker} }

func (k affinityKey) saved() SavedHabit { return SavedHabit{k.source, k.name} }

func (p pin) saved() SavedPin { return SavedPin{p.Said, slices.Clone(p.workers)} }

func (n naming) saved() SavedNaming {
	return SavedNaming{n.identity, n.weight, n.max, n.source, n.hello}
}

// Save writes down what the group remembers.
func (g *Group) Save() SavedGroup {
	g.guard.Lock()
	defer g.guard.Unlock()
	return SavedGroup{g.now, savedMemory(&g.last, affinityKey.saved, func(h habit) SavedHabitOf { return SavedHabitOf{h.worker, h.opened} })}
}

var ruleKeys = [rules]string{"prefer", "affinity", "policy"}

func (t *Table) saveCounters() SavedCounters {
	c := &t.stats
	s := SavedCounters{
		Clients: c.clients, Pairs: c.pairs, Opened: c.opened,
		Ended: byReason(&c.ended), PairsEnded: byReason(&c.pairsEnded), Failed: byReason(&c.failed), FailedBefore: byReason(&t.failedBefore),
		SlotsMade: c.slotsMade, SlotsRecycled: c.slotsRecycled, SlotsClosed: c.slotsClosed, Ungreeted: c.ungreeted, SlotsLost: c.slotsLost,
		Chosen: map[string]uint64{}, Dials: c.dials, DialFailures: c.dialFailures, Probes: c.probes, NoSourcePort: c.noPort,
		HintsExpired: c.hintsExpired, Leases: map[string]uint64{},
		Waits: c.waits, Handshakes: c.handshakeTimes, DialsDone: c.dialsDone, DialsFailed: c.dialsFailed,
	}
	for rule, n := range c.chosen {
		s.Chosen[ruleKeys[rule]] = n
	}
	for strategy, n := range c.leases {
		s.Leases[Strategy(strategy).String()] = n
	}
	return s
}

// byReason leaves out what never happened.
func byReason(counts *[NumReasons]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for r, n := range counts {
		if n > 0 {
			m[Reason(r).String()] = n
		}
	}
	return m
}
