package splice

import (
	"time"

	"golang.org/x/sys/unix"
)

// youngChunks is how many chunks a hand moves of a pair, both ways together. That is more than the
// handshake of any mechanism and a few messages take, so that a pair which is soon over costs no
// switch to another thread; one that goes on is for a thread of the relay.
const youngChunks = 32

// Hand is a thread of a relay without a goroutine of its own: an event loop waits by it for
// its own descriptors and has it work, and it moves the first bytes of pairs that are started on it. A
// pair that goes on is passed to a thread of the relay by itself.
//
// Its methods are for the loop's goroutine alone. It must be Closed before its relay, when no pair
// started on it is left.
type Hand struct {
	thread   *thread
	happened []unix.EpollEvent // since Wait
}

// NewHand makes a hand of a relay.
func (r *Relay) NewHand() (*Hand, error) {
	t, err := newThread(r)
	if err != nil {
		return nil, err
	}
	t.hand = true
	return &Hand{thread: t}, nil
}

// Close lets go of what the hand itself has.
func (h *Hand) Close() { h.thread.close() }

// own is a descriptor of the loop's as epoll gives it back. No pair has serial 0.
func own(mask, token uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: mask, Fd: int32(token)}
}

// Watch waits for what mask says of a descriptor of the loop's (epoll_ctl(2)), which token comes back with.
func (h *Hand) Watch(fd int, mask, token uint32) error {
	return unix.EpollCtl(h.thread.epoll, unix.EPOLL_CTL_ADD, fd, own(mask, token))
}

// Change waits for something else of a descriptor that is watched.
func (h *Hand) Change(fd int, mask, token uint32) error {
	return unix.EpollCtl(h.thread.epoll, unix.EPOLL_CTL_MOD, fd, own(mask, token))
}

// Start is [Relay.Start] on the hand, of two TCP sockets, both of which must be watched by it. They
// are from then on watched as the pair's, and after [Pair.Stop] no more. The owner may be told
// within Work.
func (h *Hand) Start(a, b int, rest [2][]byte, passed *[2]Counters, owner Owner) (*Pair, error) {
	p := h.thread.relay.newPair(a, b, rest, passed, owner)
	if err := h.thread.relay.begin(p, h.thread); err != nil {
		return nil, err
	}
	return p, nil
}

// Wait waits until something has happened, at most for so long, for ever if patience is negative; whole
// milliseconds count, rounded up. Work must follow.
func (h *Hand) Wait(patience time.Duration) { h.happened = h.thread.wait(milliseconds(patience)) }

// Work moves the bytes of pairs, and tells of what has happened (epoll_wait(2)) on the loop's own
// descriptors.
func (h *Hand) Work(happens func(token, mask uint32)) {
	t := h.thread
	for _, e := range h.happened {
		if e.Pad == 0 {
			happens(uint32(e.Fd), e.Events)
		} else if p, side := t.relay.find(&e); p != nil {
			h.serve(p, happened(e.Events)<<(side*eventBits))
		}
	}
	for _, p := range t.before {
		p.queued.Store(false)
		h.serve(p, goOn)
	}
	clear(t.before)
}

func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return int((min(d, time.Hour) + time.Millisecond - 1) / time.Millisecond)
}

// serve moves a pair's bytes, and passes on a pair that has outgrown the hand.
func (h *Hand) serve(p *Pair, events uint32) {
	t := h.thread
	t.serve(p, events)
	if t.outgrown(p) {
		p.relay.mu.Lock()
		to := p.relay.least()
		p.relay.mu.Unlock()
		t.handOver(p, to)
	}
}

// outgrown says whether a pair is the thread's and more than its start.
func (t *thread) outgrown(p *Pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.thread == t && (p.chunks >= youngChunks || p.ways[0].bulk || p.ways[1].bulk)
}
