package splice

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/pacing"
)

// thread moves the bytes of whichever pairs have something to move.
type thread struct {
	relay     *Relay
	epoll     int // descriptor
	buffer    []byte
	events    []unix.EpollEvent
	spare     *pipe // one at hand
	clock     time.Duration
	yield     time.Duration // when to go through the scheduler next
	load      load
	gathering gathering
	// watched is how many pairs are on its watch, under the relay's lock.
	watched int
	// share is how much of loadWindow it was busy, as was seen at a moment of the relay's clock.
	share, seen atomic.Int64
	hand        bool // run by its owner, who has watched a pair's sockets by it before
	// again are pairs that have used up their share and go on in the next turn.
	again, before []*Pair
}

func newThread(r *Relay) (*thread, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &thread{relay: r, epoll: epoll, buffer: make([]byte, bufferSize), events: make([]unix.EpollEvent, 64)}, nil
}

// watchWake has the thread come back when the relay is closed. The wake-up is level-triggered
// and never read: once it is written to, every thread comes back.
func (t *thread) watchWake() error {
	return unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, t.relay.wake, &unix.EpollEvent{Events: unix.EPOLLIN})
}

func (t *thread) run() {
	for !t.relay.stopping.Load() {
		t.turn()
	}
}

func (t *thread) close() {
	if t.spare != nil {
		t.relay.pipes.put(t.spare)
	}
	_ = unix.Close(t.epoll)
}

// control adds a side of a pair to the thread's epoll instance, or has it announced
// anew. With an event comes back the pair's place and the side, and the serial by which
// a pair is told from one that had the same place before. No pair has serial 0: that is
// the wake-up.
func (t *thread) control(op int, p *Pair, side int) error {
	const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET
	return unix.EpollCtl(t.epoll, op, int(p.ways[side].source), &unix.EpollEvent{
		Events: edges & math.MaxUint32, Fd: int32(p.place<<1 | uint32(side)), Pad: int32(p.serial),
	})
}

func (t *thread) unwatch(p *Pair, side int) {
	_ = unix.EpollCtl(t.epoll, unix.EPOLL_CTL_DEL, int(p.ways[side].source), nil)
}

// watchBoth has both sides watched, or none. Being added, or changed, a descriptor that is ready
// already is announced.
func (t *thread) watchBoth(p *Pair) error {
	op := unix.EPOLL_CTL_ADD
	if t.hand {
		op = unix.EPOLL_CTL_MOD
	}
	for side := range p.ways {
		if err := t.control(op, p, side); err != nil {
			for added := range side { // and not the one that may be in another pair
				t.unwatch(p, added)
			}
			return err
		}
	}
	return nil
}

// announce has the thread told again of all that there is to do for a pair on its
// watch. The pair's sockets must be known to be the pair's still.
func (t *thread) announce(p *Pair) {
	for side := range p.ways {
		_ = t.control(unix.EPOLL_CTL_MOD, p, side)
	}
}

// turn waits for events and moves what they announce.
func (t *thread) turn() {
	t.gather()
	var last *Pair
	for _, e := range t.wait(-1) {
		if p, side := t.relay.find(&e); p != nil {
			t.serve(p, happened(e.Events)<<(side*eventBits))
			last = p
		}
	}
	for _, p := range t.before {
		p.queued.Store(false)
		t.serve(p, goOn)
		last = p
	}
	t.observe(last)
	clear(t.before)
}

// wait returns what has happened, after so many milliseconds at the latest (epoll_wait(2)). The
// slice is valid until the next call.
func (t *thread) wait(patience int) []unix.EpollEvent {
	if len(t.again) > 0 {
		patience = 0
	}
	n, err := unix.EpollWait(t.epoll, t.events, patience)
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic("splice: epoll_wait: " + err.Error()) // only for a descriptor that is none
	}
	t.clock = t.relay.now()
	t.yield = pacing.Yield(t.clock, t.yield)
	t.again, t.before = t.before[:0], t.again
	return t.events[:max(n, 0)]
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

// serve moves a pair's bytes, unless another holds the pair, who then is left the
// events: a thread that serves it, or whoever has it watched by another thread.
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
			p.owner.Told(p)
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
	t.load.served(p, t.clock)
	p.note(events)
	t.move(p, 0)
	t.move(p, 1)
	t.settle(p)
	if !p.over() && (p.ways[0].ready() || p.ways[1].ready()) {
		t.later(p)
	}
	after := p.End()
	return after.Begun != before.Begun || after.Over != before.Over
}

// later leaves what there still is to do to the next turn of the thread that
// watches the pair.
func (t *thread) later(p *Pair) {
	switch {
	case p.thread != t:
		p.thread.announce(p)
	case !p.queued.Swap(true):
		t.again = append(t.again, p)
	}
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
