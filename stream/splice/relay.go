package splice

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// MaxThreads is the most that a [Relay] can have.
const MaxThreads = 64

// Relay moves the bytes of any number of pairs.
type Relay struct {
	epoll, wake int // descriptors
	start       time.Time
	threads     []*thread
	ended       sync.WaitGroup
	stopping    atomic.Bool
	balance     balance
	pipes       pipes

	mu    sync.Mutex // of what follows
	pairs atomic.Pointer[[]atomic.Pointer[Pair]]
	free  []uint32 // places in pairs
	next  uint32   // the first place that was never used
	turn  uint32   // how many pairs were started
}

// Counters are what has passed one way over all pairs that share them: chunks as
// they were taken from a socket, and their bytes.
type Counters struct{ Bytes, Chunks atomic.Uint64 }

// New starts a relay of at most 1 to [MaxThreads] threads, and of at most 0 to
// [MaxPipes] pipes, which take two descriptors each. It must be Closed.
func New(threads, maxPipes int) (*Relay, error) {
	if threads < 1 || threads > MaxThreads {
		return nil, fmt.Errorf("relay: %d threads: want 1 to %d", threads, MaxThreads)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("relay: epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("relay: eventfd: %w", err)
	}
	r := &Relay{epoll: epoll, wake: wake, start: time.Now(), pipes: pipes{most: min(maxPipes, MaxPipes)}}
	places := make([]atomic.Pointer[Pair], 64)
	r.pairs.Store(&places)
	// Level-triggered and never read: once it is written to, every thread comes back.
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		_ = unix.Close(wake)
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("relay: epoll: %w", err)
	}
	r.balance.init(threads)
	for i := range threads {
		t := newThread(r, i)
		r.threads = append(r.threads, t)
		r.ended.Go(t.run)
	}
	return r, nil
}

// Close ends the threads. Every pair must have been stopped before.
func (r *Relay) Close() {
	r.stopping.Store(true)
	_, _ = unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	r.balance.release()
	r.ended.Wait()
	r.pipes.close()
	_ = unix.Close(r.wake)
	_ = unix.Close(r.epoll)
}

// now is the time since the relay's start, by the monotonic clock.
func (r *Relay) now() time.Duration { return time.Since(r.start) }

// Start moves the bytes between two connected, non-blocking stream sockets from
// now on, rest[0] for b and rest[1] for a first, which has been counted already.
// What has passed is added to the counters, passed[0] from a to b and
// passed[1] back. notify is called by a thread of the relay when one of the
// sides has begun to end, and again when there is nothing left to move; it must
// neither block nor call the pair's methods.
//
// The error is the kernel's, for want of memory or of watches (epoll(7)); the
// sockets are then as they were.
func (r *Relay) Start(a, b int, rest [2][]byte, passed *[2]Counters, notify func()) (*Pair, error) {
	p := &Pair{relay: r, passed: passed, notify: notify}
	p.ways[0] = way{source: int32(a), sink: int32(b), readable: true, writable: true, thorough: local(a), rest: rest[0]}
	p.ways[1] = way{source: int32(b), sink: int32(a), readable: true, writable: true, thorough: local(b), rest: rest[1]}
	p.active.Store(int64(r.now()))
	r.enter(p)
	if err := r.watchBoth(p); err != nil {
		r.leave(p)
		return nil, fmt.Errorf("watching a socket: %w", err)
	}
	if p.late.Load() != 0 { // announced while nobody could see to it
		for side := range p.ways {
			_ = r.control(unix.EPOLL_CTL_MOD, p, side)
		}
	}
	return p, nil
}

// watchBoth has both sides watched, and nothing moved before both are. Being
// added, a descriptor that is ready already is announced.
func (r *Relay) watchBoth(p *Pair) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for side := range p.ways {
		if err := r.control(unix.EPOLL_CTL_ADD, p, side); err != nil {
			for added := range side { // and not the one that may be in another pair
				r.unwatch(p.ways[added].source)
			}
			p.stopped = true
			return err
		}
	}
	return nil
}

// control adds a side to the epoll instance, or has it announced anew. With an
// event comes back the pair's place and the side, and the turn by which a pair is
// told from one that had the same place before. No pair has turn 0: that is the
// wake-up.
func (r *Relay) control(op int, p *Pair, side int) error {
	const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET
	return unix.EpollCtl(r.epoll, op, int(p.ways[side].source), &unix.EpollEvent{
		Events: edges & math.MaxUint32, Fd: int32(p.place<<1 | uint32(side)), Pad: int32(p.turn),
	})
}

func (r *Relay) unwatch(fd int32) { _ = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_DEL, int(fd), nil) }

// local says whether fd is a unix socket.
func local(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// enter gives a pair its place.
func (r *Relay) enter(p *Pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn = max(1, r.turn+1) // wraps
	p.turn = r.turn
	if n := len(r.free); n > 0 {
		p.place, r.free = r.free[n-1], r.free[:n-1]
	} else {
		p.place = r.next
		r.next++
	}
	places := *r.pairs.Load()
	if int(p.place) == len(places) {
		more := make([]atomic.Pointer[Pair], 2*len(places))
		for i := range places {
			more[i].Store(places[i].Load())
		}
		r.pairs.Store(&more)
		places = more
	}
	places[p.place].Store(p)
}

// leave gives a pair's place back.
func (r *Relay) leave(p *Pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	(*r.pairs.Load())[p.place].Store(nil)
	r.free = append(r.free, p.place)
}

// find is the pair that an event is about and the side that it happened on; nil
// when the pair has been stopped since.
func (r *Relay) find(e *unix.EpollEvent) (*Pair, int) {
	place, side := uint32(e.Fd)>>1, int(e.Fd&1)
	places := *r.pairs.Load()
	if int(place) >= len(places) {
		return nil, 0
	}
	p := places[place].Load()
	if p == nil || p.turn != uint32(e.Pad) {
		return nil, 0
	}
	return p, side
}
