package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// Inheritance is what a pool is opened with that succeeds another process's. It accepts
// nobody until [Pool.Begin], and its workers and doors come by [Pool.TakeOver].
type Inheritance struct{ Listeners }

// ErrSuccession says why a pool cannot be taken over. Whoever gives it keeps it.
var ErrSuccession = errors.New("the pool cannot be taken over")

// inherited are the listeners of an endpoint that another process has made, nil for none.
func (how *listening) inherited(setting string) (all []Listener) {
	for _, l := range how.inherit {
		if l.Setting == setting {
			all = append(all, l)
		}
	}
	return all
}

// adopt listens on what another process has bound. Its options are those of what it accepts,
// and may have become others.
func (s *socket) adopt(from Listener, how listening) error {
	ep, err := ParseEndpoint(from.Endpoint)
	if err != nil {
		return err
	}
	fd, err := duplicate(from.FD)
	if err != nil {
		return err
	}
	if err := transportOf(ep).options(fd, how); err != nil {
		sockets.Close(fd)
		return err
	}
	if err := s.give(fd, ep, how); err != nil {
		return err
	}
	s.note(Listener{Setting: from.Setting, Endpoint: from.Endpoint, FD: fd, Kept: from.Kept})
	return nil
}

// heir is a pool that is being taken over.
type heir struct {
	cfg   Config // the successor's own; until Begin the one that was in force is
	doors []listedDoor
	conns []*conn
	flows []*flow
}

// TakeOver has a pool, opened with an [Inheritance] and not run yet, be the one that was saved.
// The descriptors are the pool's from now on. Errors: [ErrSuccession], and then the pool is of no use.
func (p *Pool) TakeOver(s *SavedPool, fds []int) error {
	if err := p.loop.takeOver(s, fds); err != nil {
		return fmt.Errorf("%w: pool %s: %w", ErrSuccession, p.Name(), err)
	}
	p.SetLameDuck(s.LameDuck)
	return nil
}

func (l *loop) takeOver(s *SavedPool, fds []int) error {
	doors, err := lookUpDoors(context.Background(), l.cfg.Doors)
	if err != nil {
		return err
	}
	l.heir = &heir{cfg: l.cfg, doors: doors}
	listeners := 0
	for _, d := range s.Doors {
		listeners += len(d.Endpoints)
	}
	if len(s.Conns) != len(s.Table.Peers.Peers) || len(fds) != len(s.Conns)+listeners {
		return fmt.Errorf("%d connections of %d peers, %d doors and %d descriptors", len(s.Conns), len(s.Table.Peers.Peers), listeners, len(fds))
	}
	if used, limit := l.ctx.Descriptors(); used+int64(len(s.Conns)) > limit {
		return fmt.Errorf("%d descriptors are too many: %d are left", len(s.Conns), limit-used)
	}
	l.clock = s.Table.Now
	if err := l.rehang(s.Doors, fds[len(s.Conns):]); err != nil {
		return err
	}
	conns := l.connsOf(&s.Table.Peers, s.Conns, fds)
	if err := l.table.Restore(&s.Table, anys(conns)); err != nil {
		return err
	}
	l.cfg.Workers = s.Workers
	flows, err := l.flowsOf(conns, s.Flows)
	if err != nil {
		return err
	}
	l.register(conns, s.Conns)
	l.heir.conns, l.heir.flows = conns, flows
	l.addPassed(s.Figures.Passed, s.Figures.Workers)
	l.figures.turns, l.handshakes = s.Figures.Turns, s.Figures.Handshakes
	l.stalls.count, l.stalls.total = s.Figures.Stalls, s.Figures.Stalled
	return nil
}

// connsOf makes connections of descriptors.
func (l *loop) connsOf(peers *pairing.SavedPeers, saved []SavedConn, fds []int) (conns []*conn) {
	for i := range saved {
		s, id := saved[i], peers.Peers[i].ID // a copy, of which parts are kept
		c := &conn{
			id: id, origin: &s.Origin, inherited: true,
			spoke: s.Spoke, told: s.Told, ready: s.Ready, paused: s.Paused, ended: s.Ended, lastWords: s.Ended, shut: s.Shut, balanced: s.Balanced,
			link: &ownLink{fd: int32(fds[i])},
		}
		if len(s.Early) > 0 {
			c.say(s.Early)
		}
		if b := s.Balancer; b != nil {
			c.via = &balancer{Balancer: Balancer{b.Endpoint, b.UniqueID, b.TLS}, origin: &b.Origin, read: true}
		}
		if s.Dialled && side(id>>32) == dialledSide {
			l.dialler.last = max(l.dialler.last, uint32(id))
		}
		conns = append(conns, c)
	}
	return conns
}

func anys(conns []*conn) (all []any) {
	for _, c := range conns {
		all = append(all, c)
	}
	return all
}

func (l *loop) flowsOf(conns []*conn, saved []SavedFlow) (flows []*flow, err error) {
	for _, s := range saved {
		if min(s.Client, s.Worker) < 0 || max(s.Client, s.Worker) >= len(conns) {
			return nil, fmt.Errorf("a pair of %d and %d of %d connections", s.Client, s.Worker, len(conns))
		}
		f := &flow{pool: l.pool, client: conns[s.Client], worker: conns[s.Worker], open: true}
		if f.shaken, err = s.Handshake.shaken(); err != nil {
			return nil, err
		}
		for _, c := range f.sides() {
			c.flow, c.lastWords = f, false
		}
		flows = append(flows, f)
	}
	return flows, nil
}

// register notes connections wherever they can be found.
func (l *loop) register(conns []*conn, saved []SavedConn) {
	for i, c := range conns {
		s := &saved[i]
		l.share(c)
		l.count(+1)
		l.arrived()
		if s.Dialled {
			fd := c.own().descriptor()
			to := connection{Connection: sockets.Connection{FD: fd, Own: sockets.OwnEnd(fd)}, shown: s.Shown}
			if k := l.shown.chooser; k != nil && to.shown.IsValid() && !k.Keep(to.shown, l.clientAddressOf(c)) {
				to.shown = netip.Addr{} // of another prefix, by the successor's file
			}
			l.know(c, to)
		}
		if e := l.doors.open[s.Door]; e != nil && s.Door != "" {
			c.door = e
			e.clients++
			e.frame.inside++
			l.doors.inside++
		}
	}
}

// clientAddressOf is the address of the client of a worker's connection.
func (l *loop) clientAddressOf(c *conn) string {
	if p := l.table.Peer(c.id); p != nil && p.Partner() != nil {
		return p.Partner().Origin().Address
	}
	return ""
}

// rehang opens doors on the listeners that they have.
func (l *loop) rehang(saved []SavedDoor, fds []int) error {
	for _, s := range saved {
		l.doors.marks++
		e := &entrance{identity: s.Identity, setting: s.Setting, mark: l.doors.marks, frame: &doorFrame{}, until: never}
		e.frame.owner = e
		if s.Left > 0 {
			e.until = l.clock + s.Left
		}
		for _, endpoint := range s.Endpoints {
			ep, err := ParseEndpoint(endpoint)
			if err == nil {
				err = l.refit(e, ep, fds[0])
			}
			if err != nil {
				return fmt.Errorf("the door of %q: %w", s.Identity, err)
			}
			fds = fds[1:]
		}
		l.doors.open[e.identity], l.doors.marked[e.mark] = e, e
		l.frontend.listeners = append(l.frontend.listeners, e.frame.listeners...)
	}
	l.pool.doors.Store(int64(len(l.doors.open)))
	l.doors.look()
	return nil
}

// refit gives a door a listener that another process has made.
func (l *loop) refit(e *entrance, bound Endpoint, fd int) error {
	how := l.listening()
	how.paused = true
	return l.fit(e, bound, fd, how)
}

// Receive takes in what pairs were in the middle of, and moves nothing yet. Errors: [ErrSuccession].
func (p *Pool) Receive(motions []Motion, blob []byte) error {
	left, err := p.loop.receiveMotions(p.loop.heir.flows, motions, blob)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%d bytes are nobody's", len(left))
	}
	if err != nil {
		return fmt.Errorf("%w: pool %s: %w", ErrSuccession, p.Name(), err)
	}
	return nil
}

func (l *loop) receiveMotions(flows []*flow, motions []Motion, blob []byte) (left []byte, err error) {
	if len(motions) != len(flows) {
		return nil, fmt.Errorf("%d pairs were stopped of %d", len(motions), len(flows))
	}
	for i, f := range flows {
		m := &motions[i]
		if min(m.Rest[0], m.Rest[1]) < 0 || m.Rest[0]+m.Rest[1] > len(blob) || m.End.First&^1 != 0 || m.End.Gone&^1 != 0 {
			return nil, fmt.Errorf("pair %d has %v of %d bytes, and ends as %+v", i, m.Rest, len(blob), m.End)
		}
		for way, to := range [...]*conn{f.worker, f.client} {
			rest := blob[:m.Rest[way]]
			l.keep(to, rest)
			blob = blob[len(rest):]
		}
		f.end, f.passed, f.active = m.End, m.Passed, l.clock-m.Idle
	}
	return blob, nil
}

// Begin has everything go on that was taken over: the pairs that were busy first. What the
// configuration has other than the one that was in force comes into force.
func (p *Pool) Begin() {
	l := p.loop
	l.start = time.Now().Add(-l.clock)
	l.stalls.seen = l.clock
	heir := l.heir
	l.heir, heir.cfg.Inherit = nil, nil
	l.begun(heir.conns, heir.flows)
	if err := l.prepareDoors(heir.doors, heir.cfg.DoorMax); err != nil { // what is open stays so
		go l.cfg.Log.Error("doors of the configuration", "pool", l.fixed.Name, "error", err) // the pairs do not wait for its words
		l.doors.change = &doorChange{}
	}
	l.reload(heir.cfg)
	l.settle()
	for _, s := range l.sockets() {
		for _, one := range s.fixed {
			if ep, err := ParseEndpoint(one.Endpoint); err == nil && !one.Kept {
				s.noteFile(ep.File()) // which was the other process's to remove until now
			}
		}
		s.pause(false)
	}
}

// begun has connections be heard, and pairs moved.
func (l *loop) begun(conns []*conn, flows []*flow) {
	slices.SortStableFunc(flows, func(a, b *flow) int { return cmp.Compare(b.active, a.active) })
	for _, f := range flows {
		if f.end.Over {
			l.relayed(f)
		} else {
			l.lend(f)
		}
	}
	for _, c := range conns {
		if c.flow == nil {
			l.updateInterest(c)
		}
	}
}

// TakeLate takes in connections that follow their pool. taken tells whoever gives them
// that they are this pool's; if it fails they are not. Errors: [ErrSuccession], and taken's.
func (p *Pool) TakeLate(ctx context.Context, late *LatePeers, blob []byte, fds []int, taken func() error) error {
	return p.await(ctx, func() error { // another process may have taken over from this one by now
		if err := p.loop.takeLate(late, blob, fds, taken); err != nil {
			return fmt.Errorf("%w: pool %s: %w", ErrSuccession, p.Name(), err)
		}
		return nil
	})
}

func (l *loop) takeLate(late *LatePeers, blob []byte, fds []int, taken func() error) error {
	if l.closed {
		return ErrStopped
	}
	if len(late.Conns) != len(late.Peers.Peers) || len(fds) != len(late.Conns) {
		return fmt.Errorf("%d connections of %d peers and %d descriptors", len(late.Conns), len(late.Peers.Peers), len(fds))
	}
	for i := range late.Peers.Peers { // both processes number anew what they accept and dial
		p := &late.Peers.Peers[i]
		if l.find(p.ID) != nil {
			p.ID = l.spareID(p.Client)
		}
	}
	l.now()
	conns := l.connsOf(&late.Peers, late.Conns, fds)
	flows, err := l.flowsOf(conns, late.Flows)
	if err != nil {
		return err
	}
	if _, err := l.receiveMotions(flows, late.Motions, blob); err != nil {
		return err
	}
	// Nothing may fail behind it, since the table cannot forget them again as if nothing had been.
	actions, err := l.table.TakeOver(l.now(), &late.Peers, anys(conns))
	if err != nil {
		return err
	}
	if err := errors.Join(taken(), l.table.AddCounters(&late.Counters)); err != nil {
		ids := make([]pairing.PeerID, len(conns))
		for i, c := range conns {
			ids[i] = c.id
			c.phase = dead
		}
		l.table.HandOver(l.now(), ids)
		return err
	}
	l.act(actions)
	l.register(conns, late.Conns)
	l.addPassed(late.Passed, late.Workers)
	l.begun(conns, flows)
	l.settle()
	return nil
}

// spareID is one that neither a socket's numbering nor the dialler's comes to.
func (l *loop) spareID(client bool) pairing.PeerID {
	s := spareWorkerSide
	if client {
		s = spareClientSide
	}
	for {
		l.lastSpare++
		if id := peerID(s, l.lastSpare); l.table.Peer(id) == nil {
			return id
		}
	}
}

// numberTaken: a connection has come whose number is another's, which came from another process.
func (l *loop) numberTaken(s *socket, number uint32, fd int, taken bool) (id pairing.PeerID, ok bool) {
	id = peerID(s.side, number)
	if other := l.find(id); other == nil || !other.inherited {
		return id, true
	}
	if taken { // libzmq has forgotten its number
		return l.spareID(s.side == frontendSide), true
	}
	seam.Sever(fd) // it comes again
	seam.Release(fd)
	return id, false
}
