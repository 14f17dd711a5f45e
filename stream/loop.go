package stream

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/pacing"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// readBuffer is the most that is read at once from a connection of our own.
const readBuffer = 64 << 10

// loop owns a pool's sockets, connections and table. Only the goroutine of
// Pool.Run touches it (and Open, before), except for ctx, pool, fixed and the
// endpoints of the sockets, which are bound when Open returns and stay as they are.
type loop struct {
	ctx   *Context
	pool  *Pool
	fixed fixed
	cfg   Config // in force; a reload changes it

	table    *pairing.Table
	frontend *socket
	backend  *socket
	owner    *seam.Owner // of what the two accept
	poller   *poller
	dialler  *dialler
	allowed  map[string]bool // mechanisms; nil = any
	locals   localEnds       // of connections that were dialled
	shown    shown           // what workers see of clients

	start time.Time
	clock time.Duration // since start, as last set by now

	todo      []pairing.Action // decided and not carried out, see settle
	resets    resets
	guarding  agenda    // pairs that may have something withheld
	briefly   agenda    // and those of workers that hear first
	youth     agenda    // pairs that are, or were, young
	mechanism string    // that the workers that dial in are known to speak, "" for not yet
	hearFirst bool      // the last of them said READY only when the client's had reached it
	halves    list.List // of *halfClosed, longest not looked at first

	readBuf []byte
	batch   *batch
	told    [64]int32   // news of the seam
	spare   spareBlocks // for backlogs

	halt        halt
	stalls      stalls
	draining    draining
	partings    partings
	closed      bool
	crowd       crowd   // see tidy.go
	held        held    // see hold.go
	refusing    closure // see refusing.go
	retired     retired // see handover.go
	heir        *heir   // see successor.go
	lastSpare   uint32  // number of spareID
	doors       doors
	refusals    refusals
	someFailed  bool          // since they were summed up
	failedAt    time.Duration // when those who failed are summed up next
	portTold    logLimiter    // the want of a port
	headersTold logLimiter    // that a PROXY header came, or did not
	lost        lostHints
	slotsLost   lostSlots
	pace
	figures    figures
	handshakes Handshakes
}

// fixed is what never changes while a pool runs; anybody may read it.
type fixed struct {
	Name              string
	Frontend, Backend []string
	PairBuffer        int
	KeepAlive         KeepAlive
	UserTimeout       time.Duration
	Group             string
}

func fixedOf(cfg *Config) fixed {
	return fixed{
		Name: cfg.Name, Frontend: cfg.Frontend, Backend: cfg.Backend,
		PairBuffer: cfg.PairBuffer, KeepAlive: cfg.KeepAlive, UserTimeout: cfg.UserTimeout,
		Group: cfg.Group.Name(),
	}
}

// figures are what is told of a loop.
type figures struct {
	passed      [2]splice.Counters // from clients to workers, and back
	backlogged  int64              // bytes
	connections int
	turns       pairing.Histogram
	workers     map[string]*[2]splice.Counters // what of passed each worker had, see workerbytes.go
	merged      int                            // how often another process's figures were added to these
}

// pace is when the loop waits on purpose, or goes through Go's scheduler.
type pace struct {
	gathering gathering
	yield     time.Duration
}

func newLoop(ctx *Context, cfg Config, pool *Pool) (*loop, error) {
	l := &loop{
		ctx: ctx, pool: pool, cfg: cfg, fixed: fixedOf(&cfg),
		table:   pairing.New(cfg.Pairing),
		allowed: mechanismSet(cfg.Mechanisms),
		start:   time.Now(),
		locals:  newLocalEnds(),
		doors:   newDoors(),
		shown:   newShown(cfg.ClientAddresses),
		readBuf: make([]byte, readBuffer),
		batch:   new(batch),
	}
	cfg.Group.join(l.table)
	if cfg.Events != nil {
		l.table.Watch()
	}
	l.table.AskActivity(func(c any) time.Duration { return l.lastActive(c.(*conn)) })
	l.table.AskSilent(func(c any) bool { return !c.(*conn).spoke })
	l.table.AskTurn(func(c any) (time.Duration, bool) {
		f := c.(*conn).flow
		return f.active, f.shaking != nil && f.shaking.last == f.worker
	})
	l.table.AskHint(func(c any, why pairing.Reason) string { return l.hint(c.(*conn), why) })
	l.dialler = newDialler(l)
	if err := l.open(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *loop) open() (err error) {
	if err := TryClientAddresses(l.cfg.ClientAddresses); err != nil {
		return fmt.Errorf("pool %s: %w", l.cfg.Name, err)
	}
	if l.poller, err = newPoller(); err != nil {
		return err
	}
	if l.owner, err = seam.NewOwner(); err != nil {
		return err
	}
	if l.frontend, err = newSocket(l.ctx, frontendSide, l.owner); err != nil {
		return err
	}
	if l.backend, err = newSocket(l.ctx, backendSide, l.owner); err != nil {
		return err
	}
	for _, w := range l.cfg.startWith() {
		if _, err := l.table.AddWorker(0, w); err != nil {
			return fmt.Errorf("worker %s: %w", w.Name, err)
		}
	}
	if err := l.listen(); err != nil {
		return err
	}
	return errors.Join(
		l.poller.add(l.pool.wake.fd, pollIn, wakeToken),
		l.poller.add(l.owner.Descriptor(), pollIn, newsToken),
		l.poller.add(l.frontend.fd, pollIn, frontendToken),
		l.poller.add(l.backend.fd, pollIn, backendToken),
	)
}

func (l *loop) sockets() [2]*socket { return [2]*socket{l.frontend, l.backend} }

// run turns until ctx ends or draining is through.
func (l *loop) run(ctx context.Context) error {
	l.failedAt = failedEvery
	l.stalls.seen = time.Since(l.start) // who opens a pool may run it when he likes
	l.tendPorts()
	for ctx.Err() == nil && !l.drainOver() && !l.retiredOver() {
		if err := l.turn(); err != nil {
			return fmt.Errorf("pool %s: %w", l.fixed.Name, err)
		}
	}
	l.act(l.table.EndAll(l.now(), pairing.Shutdown))
	l.settle()
	return nil
}

// now sets the clock and reads it. What the table is told must never go back, so
// everyone goes by this clock, as it was last set or set anew.
func (l *loop) now() time.Duration {
	if !l.halt.on {
		l.read()
	}
	return l.clock
}

// turn waits until there is something to do and does a bounded part of it. Commands
// come before what has arrived, so that a crowd cannot hold up an operator; what
// has been lent before the sockets, so that an end that it tells is known to whoever
// comes; and what has expired last, when everything is heard that came in time.
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
	if !l.halt.on {
		l.stalls.waited(patience, time.Since(l.start))
	}
	start := l.now()
	for i := range events {
		l.event(tokenOf(&events[i]), events[i].Events)
		l.settle()
	}
	l.runCommands()
	if l.halt.on {
		return nil
	}
	l.hearOfLent()
	for _, s := range l.sockets() {
		l.hearOfRoom(s)
		if !s.signalled {
			continue
		}
		if err := l.receive(s); err != nil {
			return err
		}
	}
	l.dialler.tend()
	l.settle()
	l.passResets()
	l.settle()
	l.stopWithholding()
	l.growUpInTime()
	l.endHalfClosed()
	l.tidy()
	l.releaseHeld()
	l.tendDoors()
	l.tendPartings()
	if at, due := l.refusals.next(); due && at <= l.clock {
		l.sumUpRefusals()
	}
	l.sumUpFailed()
	l.act(l.table.Tick(l.clock))
	l.settle()
	l.tendPorts()
	l.giveLate()
	l.tellLostHint()
	l.tellRebalanced()
	l.tellLostSlots()
	l.figures.turns.Observe(l.now() - start)
	l.yield = pacing.Yield(l.clock, l.yield)
	return nil
}

// patience is how long the loop may wait for its descriptors; negative: for ever.
func (l *loop) patience() (time.Duration, error) {
	if l.halt.on { // the clock stands still
		return -1, nil
	}
	for _, s := range l.sockets() {
		if len(s.roomy) > 0 {
			return 0, nil
		}
		if s.settled {
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
	if at, owed := l.resets.next(); owed {
		earlier(at)
	}
	for _, agenda := range [...]*agenda{&l.guarding, &l.briefly, &l.youth} {
		if at, some := agenda.next(); some {
			earlier(at)
		}
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
	if at, due := l.held.next(); due {
		earlier(at)
	}
	if at, some := l.partings.next(); some {
		earlier(at)
	}
	if l.doors.at != never {
		earlier(l.doors.at)
	}
	if at, due := l.refusals.next(); due {
		earlier(at)
	}
	if at, due := l.refusing.next(l.cfg.NoWorkerWait); due {
		earlier(at)
	}
	if l.someFailed {
		earlier(l.failedAt)
	}
	if l.draining.on {
		earlier(l.drainNext())
	}
	if l.retired.on && l.retired.late != nil {
		earlier(l.retired.at)
	}
	if !ok {
		return -1, nil
	}
	l.now()
	return min(max(0, at-time.Since(l.start)), stallLook), nil
}

func (l *loop) runCommands() {
	for range cap(l.pool.commands) {
		select {
		case f := <-l.pool.commands:
			f()
			l.settle()
		default:
			return
		}
	}
}

// find is the connection with that id, nil if there is none.
func (l *loop) find(id pairing.PeerID) *conn {
	if p := l.table.Peer(id); p != nil {
		return p.Conn.(*conn)
	}
	return nil
}

// close releases everything; sockets take what is left with them.
func (l *loop) close() {
	l.closed = true
	l.dialler.close()
	l.releaseAll()
	l.table.EachPeer(func(p *pairing.Peer) bool {
		l.forget(p.Conn.(*conn), false)
		return true
	})
	l.forgetDoors()
	for _, s := range l.sockets() {
		if s != nil {
			s.removePaths()
			s.close()
		}
	}
	if l.owner != nil {
		l.owner.Close()
	}
	if l.poller != nil {
		l.poller.close()
	}
}
