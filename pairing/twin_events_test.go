package pairing

import (
	"cmp"
	"slices"
	"time"
)

// The events of the twin. Each is given what the real table did; begin and
// finish are the caller's.

func (m *twin) clientConnected(id PeerID, o Origin) {
	m.supersede(id)
	m.clients++
	p := &twinPeer{id: id, client: true, origin: o, connected: m.now}
	why := m.refuse
	clients := m.count(func(q *twinPeer) bool { return q.client && !q.gone })
	same := m.count(func(q *twinPeer) bool { return q.client && !q.gone && q.origin.Address == o.Address })
	if why == NoReason && (m.cfg.MaxClients > 0 && clients >= m.cfg.MaxClients || m.cfg.MaxPerAddress > 0 && same >= m.cfg.MaxPerAddress) {
		why = QueueFull
	}
	if why != NoReason {
		m.abort(p, why)
		m.ended(p, why)
		return
	}
	m.peers = append(m.peers, p)
	m.claim(p)
}

func (m *twin) supersede(id PeerID) {
	if p := m.find(id); p != nil {
		m.vanish(p, Closed)
	}
}

func (m *twin) claim(p *twinPeer) {
	if m.cfg.HintMax == 0 {
		return
	}
	key := hintKey{endpoint: p.origin.Endpoint, worker: !p.client}
	if m.claimOneOf(p, []hintKey{key}) {
		return
	}
	if p.client {
		if !m.cfg.asksWho() {
			m.claimByAddress(p)
		}
		return
	}
	if i := m.aliasOf(p.origin.Address); i >= 0 {
		a := m.alias[i]
		m.alias = append(slices.Delete(m.alias, i, i+1), a)
		m.name(p, a.naming)
	}
}

func (m *twin) claimByAddress(p *twinPeer) {
	var keys []hintKey
	for _, k := range m.next {
		if k.address == p.origin.Address {
			keys = append(keys, k)
		}
	}
	m.claimOneOf(p, keys)
}

func (m *twin) claimOneOf(p *twinPeer, keys []hintKey) bool {
	for _, k := range keys {
		if n, ok := m.held.get(k, m.now); ok && n.hello && slices.Contains(m.fought, k.address) {
			continue
		}
		if n, ok := m.held.get(k, m.now); ok {
			m.held.remove(k, m.now)
			m.retract(k)
			p.hinted = k.address != ""
			m.name(p, n)
			return true
		}
	}
	return false
}

// name gives a peer an identity and, of a worker's connection, the worker.
func (m *twin) name(p *twinPeer, n naming) {
	m.identify(p, n.identity, n.source)
	if p.client {
		return
	}
	if p.worker.name != n.identity && p.partner == nil {
		p.worker = m.joinAnew(n.identity)
		m.sweep()
	}
	if n.weight > 0 && p.worker.name == n.identity && !p.worker.weighed {
		p.worker.weight = min(n.weight, MaxWeight)
	}
}

func (m *twin) identify(p *twinPeer, name, source string) {
	if p.identity == name {
		return
	}
	old := p.identity
	p.identity = name
	m.die(old)
	if _, live := m.beats[name]; !live {
		m.namedBy[name] = source
		m.keep(name, true)
	}
	m.beats[name] = m.now
	m.release(p)
}

func (m *twin) clientReady(id PeerID) {
	p := m.find(id)
	switch {
	case p == nil || !p.client || p.state != PeerConnected || p.partner != nil || p.held || p.asking:
	case p.identity == "" && m.cfg.holdTime() > 0:
		p.held, p.holding = true, m.now
		// Behind those who are held already: they go on in that order.
		m.peers = append(slices.DeleteFunc(m.peers, func(q *twinPeer) bool { return q == p }), p)
		if m.cfg.asksWho() {
			a := Action{Op: Identify, Peer: p.id}
			if key, ok := m.affinityKey(p); ok && m.cfg.HintWait == 0 && !m.cfg.RequireHello {
				a.Who = key.who()
			}
			m.emit(a)
		}
	default:
		m.enter(p, m.now)
	}
}

// release lets a client that is held go on.
func (m *twin) release(p *twinPeer) {
	if !p.held {
		return
	}
	p.held = false
	if m.cfg.HintWait == 0 && !m.cfg.RequireHello {
		m.enter(p, p.holding)
	} else {
		m.enter(p, m.now)
	}
}

// releaseAll lets go on, in their order, those who were held for long enough.
func (m *twin) releaseAll(after time.Duration) {
	for _, p := range slices.Clone(m.peers) {
		if !p.held || m.now-p.holding < after {
			continue
		}
		if m.cfg.asksWho() {
			m.claimByAddress(p)
		}
		if m.release(p); len(m.errs) > 0 {
			return
		}
	}
}

func (m *twin) enter(p *twinPeer, since time.Duration) {
	m.places++
	p.place, p.ready = m.places, m.now
	key, ok := m.affinityKey(p)
	if p.identity != "" && m.cfg.HintMax > 0 {
		key, ok = affinityKey{name: p.identity}, true
	}
	if ok && m.now-since < m.cfg.SharedWait {
		p.asking, p.asked, p.askedAt = true, true, since
		m.peers = append(slices.DeleteFunc(m.peers, func(q *twinPeer) bool { return q == p }), p)
		m.emit(Action{Op: Recall, Peer: p.id, Who: key.who()})
		return
	}
	m.seek(p)
}

// answerAll has those go on, in their order, who have waited for an answer for so long.
func (m *twin) answerAll(after time.Duration) {
	all := slices.Clone(m.peers)
	slices.SortStableFunc(all, func(a, b *twinPeer) int { return cmp.Compare(a.askedAt, b.askedAt) })
	for _, p := range all {
		if p.asking && m.now-p.askedAt >= after && len(m.errs) == 0 {
			p.asking = false
			m.seek(p)
		}
	}
}

func (m *twin) recalled(id PeerID, is Recollection) {
	m.heedPin(is.Pin)
	p := m.find(id)
	if p == nil || !p.asking {
		return
	}
	key, ok := m.affinityKey(p)
	had, known := m.had.get(key, m.now)
	w := m.named(is.Worker)
	switch {
	case !ok || !is.Known || known && had == is.Worker:
	case known && is.Worker == "":
		m.had.forget(m, p, had, false)
	case w != nil && (!known || slices.Contains(m.choosable(), w)):
		m.had.note(m, p, w.name, true)
	}
	p.asking = false
	m.seek(p)
}

func (m *twin) seek(p *twinPeer) {
	waiting := m.count(func(q *twinPeer) bool { return q.state == PeerWaiting })
	switch {
	case m.anybody():
		m.assign(p)
	case waiting < m.cfg.QueueMax:
		p.state = PeerWaiting
	case m.cfg.QueueMax == 0 && !m.usable():
		m.endClient(p, NoWorker, true)
	default:
		m.endClient(p, QueueFull, true)
	}
}

func (m *twin) workerConnected(id PeerID, name string, o Origin) {
	m.supersede(id)
	p := &twinPeer{id: id, origin: o, connected: m.now}
	if m.refuse != NoReason {
		m.abort(p, m.refuse)
		return
	}
	p.worker = m.joinAnew(name)
	m.peers = append(m.peers, p)
	m.claim(p)
}

func (m *twin) workerReady(id PeerID) {
	if p := m.find(id); p != nil && !p.client && p.state == PeerConnected {
		p.state = PeerSlot
	}
}

func (m *twin) dialled(client, id PeerID) {
	m.supersede(id)
	p, s := m.find(client), &twinPeer{id: id, connected: m.now}
	switch {
	case p == nil || p.state != PeerDialling:
		m.abort(s, ClientClosed)
	case p.worker.removed || p.worker.state != Ready || p.worker.endpoint == "":
		m.abort(s, Drained)
		m.requeue(p)
	default:
		s.worker, s.dialled, s.origin.Endpoint = p.worker, true, p.worker.endpoint
		m.peers = append(m.peers, s)
		m.pair(p, s)
	}
}

func (m *twin) dialFailed(client PeerID, worker string) {
	p := m.find(client)
	if p == nil || p.state != PeerDialling || p.worker.name != worker {
		return
	}
	p.failed++
	m.setAside(p.worker)
	m.requeue(p)
}

func (m *twin) probed(worker string, ok bool) {
	w := m.named(worker)
	if w == nil || !w.probing {
		return
	}
	w.probing = false
	if ok {
		w.failing = false
		m.endStreak(w)
	} else {
		m.backOff(w)
		if m.cfg.EndOnDown {
			m.endWhere(Drained, func(p *twinPeer) bool { return p.worker == w && p.partner != nil })
		}
	}
}

func (m *twin) opened(id PeerID) {
	p := m.find(id)
	if p == nil || p.state != PeerPaired {
		return
	}
	if !p.client {
		p = p.partner
	}
	p.state, p.partner.state = PeerOpen, PeerOpen
	p.opened, p.openedAt = true, m.now
	p.worker.attempt = 0
	m.endStreak(p.worker)
	m.told = append(m.told, nil)
	if f := m.from[p.origin.Address]; f != nil {
		f.inRow = nil
	}
	m.outcomes = append(m.outcomes, twinOutcome{p.worker, true})
	m.had.put(m, p, true)
	m.pass(p, p.worker.name)
	m.cameBack(p)
}

// pass tells others which worker a client has.
func (m *twin) pass(p *twinPeer, worker string) {
	if key, ok := m.affinityKey(p); ok && m.cfg.SharedWait > 0 {
		m.emit(Action{Op: Remember, Worker: worker, Who: key.who()})
	}
}

func (m *twin) touch(now time.Duration, id PeerID) {
	p := m.find(id)
	if p == nil {
		return
	}
	for _, q := range []*twinPeer{p, p.partner} {
		if q != nil && q.client {
			q.active = max(m.now, now)
			if ttl := m.cfg.Lease.TTL; (q.active-q.touched)*(grain+1) > ttl+ttl/grain {
				q.touched = q.active
			}
		}
	}
}

func (m *twin) delivering(now time.Duration, id PeerID) {
	m.now = max(m.now, now)
	p := m.find(id)
	if p == nil || p.state != PeerDraining {
		return
	}
	c := p
	if !p.client {
		c = p.partner
	}
	if m.now-c.over < 9*m.cfg.FinishTimeout {
		p.drains = m.now
	}
}

func (m *twin) beat(now time.Duration, name string) bool {
	m.now = max(m.now, now)
	if _, ok := m.beats[name]; ok {
		m.beats[name] = m.now
		return true
	}
	_, ok := m.preference(name)
	return ok
}

func (m *twin) hint(h Hint) {
	if h.Identity == "" {
		return
	}
	n := naming{identity: h.Identity, weight: h.Weight, source: h.Source}
	m.say(h, n, m.peerAt(h.Endpoint, !h.Worker))
}

// waitFor are the identities that wait for the next client from an address.
func (m *twin) waitFor(address string) (all []naming) {
	for _, k := range m.next {
		if k.address != address {
			continue
		}
		for _, x := range m.held.items {
			if x.key == k {
				all = append(all, x.value)
			}
		}
	}
	return all
}

func (m *twin) othersHello(address, identity string) bool {
	return slices.ContainsFunc(m.waitFor(address), func(n naming) bool { return n.hello && n.identity != identity })
}

// hello says whether it is known who is meant.
func (m *twin) hello(h Hint, is Heard) bool {
	if h.Endpoint != "" || h.Address == "" || h.Identity == "" {
		m.hint(h)
		return true
	}
	m.held.expire(m.now)
	n := naming{identity: h.Identity, weight: h.Weight, source: h.Source, hello: true}
	if h.Worker {
		if i := m.aliasOf(h.Address); i >= 0 && m.alias[i].identity != h.Identity {
			other := m.alias[i].identity
			if m.count(func(q *twinPeer) bool {
				return !q.gone && !q.client && !q.dialled && q.origin.Address == h.Address && q.identity == other
			}) > 0 {
				return false
			}
		}
		m.say(h, n, nil)
		return true
	}
	is.Address = h.Address
	m.heed(is)
	if is.Known && is.Identity != "" {
		m.await(hintKey{address: h.Address, identity: is.Identity}, twinNaming(is.Saying, h.Address))
	}
	others := slices.ContainsFunc(m.waitFor(h.Address), func(n naming) bool { return n.identity != h.Identity })
	if fought := slices.Contains(m.fought, h.Address); fought || others {
		if m.othersHello(h.Address, h.Identity) && !fought {
			m.fought = append(m.fought, h.Address)
		}
		if slices.Contains(m.fought, h.Address) {
			for _, n := range m.waitFor(h.Address) {
				if n.hello {
					m.held.put(twinItem[hintKey, naming]{key: hintKey{address: h.Address, identity: n.identity}, value: n, source: n.source, since: m.now})
				}
			}
			m.tell(Saying{Address: h.Address, Contested: true})
		}
		if is.Contested && !slices.Contains(m.fought, h.Address) {
			m.fail("%s should be contested", h.Address)
		}
		return false
	}
	var unnamed []*twinPeer
	for _, q := range m.peers {
		if !q.gone && q.client && q.origin.Address == h.Address && q.identity == "" {
			unnamed = append(unnamed, q)
		}
	}
	switch old := len(unnamed) == 1 && m.cfg.HintTTL > 0 && m.now-unnamed[0].connected >= m.cfg.HintTTL; {
	case len(unnamed) > 1:
		return false
	case is.Contested:
		m.tell(Saying{Address: h.Address, Contested: true})
		return false
	case len(unnamed) == 0 || old:
		m.say(h, n, nil)
	default:
		if key := (hintKey{address: h.Address, identity: h.Identity}); m.held.remove(key, m.now) {
			m.retract(key)
		}
		unnamed[0].hinted = true
		m.say(h, n, unnamed[0])
	}
	return true
}

func (m *twin) say(h Hint, n naming, p *twinPeer) {
	_, live := m.beats[h.Identity]
	m.prefer.put(twinItem[string, []string]{key: h.Identity, value: h.Prefer, source: h.Source, live: live || p != nil, since: m.now})
	if live {
		m.beats[h.Identity] = m.now
	}
	if h.Worker && h.Endpoint == "" {
		m.aliased(h.Address, n)
		return
	}
	if p != nil {
		m.name(p, n)
		return
	}
	key := hintKey{endpoint: h.Endpoint, worker: h.Worker}
	if h.Endpoint == "" {
		key = hintKey{address: h.Address, identity: h.Identity}
	}
	if m.cfg.HintMax == 0 || h.Endpoint == "" && h.Address == "" {
		return
	}
	m.hold(key, n, h.Prefer)
}

// hold keeps a hint, and tells others.
func (m *twin) hold(key hintKey, n naming, prefer []string) {
	m.await(key, n)
	switch {
	case key.worker:
	case key.endpoint != "":
		m.tell(Saying{Endpoint: key.endpoint, Identity: n.identity, Prefer: prefer, Hello: n.source != ""})
	case n.hello && slices.Contains(m.fought, key.address):
		m.tell(Saying{Address: key.address, Contested: true})
	default:
		m.tell(Saying{Address: key.address, Identity: n.identity, Prefer: prefer, Hello: n.hello})
	}
}

func (m *twin) tell(s Saying) {
	if m.cfg.asksWho() {
		m.emit(Action{Op: Say, Saying: &s})
	}
}

// retract has others not know any more of whom a hint was.
func (m *twin) retract(key hintKey) {
	if !key.worker {
		m.tell(Saying{Endpoint: key.endpoint, Address: key.address})
	}
}

// heed forgets what waits for the next from an address and that others, who would know of it, do not know.
func (m *twin) heed(is Heard) {
	m.held.expire(m.now)
	waits := m.waitFor(is.Address)
	switch {
	case !is.Known || is.Address == "" || len(waits) == 0:
		return
	case is.Contested:
		if !slices.Contains(m.fought, is.Address) {
			m.fought = append(m.fought, is.Address)
		}
		return
	}
	for _, n := range waits {
		key := hintKey{address: is.Address, identity: n.identity}
		if i := m.held.find(key, m.now); n.identity != is.Identity && m.held.items[i].since >= is.Since && m.held.items[i].since < is.Until {
			m.held.drop(i)
		}
	}
}

// twinNaming is what others say as a hint.
func twinNaming(s Saying, from string) naming {
	if s.Hello {
		return naming{identity: s.Identity, source: from, hello: true}
	}
	return naming{identity: s.Identity}
}

// identified has others say who a client is.
func (m *twin) identified(id PeerID, is Heard) {
	p := m.find(id)
	m.held.expire(m.now)
	if p == nil || !p.client || p.identity != "" {
		if is.Identity != "" && is.Address != "" && (p == nil || p.identity != is.Identity) {
			m.hold(hintKey{address: is.Address, identity: is.Identity}, twinNaming(is.Saying, is.Address), is.Prefer)
		}
		return
	}
	m.heed(is)
	if is.Identity != "" {
		key := hintKey{endpoint: is.Endpoint}
		if is.Endpoint == "" {
			key = hintKey{address: is.Address, identity: is.Identity}
			p.hinted = true
		}
		m.held.remove(key, m.now)
		n := twinNaming(is.Saying, p.origin.Address)
		m.say(Hint{Identity: is.Identity, Prefer: is.Prefer, Source: n.source}, n, p)
	} else if p.held {
		m.claimByAddress(p)
	}
	switch {
	case p.identity != "" || !p.held:
	case m.cfg.HintWait > 0 || m.cfg.RequireHello:
		m.emit(Action{Op: Identify, Peer: p.id, Again: true})
	default:
		m.release(p)
	}
}

func (m *twin) await(key hintKey, n naming) {
	m.held.expire(m.now)
	if key.address != "" && !slices.Contains(m.next, key) {
		if n.hello && m.othersHello(key.address, key.identity) && !slices.Contains(m.fought, key.address) {
			m.fought = append(m.fought, key.address)
		}
		m.next = append(m.next, key)
	}
	m.held.put(twinItem[hintKey, naming]{key: key, value: n, source: n.source, since: m.now})
}

// holdAgain keeps the hint of a client that was to have a worker and will come again.
func (m *twin) holdAgain(p *twinPeer, why Reason) {
	left := []Reason{ClientClosed, ClientReset, ClientGaveUp, HeartbeatExpired, Kicked, Shutdown}
	if p.hinted && !p.opened && m.cfg.HintMax > 0 && !slices.Contains(left, why) {
		m.hold(hintKey{address: p.origin.Address, identity: p.identity}, naming{identity: p.identity, source: m.namedBy[p.identity], hello: m.namedBy[p.identity] != ""}, nil)
	}
}

func (m *twin) peerAt(endpoint string, client bool) *twinPeer {
	for _, p := range m.peers {
		if !p.gone && !p.dialled && p.client == client && endpoint != "" && p.origin.Endpoint == endpoint {
			return p
		}
	}
	return nil
}

// aliased has all that workers dial in from an address be of one worker.
func (m *twin) aliased(address string, n naming) {
	if m.cfg.HintMax == 0 {
		return
	}
	if i := m.aliasOf(address); i >= 0 {
		m.alias = slices.Delete(m.alias, i, i+1)
	}
	m.alias = append(m.alias, twinAlias{address, n})
	m.alias = m.alias[max(0, len(m.alias)-m.cfg.HintMax):]
	for _, p := range slices.Clone(m.peers) {
		if !p.client && !p.dialled && p.partner == nil && p.origin.Address == address && (p.identity == "" || p.identity == n.identity) {
			m.name(p, n)
		}
	}
}

// aliasOf is where an address is among those that are a worker's, -1 if nowhere.
func (m *twin) aliasOf(address string) int {
	return slices.IndexFunc(m.alias, func(a twinAlias) bool { return a.address == address })
}

// unprefer forgets what an identity prefers and the addresses that are its own.
func (m *twin) unprefer(name string) bool {
	n := len(m.alias)
	m.alias = slices.DeleteFunc(m.alias, func(a twinAlias) bool { return a.identity == name })
	return m.prefer.remove(name, m.now) || len(m.alias) < n
}

func (m *twin) unhint(name string) (found bool) {
	found = m.unprefer(name)
	m.held.expire(m.now)
	for _, operators := range []bool{true, false} {
		for _, x := range slices.Clone(m.held.items) {
			if x.value.identity == name && (x.source == "") == operators {
				m.held.remove(x.key, m.now)
				m.retract(x.key)
				found = true
			}
		}
	}
	return found
}

func (m *twin) bye(name string) {
	m.unprefer(name)
	is := func(p *twinPeer) bool { return p != nil && !p.gone && p.identity == name }
	for a := m.coming(); a.Op == Abort; a = m.coming() {
		p := m.find(a.Peer)
		if p == nil || !is(p) && !is(p.partner) {
			break
		}
		// Of a pair both may have the name; who is meant then, the table chooses.
		if !is(p) || is(p.partner) && Closed.Reason(p.client) != a.Reason {
			p = p.partner
		}
		m.end(p, Closed.Reason(p.client))
	}
	if m.count(is) > 0 {
		m.fail("%s said bye and is there", name)
	}
}

func (m *twin) addWorker(c WorkerConfig) bool {
	w := m.named(c.Name)
	switch {
	case w == nil:
		w = m.join(c.Name)
	case w.listed && !w.removed:
		return false
	case w.removed:
		w.state = Ready
		m.clearFailures(w)
	}
	w.listed, w.removed = true, false
	w.endpoint, w.weight, w.max, w.maxHandshakes, w.source = c.Endpoint, max(c.Weight, 1), c.MaxPairs, c.MaxHandshakes, c.Source
	return true
}

func (m *twin) removeWorker(name string) bool {
	w := m.named(name)
	if w == nil || w.removed || m.dialsIn(w) {
		return false
	}
	w.removed, w.everywhere, w.weighed = true, false, false
	m.undialled(w)
	return true
}

// unlistWorker takes back addWorker.
func (m *twin) unlistWorker(name string) bool {
	w := m.named(name)
	if w == nil || w.removed || !w.listed {
		return false
	}
	w.removed = !m.dialsIn(w)
	m.undialled(w)
	return true
}

func (m *twin) undialled(w *twinWorker) {
	w.listed, w.endpoint, w.source = false, "", ""
	m.clearFailures(w)
}

func (m *twin) change(name string, f func(*twinWorker)) bool {
	w := m.named(name)
	if w == nil || w.removed {
		return false
	}
	f(w)
	return true
}

func (m *twin) setWorkerState(name string, s State, everywhere bool) bool {
	return m.change(name, func(w *twinWorker) {
		w.state = s
		w.kept = w.kept || w.everywhere && !everywhere
		w.everywhere = everywhere
		if s != Ready {
			m.moving.run = nil
		}
		m.endStreak(w)
		if s == Ready {
			m.clearFailures(w)
		}
	})
}

func (m *twin) endAll(why Reason) { m.endWhere(why, func(*twinPeer) bool { return true }) }
func (m *twin) stopWaiting(why Reason) {
	m.refuse, m.moving.run = why, nil
	m.endWhere(why, func(p *twinPeer) bool { return p.partner == nil })
}

// endWhere ends all that f names, in the order that the table ended them.
func (m *twin) endWhere(why Reason, f func(*twinPeer) bool) {
	for {
		p := m.find(m.coming().Peer)
		if p == nil || !f(p) {
			break
		}
		m.end(p, why)
	}
	for _, p := range m.peers {
		if !p.gone && f(p) {
			m.fail("peer %v should have ended by %v", p.id, why)
		}
	}
}

func (m *twin) reconfigure(cfg Config) {
	renew := cfg.Lease != m.cfg.Lease
	m.held.expire(m.now)
	m.cfg = cfg
	m.size()
	if cfg.SlowStart == 0 {
		m.warmer()
	}
	if cfg.holdTime() == 0 {
		m.releaseAll(0)
	}
	if cfg.SharedWait == 0 {
		m.answerAll(0)
	}
	if !renew {
		return
	}
	for _, p := range m.peers {
		p.active, p.leased, p.touched = m.now, m.now, m.now
	}
	for name := range m.beats {
		m.beats[name] = m.now
	}
}

// tick does what is due. What has jitter, or a grain, may happen from its
// earliest moment and must from its latest.
func (m *twin) tick() {
	c, ttl := &m.cfg, m.cfg.Lease.TTL
	shaking := func(p *twinPeer) time.Duration {
		switch {
		case p.gone || p.held || p.place > 0 && p.state != PeerPaired || p.state != PeerConnected && p.state != PeerPaired || !p.client && p.state == PeerPaired:
			return -1
		case p.state == PeerPaired:
			return m.now - p.paired
		}
		return m.now - p.connected
	}
	paired := func(p *twinPeer) bool { return p.client && (p.state == PeerPaired || p.state == PeerOpen) }
	since := func(on bool, t time.Duration) time.Duration {
		if !on {
			return -1
		}
		return m.now - t
	}
	if c.HandshakeTimeout > 0 {
		m.due(HandshakeTimeout, c.HandshakeTimeout, c.HandshakeTimeout, shaking)
	}
	m.due(NoReason, c.FinishTimeout, c.FinishTimeout, func(p *twinPeer) time.Duration {
		return since(p.state == PeerDraining && !p.gone, p.drains)
	})
	if c.RequireHello {
		m.due(HeartbeatExpired, c.holdTime(), c.holdTime(), func(p *twinPeer) time.Duration { return since(p.held && !p.gone, p.holding) })
	} else if c.holdTime() > 0 {
		m.releaseAll(c.holdTime())
	}
	if c.SharedWait > 0 {
		m.answerAll(c.SharedWait)
	}
	switch c.Lease.Strategy {
	case LeaseIdle:
		m.due(IdleExpired, ttl, ttl+ttl/20, func(p *twinPeer) time.Duration { return since(paired(p), p.active) })
	case LeaseTTL:
		m.due(TTLExpired, ttl-ttl/20, ttl+ttl/20, func(p *twinPeer) time.Duration { return since(paired(p), p.leased) })
	case LeaseHeartbeat:
		m.due(HeartbeatExpired, ttl, ttl+ttl/20, func(p *twinPeer) time.Duration {
			return since(p.identity != "" && !p.gone, m.beats[p.identity])
		})
	}
	m.moveDue()
	for p := m.firstWaiting(); p != nil && m.now-p.ready >= c.QueueTimeout; p = m.firstWaiting() {
		m.endClient(p, m.whyUnserved(p), true)
	}
	m.probe()
}

// due ends those whom age gives between earliest and latest, as the table did.
func (m *twin) due(why Reason, earliest, latest time.Duration, age func(*twinPeer) time.Duration) {
	for {
		a := m.coming()
		p := m.find(a.Peer)
		// What may end now for this reason may have to for another.
		if p == nil || a.Op != Abort || a.Reason != why && p.state != PeerDraining || age(p) < earliest && (p.partner == nil || age(p.partner) < earliest) {
			break
		}
		m.end(p, why)
	}
	for _, p := range m.peers {
		if age(p) >= latest {
			m.fail("peer %v is overdue: %v by %v", p.id, why, age(p))
		}
	}
}

func (m *twin) probe() {
	wait := func(w *twinWorker) (time.Duration, bool) {
		return m.now - w.retryFrom, w.failing && !w.probing
	}
	for m.coming().Op == Probe {
		w := m.named(m.coming().Worker)
		if w == nil {
			break
		}
		if waited, on := wait(w); !on || waited < w.retryAfter*9/10-1 {
			break
		}
		w.probing = true
		m.emit(Action{Op: Probe, Worker: w.name, Endpoint: w.endpoint, Source: w.source})
	}
	for _, w := range m.workers {
		if waited, on := wait(w); on && waited > w.retryAfter*11/10 {
			m.fail("%s should have been probed", w.name)
		}
	}
}
