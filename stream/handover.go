package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// A pool can be handed over to a process that goes on in its place ([Pool.HandOver] here,
// [Inheritance] there). While it is, its loop stands still, and the relay's threads move the bytes
// of open pairs on; only for the last step, [Handover.Stop], these stand still as well.
//
//	running --HandOver--> frozen --Stop--> stopped --Retire--> retired --the last connection has gone--> ended
//	   ^                    |                 |
//	   +------- Thaw -------+-----------------+
//
// A pool that is retired has only what could not go along: pairs in their handshake, or that end,
// and connections in libzmq. It accepts nobody, and gives away who is fit to be (late.go). Pairs of
// which libzmq has a side end where they are.

// ErrNotNow says why a pool cannot be handed over as it is.
var ErrNotNow = errors.New("the pool cannot be handed over now")

// Handover is a pool whose loop stands still. Its methods are for one goroutine, and for
// nobody once [Handover.Thaw] or [Handover.Retire] was called, one of which must be.
type Handover struct {
	l       *loop
	since   time.Time
	release chan func()

	peers   []*conn // in the order in which they are saved
	flows   []*flow
	doors   []*entrance
	passed  [2]Traffic // as it was saved: more passes until the pairs stand still
	workers map[string][2]Traffic
}

// Listeners are the pool's, by descriptors that stay its own. It may be called at any time: they never change.
func (p *Pool) Listeners() Listeners {
	return Listeners{slices.Clone(p.loop.frontend.fixed), slices.Clone(p.loop.backend.fixed)}
}

// HandOver has the pool stand still. Errors: [ErrNotNow], [ErrStopped], and ctx's.
func (p *Pool) HandOver(ctx context.Context) (*Handover, error) {
	h := &Handover{l: p.loop, release: make(chan func(), 1)}
	frozen := make(chan error, 1)
	posted := p.post(func() {
		err := h.l.freeze(h)
		frozen <- err
		if err == nil {
			(<-h.release)()
		}
	})
	if !posted {
		return nil, ErrStopped
	}
	select {
	case err := <-frozen:
		return h, err
	case <-p.stopped:
		return nil, ErrStopped
	case <-ctx.Done():
		h.release <- h.thaw // whenever it comes to that
		return nil, ctx.Err()
	}
}

func (l *loop) freeze(h *Handover) error {
	switch {
	case l.halt.on:
		return fmt.Errorf("%w: pool %s is paused", ErrNotNow, l.fixed.Name)
	case l.doors.change != nil:
		return fmt.Errorf("%w: pool %s is reloading", ErrNotNow, l.fixed.Name)
	case l.draining.on, l.closed, l.retired.on:
		return fmt.Errorf("%w: pool %s is ending", ErrNotNow, l.fixed.Name)
	}
	if l.refusing.on { // the successor closes them by itself
		if l.openPorts(); l.refusing.on {
			return fmt.Errorf("%w: a port of pool %s cannot be opened", ErrNotNow, l.fixed.Name)
		}
	}
	l.now()
	l.partAll()
	for _, s := range l.sockets() {
		s.pause(true)
	}
	l.eachConn(func(c *conn) {
		if f := c.flow; f != nil && f.young {
			l.growUp(f)
		}
	})
	l.settle()
	l.now()
	h.since = time.Now()
	return nil
}

// along says whether a peer can be handed over.
func along(p *pairing.Peer) bool {
	c := p.Conn.(*conn)
	switch {
	case !c.portable():
		return false
	case c.flow != nil:
		f := c.flow
		return p.State() == pairing.PeerOpen && f.loan != nil && f.partner(c).portable() && !f.loan.End().Over
	case p.State() == pairing.PeerDialling, p.Partner() != nil:
		return false
	}
	return true
}

// portable: another process can go on with the connection. That nothing can be written to one that
// has said its last words it finds by itself.
func (c *conn) portable() bool {
	return c.phase == live && c.free() && (!c.broken || c.lastWords && c.flow == nil) && !c.owedReset && (c.via == nil || c.via.read) && (c.flow != nil || c.out.empty())
}

// free: the kernel has everything of the connection that the loop has not.
func (c *conn) free() bool {
	s, stream := c.link.(*streamLink)
	return !stream || s.stopped
}

// Save is the pool, and its descriptors: those of its connections and then those of its doors,
// which stay its own.
func (h *Handover) Save() (SavedPool, []int) {
	l := h.l
	h.passed, h.workers = l.passed(), l.workersPassed()
	s := SavedPool{
		Pool: l.fixed.Name, Group: l.fixed.Group, Table: l.table.Save(l.clock, along), Workers: l.cfg.Workers, LameDuck: l.pool.LameDuck(),
		Figures: SavedFigures{h.passed, h.workers, l.figures.turns, l.handshakes, l.stalls.count, l.stalls.total},
	}
	var fds []int
	s.Conns, s.Flows, fds = h.savePeers(&s.Table.Peers)
	for _, identity := range slices.Sorted(maps.Keys(l.doors.open)) {
		e := l.doors.open[identity]
		d := SavedDoor{Identity: e.identity, Setting: e.setting, Endpoints: e.frame.endpoints}
		if e.until != never {
			d.Left = max(time.Nanosecond, e.until-l.clock)
		}
		s.Doors, h.doors = append(s.Doors, d), append(h.doors, e)
		fds = append(fds, e.frame.listeners...)
	}
	return s, fds
}

// savePeers is the connections of saved peers, and notes them.
func (h *Handover) savePeers(s *pairing.SavedPeers) (conns []SavedConn, flows []SavedFlow, fds []int) {
	places := map[*conn]int{}
	for i := range s.Peers {
		c := h.l.find(s.Peers[i].ID)
		places[c] = i
		h.peers = append(h.peers, c)
		conns, fds = append(conns, c.saved()), append(fds, c.link.descriptor())
	}
	for i, c := range h.peers {
		if f := c.flow; f != nil && f.client == c {
			h.flows = append(h.flows, f)
			flows = append(flows, SavedFlow{i, places[f.worker], f.shaken.saved()})
		}
	}
	return conns, flows, fds
}

func (c *conn) saved() SavedConn {
	s := SavedConn{
		Origin: *c.origin, Spoke: c.spoke, Told: c.told, Ready: c.ready, Paused: c.paused, Ended: c.ended, Shut: c.shut, Balanced: c.balanced, Dialled: side(c.id>>32) == dialledSide,
		Early: c.said(),
	}
	if o := c.own(); o != nil {
		s.Shown = o.shown.seen()
	}
	if c.via != nil {
		s.Balancer = &SavedBalancer{c.via.Endpoint, c.via.UniqueID, c.via.TLS, *c.via.origin}
	}
	if c.door != nil {
		s.Door = c.door.identity
	}
	return s
}

// Stop has the pairs stand still that were saved, and says what they were in the middle of.
// Those that move something are stopped last.
func (h *Handover) Stop() (motions []Motion, blob []byte) {
	order := slices.Clone(h.flows)
	slices.SortStableFunc(order, func(a, b *flow) int { return cmp.Compare(b.loanIdle(), a.loanIdle()) })
	idle := make(map[*flow]time.Duration, len(order))
	for _, f := range order {
		idle[f] = f.loanIdle()
		h.l.takeBack(f)
	}
	for _, f := range h.flows {
		m := Motion{End: f.end, Passed: f.passed, Idle: idle[f]}
		for way, rest := range [...][]byte{f.worker.out.all(), f.client.out.all()} {
			m.Rest[way] = len(rest)
			blob = append(blob, rest...)
		}
		motions = append(motions, m)
	}
	return motions, blob
}

func (f *flow) loanIdle() time.Duration {
	if f.loan == nil {
		return 0
	}
	return f.loan.Idle()
}

// Thaw has the pool go on as if nothing had been.
func (h *Handover) Thaw() { h.release <- h.thaw }

func (h *Handover) thaw() {
	l := h.l
	if l.closed {
		return
	}
	h.wake()
	l.goOn(h.flows)
	for _, s := range l.sockets() {
		s.pause(false)
	}
}

// wake has the clock go on, which stood while the loop did.
func (h *Handover) wake() {
	h.l.start = h.l.start.Add(time.Since(h.since))
	h.l.stalls.seen = time.Since(h.l.start)
}

// goOn has pairs that were stopped be moved again.
func (l *loop) goOn(flows []*flow) {
	for _, f := range flows {
		switch {
		case f.loan != nil:
		case f.end.Over:
			l.relayed(f)
		default:
			l.lend(f)
		}
	}
}

// Retire has the pool forget what was handed over: it is the successor's. late takes who is
// fit to go along later, see [Pool.HandOver].
func (h *Handover) Retire(late Late) { h.release <- func() { h.retire(late) } }

func (h *Handover) retire(late Late) {
	l := h.l
	h.wake()
	l.given(h)
	l.retired = retired{on: true, late: late}
	for _, s := range l.sockets() {
		l.abandon(s.listeners)
		s.listeners, s.paths = nil, nil
	}
	for _, e := range l.doors.open {
		l.abandon(e.frame.listeners)
	}
	l.forgetDoors()
	l.doors.open, l.doors.shut = map[string]*entrance{}, nil
	l.doors.look()
	for _, s := range l.sockets() { // who was accepted before, and not heard of, is heard of before the end
		s.signalled = true
	}
	l.settle()
}

// abandon lets go of listeners that are the successor's: a shutdown(2) would be that one's, too.
func (l *loop) abandon(listeners []int) {
	for _, fd := range listeners {
		if err := seam.Abandon(fd); err != nil { // it stays, and is paused
			l.cfg.Log.Error("a listener of another process is kept", "pool", l.fixed.Name, "error", err)
		}
	}
}

// given forgets what another process has: connections, and what was told of what has been counted.
func (l *loop) given(h *Handover) {
	l.letGo(h.peers)
	l.act(l.table.Retire(l.clock))
	workers := make(map[string][2]Traffic, len(h.workers))
	for name, both := range h.workers {
		workers[name] = less(both)
	}
	l.addPassed(less(h.passed), workers)
}

// letGo forgets connections that another process has. Their sockets go on.
func (l *loop) letGo(all []*conn) {
	ids := make([]pairing.PeerID, len(all))
	for i, c := range all {
		ids[i] = c.id
	}
	l.act(l.table.HandOver(l.clock, ids))
	for _, c := range all {
		_ = l.listenTo(c, wish{})
		l.unknow(c)
		l.count(-1)
		l.dropBacklog(c)
		l.leave(c)
		c.phase, c.paused = dead, false
		c.unsay()
		c.link.part()
	}
}

// passed is what has passed since the start, or in a retired process since it was told last.
func (l *loop) passed() [2]Traffic { return traffic(&l.figures.passed) }

// workersPassed is the same by worker.
func (l *loop) workersPassed() map[string][2]Traffic {
	all := make(map[string][2]Traffic, len(l.figures.workers))
	for name, c := range l.figures.workers {
		if t := traffic(c); t != [2]Traffic{} {
			all[name] = t
		}
	}
	return all
}

func (l *loop) hasPassed() bool { return l.passed() != [2]Traffic{} }

// addPassed counts what has passed in another process. An older one does not say by which workers.
func (l *loop) addPassed(both [2]Traffic, workers map[string][2]Traffic) {
	l.figures.merged++
	add(&l.figures.passed, both)
	for name, t := range workers {
		add(l.figures.of(name), t)
	}
}

func traffic(of *[2]splice.Counters) (both [2]Traffic) {
	for way := range of {
		both[way] = Traffic{of[way].Chunks.Load(), of[way].Bytes.Load()}
	}
	return both
}

// less is what has to be added to have so much less.
func less(both [2]Traffic) (negative [2]Traffic) {
	for way, t := range both {
		negative[way] = Traffic{-t.Chunks, -t.Bytes}
	}
	return negative
}

// add leaves alone what else the counters are added to.
func add(to *[2]splice.Counters, both [2]Traffic) {
	for way, t := range both {
		to[way].Bytes.Add(t.Bytes)
		to[way].Chunks.Add(t.Chunks)
	}
}
