package pairing

import "fmt"

// check says which of the table's invariants is broken, nil if none is. It looks
// at everything, by another way than the table does.
func (t *Table) check() error {
	var states [2][NumPeerStates]int
	clients, endpoints, handshaking, open := 0, 0, 0, 0
	loads, dialledIn := map[*worker]int{}, map[*worker]int{}
	addresses := map[string]int{}
	var err error
	bad := func(format string, args ...any) {
		if err == nil {
			err = fmt.Errorf(format, args...)
		}
	}
	t.index.each(func(p *Peer) bool {
		states[side(p)][p.state]++
		if p.gone {
			bad("%d is gone and known", p.ID)
		}
		if !p.client && p.origin.Address != "" {
			dialledIn[p.worker]++
		}
		if p.client {
			clients++
			addresses[p.origin.Address]++
			if of := t.addresses[p.origin.Address]; (p.among.in != nil) != (p.identity == nil) || p.among.in != nil && (of == nil || p.among.in != &of.unnamed) {
				bad("%d is among those without a name", p.ID)
			}
		}
		if p.origin.Endpoint != "" && t.byEndpoint[side(p)].get(p.origin.Endpoint) == p {
			endpoints++
		}
		switch q := p.partner; {
		case q == nil:
			if p.state >= PeerPaired {
				bad("%d is %v without a partner", p.ID, p.state)
			}
		case q.partner != p || q.client == p.client || q.state != p.state || q.worker != p.worker:
			bad("%d and %d are no pair", p.ID, q.ID)
		case p.client && p.state == PeerPaired:
			handshaking++
		case p.client && p.state == PeerOpen:
			open++
		}
		if p.state == PeerDialling || !p.client && p.partner != nil || p.client && p.partner != nil && p.partner.gone {
			loads[p.worker]++
		}
		return true
	})
	if states != t.stats.states {
		bad("states are %v, not %v", t.stats.states, states)
	}
	if clients != t.clients || len(addresses) != len(t.addresses) {
		bad("%d clients from %d addresses, not %d from %d", t.clients, len(t.addresses), clients, len(addresses))
	}
	for a, of := range t.addresses {
		if checkList(&of.unnamed, bad); of.clients != addresses[a] || of.unnamed.n > of.clients {
			bad("%s has %d clients, %d of them without a name, not %d", a, of.clients, of.unnamed.n, addresses[a])
		}
	}
	if n := len(t.byEndpoint[0].peers) + len(t.byEndpoint[1].peers); n != endpoints {
		bad("%d endpoints, not %d", n, endpoints)
	}
	if handshaking != t.stats.handshaking || open != t.stats.open {
		bad("pairs are miscounted")
	}
	t.checkWorkers(loads, dialledIn, bad)
	t.checkQueues(states, bad)
	return err
}

func (t *Table) checkWorkers(loads, dialledIn map[*worker]int, bad func(string, ...any)) {
	choosable, share, retries, draining, streaks, ejected, spare, usable, listeners := 0, 0, 0, 0, 0, 0, 0, 0, 0
	for _, w := range t.workers {
		if w.load() != loads[w] {
			bad("%s has load %d, not %d", w.name, w.load(), loads[w])
		}
		if w.dialledIn != dialledIn[w] {
			bad("%s has dialled in %d times, not %d", w.name, w.dialledIn, dialledIn[w])
		}
		if (w.at >= 0) != w.isChoosable() {
			bad("%s is misplaced", w.name)
		}
		if w.at >= 0 {
			choosable++
			share += w.weight * w.warmth.sixteenths
			if w.class.members[w.at] != w || w.class.weight != w.weight*w.warmth.sixteenths || w.filed != w.overall() {
				bad("%s is filed wrongly", w.name)
			}
		}
		if (w.streak.length > 0) != (w.streak.timer.in == &t.streaks.list) || w.streak.length < len(w.streak.names) {
			bad("%s has a streak of %d, wrongly timed", w.name, w.streak.length)
		}
		if w.streak.length > 0 {
			streaks++
		}
		if w.ejected {
			ejected++
			if w.failing || t.ejected[w.retryIndex] != w {
				bad("%s is ejected for good", w.name)
			}
			if w.accepts() && w.room() && (w.endpoint != "" || w.slots.n > 0) {
				spare++
			}
		}
		if cold := w.warmth.timer.in == &t.warming.list; cold != (w.warmth.sixteenths < warmSteps) || cold && !w.ready {
			bad("%s counts %d sixteenths, wrongly timed", w.name, w.warmth.sixteenths)
		}
		if w.isUsable() {
			usable++
		}
		if w.endpoint != "" {
			listeners++
		}
		if w.retryIndex >= 0 && !w.ejected {
			retries++
		}
		if w.failing != (w.retryIndex >= 0 && !w.ejected || w.probing) {
			bad("%s is set aside for good", w.name)
		}
		handshaking := 0
		for p := w.paired.head; p != nil; p = p.next {
			switch p.owner.state {
			case PeerDraining:
				draining++
			case PeerPaired:
				handshaking++
			}
		}
		if handshaking != w.handshaking {
			bad("%s shakes hands with %d, not %d", w.name, w.handshaking, handshaking)
		}
	}
	if choosable != t.choosable || share != t.share || retries != len(t.retries) {
		bad("%d choosable, %d shares, %d retries, not %d, %d, %d", t.choosable, t.share, len(t.retries), choosable, share, retries)
	}
	if n := checkExpiry(&t.streaks, bad); n != streaks {
		bad("%d streaks, not %d", n, streaks)
	}
	if ejected != len(t.ejected) || spare != t.spare || usable != t.usable {
		bad("%d ejected, %d to spare, %d usable, not %d, %d, %d", len(t.ejected), t.spare, t.usable, ejected, spare, usable)
	}
	if listeners != t.listeners || t.OnlySlots() != (listeners == 0) {
		bad("%d listen, not %d", t.listeners, listeners)
	}
	if draining != t.stats.draining {
		bad("%d draining, not %d", t.stats.draining, draining)
	}
	if t.choosable+t.spare > 0 && t.queue.len() > 0 {
		bad("clients wait although a worker is free")
	}
	for _, c := range t.classes {
		if w := c.loads.least(); (w == nil) != (len(c.members) == 0) {
			bad("class %d has lost its order", c.weight)
		} else if w != nil {
			for _, o := range c.members {
				if o.filed < w.filed {
					bad("%s is not the least loaded", w.name)
				}
			}
		}
	}
}

func (t *Table) checkQueues(states [2][NumPeerStates]int, bad func(string, ...any)) {
	if t.queue.len()+t.apart.n != states[1][PeerWaiting] {
		bad("%d in the queue, %d apart, %d wait", t.queue.len(), t.apart.n, states[1][PeerWaiting])
	}
	last := uint64(0)
	for p := t.queue.fresh.head; p != nil; p = p.next {
		if p.owner.place <= last {
			bad("%d stands in the wrong place", p.owner.ID)
		}
		last = p.owner.place
	}
	waiting := 0
	for a, w := range t.hints.next {
		if waiting += len(w.identities); len(w.identities) == 0 {
			bad("nobody waits for %s", a)
		}
	}
	for k := range t.hints.held.items {
		if k.endpoint == "" {
			waiting--
		}
	}
	if waiting != 0 {
		bad("%d hints by address too many", waiting)
	}
	checkMemory(&t.hints.held, bad)
	checkMemory(&t.preferred, bad)
	checkMemory(&t.habits.own, bad)
	checkExpiry(&t.handshakes, bad)
	checkExpiry(&t.finishes, bad)
	checkExpiry(&t.apart, bad)
	checkExpiry(&t.leases.idles, bad)
	checkExpiry(&t.leases.heartbeats, bad)
	ages := 0
	for i := range spread {
		ages += checkExpiry(&t.ages.queues[i], bad)
		checkExpiry(&t.leases.ttls.queues[i], bad)
		checkExpiry(&t.leases.rechecks.queues[i], bad)
	}
	if ages != states[0][PeerSlot]+states[0][PeerConnected] {
		bad("%d ages, %d slots, %d that have not greeted", ages, states[0][PeerSlot], states[0][PeerConnected])
	}
	dialledIn := 0
	for a, all := range t.dialledIn {
		dialledIn += len(all)
		for at, p := range all {
			if p.gone || p.client || p.origin.Address != a || int(p.addressAt) != at {
				bad("%d is not of %s", p.ID, a)
			}
		}
	}
	if dialledIn > t.index.n-t.clients {
		bad("%d connections of workers by address, %d in all", dialledIn, t.index.n-t.clients)
	}
	for name, i := range t.identities {
		if len(i.peers) == 0 {
			bad("%s has no peers", name)
		}
		for at, p := range i.peers {
			if p.gone || p.identity != i || int(p.identityAt) != at {
				bad("%d is not %s", p.ID, name)
			}
		}
	}
}

func checkExpiry[T any](q *expiry[T], bad func(string, ...any)) int {
	for x := q.head; x != nil; x = x.next {
		if x.next != nil && x.next.since < x.since {
			bad("an expiry queue is out of order")
		}
	}
	return checkList(&q.list, bad)
}

func checkList[T any](l *list[T], bad func(string, ...any)) int {
	n, last := 0, (*node[T])(nil)
	for x := l.head; x != nil; x = x.next {
		n++
		if x.in != l || x.prev != last {
			bad("a list is linked wrongly")
		}
		last = x
	}
	if n != l.n || l.tail != last {
		bad("a list has %d, not %d", n, l.n)
	}
	return n
}

func checkMemory[K comparable, V any](m *memory[K, V], bad func(string, ...any)) {
	live, operators, sources := checkExpiry(&m.live, bad), checkExpiry(&m.operators, bad), checkExpiry(&m.sources, bad)
	if live+operators+sources != len(m.items) || operators+sources > m.most {
		bad("%d of live, %d of operators, %d of sources, %d in all, %d may be", live, operators, sources, len(m.items), m.most)
	}
	for source, s := range m.shares {
		if n := checkList(s, bad); n == 0 || m.share > 0 && n > m.share || source == "" {
			bad("%q has a share of %d", source, n)
		}
		sources -= s.n
		for x := s.head; x != nil; x = x.next {
			if x.owner.source != source || x.owner.place.in != &m.sources.list {
				bad("%v is not of %q", x.owner.key, source)
			}
		}
	}
	if sources != 0 {
		bad("%d of sources are in no share", sources)
	}
}
