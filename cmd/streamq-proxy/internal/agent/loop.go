package agent

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/splice"
)

// loop is what the one goroutine has that lives as long as the agent.
type loop struct {
	hand          *splice.Hand
	proxy, worker place
	buffer        [128]byte // for first bytes and signatures

	slots   map[uint32]*slot // all, by id
	lastID  uint32
	idle    int // slots that wait for a client
	dialled int // slots under way to the proxy
	inPlace int // slots that have been used and not replaced yet
	target  int // how many slots there are to be
	wanted  time.Time
	shown   *signature // nil while the worker is not there
	proxyIs pace

	waiting   map[*slot]struct{} // for an answer, each until its deadline
	halves    map[*slot]struct{} // pairs of which one side has ended
	resets    map[*slot]struct{} // owed when what is before them has been received
	sweepAt   time.Time          // of waiting and halves
	ends      int                // of new slots, see forgiven
	probing   *slot              // by which it shows whether the proxy keeps slots
	probeAt   time.Time
	cramped   time.Time // when it was logged that there is no room for a slot
	endsSince time.Time // from when on they are counted
	fillAt    time.Time // when to fill again; zero: when something has happened

	unnamed     bool  // the proxy could not be told of the last slot
	nameRefused error // how the proxy refused the name last, nil when it has taken it since
	unaddressed bool  // there was no address for the last client
	over        bool  // no slots any more
	abandoned   bool  // no pairs any more
	stopping    bool
	drained     []chan struct{} // closed when no pair is left
}

const (
	wakeToken = 1 // an id is never 0
	// sweepEvery is how late a time limit may be noticed.
	sweepEvery = time.Second
	// resetEvery is how often is asked whether what is before a reset has been received, of which the kernel tells nobody.
	resetEvery = 10 * time.Millisecond
	// fillShare is how many slots are dialled in one turn.
	fillShare = 64
)

func newLoop(proxy, worker string, slots int) loop {
	return loop{
		proxy: newPlace(proxy), worker: newPlace(worker), target: slots, slots: map[uint32]*slot{},
		waiting: map[*slot]struct{}{}, halves: map[*slot]struct{}{}, resets: map[*slot]struct{}{},
	}
}

// equip gives the loop what it waits by.
func (a *Agent) equip() (err error) {
	if a.hand, err = a.relay.NewHand(); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	a.mail.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		a.hand.Close()
		return fmt.Errorf("eventfd: %w", err)
	}
	if err = a.hand.Watch(a.mail.wake, unix.EPOLLIN, wakeToken); err != nil {
		a.hand.Close()
		a.mail.stop()
		return fmt.Errorf("watching an eventfd: %w", err)
	}
	return nil
}

// live is the loop.
func (a *Agent) live() {
	defer close(a.ended)
	defer a.mail.stop()
	defer a.hand.Close()
	for !a.stopping {
		a.turn()
	}
}

func (a *Agent) turn() {
	patience := time.Duration(0)
	if a.mail.sleep() {
		patience = a.patience(time.Now())
	}
	a.hand.Wait(patience)
	a.mail.awake()
	a.hand.Work(a.happens)
	for _, f := range a.mail.take() {
		f()
	}
	now := time.Now()
	a.expire(now)
	a.fill(now)
	if a.over && len(a.slots) == 0 {
		for _, done := range a.drained {
			close(done)
		}
		a.drained = nil
	}
}

// happens is about one side of a slot.
func (a *Agent) happens(token, _ uint32) {
	if token == wakeToken {
		var count [8]byte
		_, _ = unix.Read(a.mail.wake, count[:])
		return
	}
	if s := a.slots[token>>1]; s != nil { // it may have ended earlier in this turn
		s.happens(int(token & 1))
	}
}

// patience is how long nothing is to do if nothing happens, negative for ever.
func (a *Agent) patience(now time.Time) time.Duration {
	patience := time.Duration(-1)
	until := func(at time.Time) {
		if wait := max(0, at.Sub(now)); patience < 0 || wait < patience {
			patience = wait
		}
	}
	if !a.fillAt.IsZero() {
		until(a.fillAt)
	}
	if a.probing != nil {
		until(a.probeAt)
	}
	if len(a.waiting) > 0 || len(a.halves) > 0 {
		until(a.sweepAt)
	}
	if len(a.resets) > 0 {
		until(now.Add(resetEvery))
	}
	return patience
}

// expire sees to what has a time.
func (a *Agent) expire(now time.Time) {
	for s := range a.resets {
		s.passReset(now)
	}
	if a.probing != nil && !now.Before(a.probeAt) {
		a.probing = nil
		a.proxyGood() // it still has this slot
	}
	if now.Before(a.sweepAt) {
		return
	}
	a.sweepAt = now.Add(sweepEvery)
	for s := range a.waiting {
		if !now.Before(s.deadline) {
			s.tooLate()
		}
	}
	for s := range a.halves {
		if s.pair.Idle() > halfTimeout {
			s.close()
		}
	}
}

// State is of now.
func (a *Agent) State() (s State) {
	look := func() { s = State{a.shown != nil, a.idle, a.target, int(a.figures.pairs.Load()), a.over, a.refusal()} }
	if !a.do(look) {
		look() // the loop is no more
	}
	return s
}

// refusal is how the proxy has refused the slots' name, nil if it took that of one that waits: an identity may have
// so many connections and no more.
func (a *Agent) refusal() error {
	if a.nameRefused != nil {
		for _, s := range a.slots {
			if s.known && s.phase == idle {
				return nil
			}
		}
	}
	return a.nameRefused
}

// retire closes every idle slot, and lets none come.
func (a *Agent) retire() {
	a.over = true
	a.withdraw()
}

// abandon ends every slot and pair.
func (a *Agent) abandon() {
	a.retire()
	a.abandoned = true
	for _, s := range a.slots {
		switch s.phase {
		case resetting:
			s.passReset(time.Now())
		case paired:
			a.figures.pairsAbandoned.Add(1)
			s.close()
		default:
			s.close()
		}
	}
}
