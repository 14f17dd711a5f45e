package splice

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// thread moves the bytes of whichever pairs have something to move.
type thread struct {
	relay  *Relay
	number int
	buffer []byte
	events []unix.EpollEvent
	spare  *pipe // one at hand
	clock  time.Duration
	yield  time.Duration // when to go through the scheduler next
	load   load
	// again are pairs that have used up their share and go on in the next turn.
	again, before []*Pair
}

func newThread(r *Relay, number int) *thread {
	return &thread{relay: r, number: number, buffer: make([]byte, bufferSize), events: make([]unix.EpollEvent, 64)}
}

func (t *thread) run() {
	for !t.relay.stopping.Load() {
		if len(t.again) == 0 {
			t.relay.balance.await(t)
		}
		t.turn()
	}
	if t.spare != nil {
		t.relay.pipes.put(t.spare)
	}
}

// turn waits for events and moves what they announce.
func (t *thread) turn() {
	patience := -1
	if len(t.again) > 0 {
		patience = 0
	}
	n, err := unix.EpollWait(t.relay.epoll, t.events, patience)
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic("splice: epoll_wait: " + err.Error()) // only for a descriptor that is none
	}
	t.clock = t.relay.now()
	t.yield = ShowUp(t.clock, t.yield)
	t.again, t.before = t.before[:0], t.again
	for i := range max(n, 0) {
		e := &t.events[i]
		if p, side := t.relay.find(e); p != nil {
			t.serve(p, happened(e.Events)<<(side*eventBits))
		}
	}
	for _, p := range t.before {
		p.queued.Store(false)
		t.serve(p, goOn)
	}
	t.load.turns++
	t.load.pairs += max(n, 0) + len(t.before)
	clear(t.before)
	t.relay.balance.observe(t)
}

func happened(mask uint32) (events uint32) {
	if mask&unix.EPOLLIN != 0 {
		events |= readable
	}
	if mask&unix.EPOLLOUT != 0 {
		events |= writable
	}
	if mask&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0 {
		events |= hungUp
	}
	if mask&unix.EPOLLERR != 0 {
		events |= failed
	}
	if mask&unix.EPOLLPRI != 0 {
		events |= urgent
	}
	return events
}

// serve moves a pair's bytes, unless another thread is at it, who then is left the events.
func (t *thread) serve(p *Pair, events uint32) {
	for {
		if !p.mu.TryLock() {
			p.late.Or(events)
			if !p.mu.TryLock() {
				return // its holder looks at late after unlocking
			}
			events = 0
		}
		events |= p.late.Swap(0)
		tell := t.pump(p, events)
		p.mu.Unlock()
		if tell {
			p.notify()
		}
		if p.late.Load() == 0 {
			return
		}
		events = 0
	}
}

// pump moves both ways. tell: the owner should know of a change.
func (t *thread) pump(p *Pair, events uint32) (tell bool) {
	if p.stopped || p.over() {
		return false
	}
	before := p.End()
	p.note(events)
	t.move(p, 0)
	t.move(p, 1)
	p.settle()
	if !p.over() && (p.ways[0].ready() || p.ways[1].ready()) && !p.queued.Swap(true) {
		t.again = append(t.again, p)
	}
	after := p.End()
	return after.Begun != before.Begun || after.Over != before.Over
}

// pipe is one that holds nothing; nil when there are too many.
func (t *thread) pipe() *pipe {
	if p := t.spare; p != nil {
		t.spare = nil
		return p
	}
	return t.relay.pipes.get()
}

// give takes back a pipe that holds nothing.
func (t *thread) give(p *pipe) {
	if t.spare == nil {
		t.spare = p
		return
	}
	t.relay.pipes.put(p)
}
