package pairing

import (
	"container/heap"
	"fmt"
	"time"
)

// restorer puts saved peers into a table.
type restorer struct {
	t     *Table
	saved *SavedPeers
	all   []*Peer
}

// TakeOver takes in connections that another table had beside those that came with
// [Table.Restore]. Their times are those of this table. The error is an [ErrSaved], and nothing has changed.
func (t *Table) TakeOver(now time.Duration, s *SavedPeers, conns []any) ([]Action, error) {
	t.begin(now)
	if err := t.restorePeers(s, conns); err != nil {
		return t.finish(), fmt.Errorf("%w: %w", ErrSaved, err)
	}
	for _, l := range s.Of {
		t.place(t.workers[l.Worker])
	}
	return t.finish(), nil
}

// restorePeers looks at everything before it changes anything. Workers are not placed.
func (t *Table) restorePeers(s *SavedPeers, conns []any) error {
	if len(conns) != len(s.Peers) {
		return fmt.Errorf("%d peers with %d connections", len(s.Peers), len(conns))
	}
	r := &restorer{t: t, saved: s}
	for i := range s.Peers {
		p, err := t.restorePeer(&s.Peers[i])
		if err != nil {
			return err
		}
		p.Conn = conns[i]
		r.all = append(r.all, p)
	}
	if err := r.check(); err != nil {
		return err
	}
	for i, p := range r.all {
		if at := s.Peers[i].Partner; at >= 0 {
			p.partner = r.all[at]
		}
	}
	for i, p := range r.all {
		r.know(&s.Peers[i], p)
	}
	r.lists()
	r.orders()
	r.identities()
	for _, p := range r.all {
		if p.client && p.wasOpen || !p.client && p.partner != nil {
			p.hasCome()
		}
	}
	return nil
}

func (t *Table) restorePeer(s *SavedPeer) (*Peer, error) {
	state, err := wordOf[PeerState]("state", peerStateNames[:], s.State)
	if err != nil {
		return nil, err
	}
	rule, err := wordOf[Rule]("rule", ruleNames[:], s.Rule)
	if err != nil {
		return nil, err
	}
	p := newDialIn(s.ID, s.Origin, nil)
	if s.Client {
		p = newClient(s.ID, s.Origin, nil)
		if err := p.restore(s, rule); err != nil {
			return nil, err
		}
	}
	p.state, p.gone, p.reason, p.connected = state, s.Gone, s.Reason, s.Connected
	p.named, p.greeted, p.replaced = s.Named, s.Greeted, s.Replaced
	p.dialled, p.place, p.failedDials = s.Dialled, s.Place, int32(s.FailedDials)
	p.held, p.asking, p.hinted, p.portless = s.Held, s.Asking, s.Hinted, s.Portless
	p.span.owner, p.among.owner = p, p
	return p, nil
}

func (v *visit) restore(s *SavedPeer, rule Rule) error {
	v.wasOpen, v.asked = s.WasOpen, s.Asked
	v.ready, v.paired, v.opened, v.over = s.Ready, s.Paired, s.Open, s.Over
	v.dials, v.rule = int32(s.Dials), rule
	for _, one := range s.Passed {
		why, err := wordOf[Unfit]("unfit", unfitNames[:], one.Unfit)
		if err != nil {
			return err
		}
		v.pass(one.Worker, why)
	}
	return nil
}

// check finds what could not be put in, while nothing is.
func (r *restorer) check() error {
	seen := map[PeerID]bool{}
	for i := range r.saved.Peers {
		s := &r.saved.Peers[i]
		switch {
		case s.Partner >= len(r.all), s.Partner >= 0 && r.saved.Peers[s.Partner].Partner != i:
			return fmt.Errorf("peer %d has no partner %d", i, s.Partner)
		case (s.Partner >= 0) != (r.all[i].state >= PeerPaired):
			return fmt.Errorf("peer %d is %s", i, s.State)
		case s.Worker == "" && (!s.Client || s.Partner >= 0 || r.all[i].state == PeerDialling):
			return fmt.Errorf("peer %d has no worker", i)
		case !s.Gone && (seen[s.ID] || r.t.index.get(s.ID) != nil):
			return fmt.Errorf("peer %d is there twice", s.ID)
		}
		seen[s.ID] = seen[s.ID] || !s.Gone
	}
	return r.checkPlaces()
}

func (r *restorer) checkPlaces() error {
	ok := true
	places := func(all []int) {
		for _, i := range all {
			ok = ok && i >= 0 && i < len(r.all)
		}
	}
	for _, l := range r.saved.Of {
		places(l.Greeting)
		places(l.Slots)
		places(l.Paired)
	}
	for _, l := range r.saved.Unnamed {
		places(l)
	}
	for _, i := range r.saved.Identities {
		places(i.Peers)
		ok = ok && len(i.Peers) > 0
	}
	places(r.saved.Queue)
	places(r.saved.Returned)
	for _, q := range r.queues() {
		for _, e := range q.saved {
			ok = ok && e.Peer >= 0 && e.Peer < len(r.all)
		}
	}
	if !ok {
		return fmt.Errorf("a place is none of %d peers", len(r.all))
	}
	return nil
}

// know is [Table.know] for a peer of before.
func (r *restorer) know(s *SavedPeer, p *Peer) {
	t := r.t
	if s.Worker != "" {
		p.worker = t.workerNamed(s.Worker)
	}
	if s.Claimed != "" {
		if p.claimed = t.workers[s.Claimed]; p.claimed == nil {
			p.claimed = &worker{name: s.Claimed}
		}
	}
	if s.Identity != "" {
		if p.identity = t.identities[s.Identity]; p.identity == nil {
			p.identity = &identity{name: s.Identity, source: s.IdentitySource} // of its own unless it is among the identities
		}
	}
	if p.client {
		r.count(p)
	}
	if p.gone {
		return
	}
	t.index.put(p)
	t.stats.states[side(p)][p.state]++
	if s.Found {
		t.byEndpoint[side(p)].put(p)
	}
	switch a := p.origin.Address; {
	case p.client:
		t.clients++
		of := t.addresses[a]
		if of == nil {
			of = &addressed{}
			t.addresses[a] = of
		}
		of.clients++
	case a != "":
		p.addressAt = int32(len(t.dialledIn[a]))
		t.dialledIn[a] = append(t.dialledIn[a], p)
		p.worker.dialledIn++
	}
}

func (t *Table) workerNamed(name string) *worker {
	if w := t.workers[name]; w != nil {
		return w
	}
	return t.newWorker(name, 1, 0)
}

// count counts a client's pair, or dial.
func (r *restorer) count(c *Peer) {
	switch c.state {
	case PeerDialling:
		c.worker.dialling++
	case PeerPaired:
		r.t.stats.handshaking++
		c.worker.handshaking++
	case PeerOpen:
		r.t.stats.open++
	case PeerDraining:
		r.t.stats.draining++
	}
}

func (r *restorer) lists() {
	t := r.t
	for _, l := range r.saved.Of {
		w := t.workerNamed(l.Worker)
		for _, i := range l.Greeting {
			w.greeting.pushBack(&r.all[i].among)
		}
		for _, i := range l.Slots {
			w.insertSlotLast(r.all[i])
		}
		for _, i := range l.Paired {
			w.paired.pushBack(&r.all[i].among)
		}
	}
	for _, l := range r.saved.Unnamed {
		for _, i := range l {
			t.addresses[r.all[i].origin.Address].unnamed.pushBack(&r.all[i].among)
		}
	}
	for _, i := range r.saved.Queue {
		t.queue.push(r.all[i])
	}
	for _, i := range r.saved.Returned {
		heap.Push(&t.queue.back, r.all[i])
	}
}

// insertSlotLast puts a slot behind those that are as fresh.
func (w *worker) insertSlotLast(p *Peer) {
	after := w.slots.tail
	for after != nil && after.owner.connected < p.connected {
		after = after.prev
	}
	w.slots.insert(&p.among, after)
}

// queueOf is a queue with what comes into it, and the place of a peer in it.
type queueOf struct {
	queue *expiry[*Peer]
	saved []SavedEntry
	node  func(*Peer) *node[*Peer]
}

func (r *restorer) queues() []queueOf {
	t, s := r.t, r.saved
	phase := func(p *Peer) *node[*Peer] { return &p.phase }
	span := func(p *Peer) *node[*Peer] { return &p.span }
	all := []queueOf{
		{&t.handshakes, s.Handshakes, phase},
		{&t.holds, s.Holds, phase},
		{&t.recalls, s.Recalls, phase},
		{&t.finishes, s.Finishes, span},
		{&t.apart, s.Apart, phase},
		{&t.silences, s.Silences, func(p *Peer) *node[*Peer] { return &p.turn }},
		{&t.leases.idles, s.Idles, span},
	}
	for i := range spread {
		all = append(all, queueOf{&t.ages.queues[i], s.Ages[i], span},
			queueOf{&t.leases.ttls.queues[i], s.TTLs[i], span}, queueOf{&t.leases.rechecks.queues[i], s.Rechecks[i], span})
	}
	return all
}

func (r *restorer) orders() {
	for _, q := range r.queues() {
		for _, e := range q.saved {
			q.queue.resume(q.node(r.all[e.Peer]), e.Since)
		}
	}
}

func (r *restorer) identities() {
	t := r.t
	for _, s := range r.saved.Identities {
		i := t.identities[s.Name]
		if i == nil {
			i = &identity{name: s.Name, source: s.Source}
			i.lease.owner = i
			t.identities[s.Name] = i
			t.keep(s.Name, true)
			if s.Leased {
				t.leases.heartbeats.resume(&i.lease, s.Since)
			}
		}
		for _, at := range s.Peers {
			p := r.all[at]
			p.identity, p.identityAt = i, int32(len(i.peers))
			i.peers = append(i.peers, p)
		}
	}
}
