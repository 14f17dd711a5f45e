package stream

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// readBuffer is the most that is read at once from a connection of our own.
const readBuffer = 64 << 10

// loop owns a pool's sockets, connections and table. Only the goroutine of
// Pool.Run touches it (and Open, before).
type loop struct {
	ctx      *Context
	pool     *Pool
	cfg      Config
	fixed    Config // as opened: what never changes may be read from anywhere
	table    *pairing.Table
	frontend *socket
	backend  *socket
	poller   *poller
	dialler  *dialler
	allowed  map[string]bool // mechanisms; nil = any

	start time.Time
	clock time.Duration // since start, as last set by now

	// orphans are STREAM connections that the table has forgotten and libzmq has not.
	orphans map[pairing.PeerID]*conn
	buried  map[pairing.PeerID]bool
	graves  []grave          // of the buried, oldest first
	locals  map[string]*conn // that were dialled, by our own end
	pauses  *pauses
	// attending are the connections that need looking after at a time, see attend.go.
	attending []*conn
	todo      []pairing.Action
	acting    bool
	readBuf   []byte
	batch     *batch
	spare     spareBlocks // for backlogs
	// mayHaveRoom: a socket's commands may say that STREAM peers have room.
	mayHaveRoom bool
	yield       time.Duration // when to go through the scheduler next
	gathering   gathering

	draining bool
	drainAt  time.Duration
	closed   bool
	halted   bool // see halt.go
	haltedAt time.Time

	passed      [2]splice.Counters // from clients to workers, and back
	halfClosed  list.List          // of *halfClosed, longest not looked at first
	arrivals    int                // connections, since memory was last tidied
	arrivedAt   time.Duration      // the last of them
	backlogged  int64
	connections int
	lostNotices uint64
	turns       pairing.Histogram
}

func newLoop(ctx *Context, cfg Config, pool *Pool) (*loop, error) {
	l := &loop{
		ctx: ctx, pool: pool, cfg: cfg, fixed: cfg,
		table:   pairing.New(cfg.Pairing),
		allowed: mechanismSet(cfg.Mechanisms),
		start:   time.Now(),
		orphans: map[pairing.PeerID]*conn{},
		buried:  map[pairing.PeerID]bool{},
		locals:  map[string]*conn{},
		pauses:  newPauses(),
		readBuf: make([]byte, readBuffer),
		batch:   new(batch),
	}
	if cfg.Events != nil {
		l.table.Watch()
	}
	l.table.AskActivity(func(c any) time.Duration { return l.lastActive(c.(*conn)) })
	l.dialler = newDialler(l)
	if err := l.open(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) open() (err error) {
	if l.poller, err = newPoller(); err != nil {
		return err
	}
	if l.frontend, err = newSocket(l.ctx, frontendSide, &l.cfg); err != nil {
		return err
	}
	if l.backend, err = newSocket(l.ctx, backendSide, &l.cfg); err != nil {
		return err
	}
	for _, w := range l.cfg.Workers {
		if _, err := l.table.AddWorker(0, w); err != nil {
			return fmt.Errorf("worker %s: %w", w.Name, err)
		}
	}
	if err := l.listen(); err != nil {
		return err
	}
	return errors.Join(
		l.poller.add(l.pool.wake.fd, pollIn, wakeToken),
		l.poller.add(l.frontend.fd, pollIn, frontendToken),
		l.poller.add(l.backend.fd, pollIn, backendToken),
	)
}

func (l *loop) listen() error {
	if err := l.frontend.bind("frontend", l.cfg.Frontend); err != nil {
		return err
	}
	return l.backend.bind("backend", l.cfg.Backend)
}

// run turns until ctx ends or draining is through.
func (l *loop) run(ctx context.Context) error {
	for ctx.Err() == nil && !l.drainOver() {
		if err := l.turn(); err != nil {
			return fmt.Errorf("pool %s: %w", l.cfg.Name, err)
		}
	}
	l.act(l.table.EndAll(l.now(), pairing.Shutdown))
	return nil
}

// now sets the clock and reads it. What the table is told must never go back, so
// everyone goes by this clock, as it was last set or set anew.
func (l *loop) now() time.Duration {
	if !l.halted {
		l.clock = time.Since(l.start)
	}
	return l.clock
}

// turn waits until there is something to do and does a bounded part of it.
func (l *loop) turn() error {
	l.gather()
	patience, err := l.patience()
	if err != nil {
		return err
	}
	events, err := l.poller.wait(patience)
	if err != nil {
		return err
	}
	start := l.now()
	for i := range events {
		l.event(tokenOf(&events[i]), events[i].Events)
	}
	l.runCommands()
	if l.halted {
		return nil
	}
	l.hearOfLent()
	for _, s := range [...]*socket{l.frontend, l.backend} {
		if !s.signalled {
			continue
		}
		if err := l.receive(s); err != nil {
			return err
		}
	}
	l.flushSlow()
	l.dialler.tend()
	l.attend()
	l.endHalfClosed()
	l.tidy()
	l.decay()
	l.act(l.table.Tick(l.clock))
	l.turns.Observe(l.now() - start)
	l.yield = splice.ShowUp(l.clock, l.yield)
	return nil
}

// patience is how long the loop may wait for its descriptors; negative: for ever.
func (l *loop) patience() (time.Duration, error) {
	if l.halted { // the clock stands still
		return -1, nil
	}
	for _, s := range [...]*socket{l.frontend, l.backend} {
		if s.settled && !l.awaitsEmpty(s) {
			continue
		}
		// Also has libzmq work off its commands, without which its descriptor
		// may stay silent although a message is there.
		ready, err := s.readable()
		if err != nil {
			return 0, fmt.Errorf("asking a socket for events: %w", err)
		}
		if ready {
			return 0, nil
		}
	}
	at, ok := l.table.Deadline()
	earlier := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	for _, c := range l.attending {
		earlier(c.retryAt)
	}
	if l.dialler.at != never {
		earlier(l.dialler.at)
	}
	if h, at := l.nextHalfClosed(); h != nil {
		earlier(at)
	}
	if at, due := l.tidyAt(); due {
		earlier(at)
	}
	if l.draining {
		earlier(l.drainAt)
	}
	if !ok {
		return -1, nil
	}
	return max(0, at-l.now()), nil
}

// awaitsEmpty: somebody goes on only when the socket has been found empty once more.
func (l *loop) awaitsEmpty(s *socket) bool {
	if len(l.graves) > fewGraves && l.graves[0].sock == s {
		return true
	}
	for _, c := range l.attending {
		if c.sock == s && c.phase != adopting {
			return true
		}
	}
	return false
}

func (l *loop) event(t token, mask uint32) {
	switch t {
	case wakeToken:
		l.pool.wake.reset()
	case frontendToken:
		l.frontend.signalled, l.frontend.settled, l.mayHaveRoom = true, false, true
	case backendToken:
		l.backend.signalled, l.backend.settled, l.mayHaveRoom = true, false, true
	default:
		if c := l.find(pairing.PeerID(t)); c != nil {
			l.descriptorEvent(c, mask)
		} else if x := l.dialler.dials[pairing.PeerID(t)]; x != nil {
			l.dialler.event(x)
		}
	}
}

// descriptorEvent is about a connection's own descriptor.
func (l *loop) descriptorEvent(c *conn, mask uint32) {
	if c.lent() { // in this very turn
		return
	}
	if c.sock != nil {
		c.hungUp = true
		l.attendAfter(c, noticeGrace)
		return
	}
	if mask&pollOut != 0 {
		l.flush(c)
	}
	if c.phase != dead && mask&^pollOut != 0 {
		l.readDirect(c)
	}
}

func (l *loop) runCommands() {
	for range cap(l.pool.commands) {
		select {
		case f := <-l.pool.commands:
			f()
		default:
			return
		}
	}
}

// receive takes what a socket brings in one turn. When somebody was born it asks
// once more: only what is read after a descriptor was duplicated can prove that
// descriptor to be the right one.
func (l *loop) receive(s *socket) error {
	for left := receiveBatch; left > 0; {
		messages, done, err := s.receive(l.batch, left)
		if err != nil {
			return err
		}
		noticed := false
		for i := range l.batch.runs() {
			r := l.batch.run(i)
			noticed = noticed || len(r.data) == 0
			if c := l.find(peerID(s.side, r.peer)); c != nil {
				l.receiveKnown(s, c, &r)
			} else {
				l.receiveNew(s, &r)
			}
		}
		if done && !noticed {
			return nil
		}
		left -= max(messages, 1)
	}
	l.gathering.due = false // there is a whole batch to be had already
	return nil
}

func (l *loop) receiveKnown(s *socket, c *conn, r *run) {
	switch {
	case c.sock == nil: // adopted since; its own descriptor tells everything
	case len(r.data) == 0:
		l.noticed(c)
	default:
		c.heard = s.attempts
		c.received += uint64(len(r.data))
		c.chunks += r.messages
		l.data(c, r.data)
		l.gathering.due = l.gathering.due || l.gathering.many(c, r)
	}
}

func (l *loop) receiveNew(s *socket, r *run) {
	// Bytes without a connect notice, and notices of the buried, are of peers
	// that we have closed.
	if len(r.data) == 0 && !l.buried[peerID(s.side, r.peer)] {
		l.born(s, r.peer, r.birth())
	}
}

// find is the connection with that id, nil if there is none.
func (l *loop) find(id pairing.PeerID) *conn {
	if p := l.table.Peer(id); p != nil {
		return p.Conn.(*conn)
	}
	return l.orphans[id]
}

// close releases everything; sockets take what is left with them.
func (l *loop) close() {
	l.closed = true
	l.dialler.close()
	for _, c := range l.orphans {
		l.forget(c)
	}
	l.table.EachPeer(func(p *pairing.Peer) bool {
		l.forget(p.Conn.(*conn))
		return true
	})
	for _, s := range [...]*socket{l.frontend, l.backend} {
		if s != nil {
			s.removePaths()
			s.close()
		}
	}
	if l.poller != nil {
		l.poller.close()
	}
}
