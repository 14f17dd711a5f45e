package splice

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// MaxThreads is the most that a [Relay] can have.
const MaxThreads = 64

// Relay moves the bytes of any number of pairs.
type Relay struct {
	wake     int // descriptor
	start    time.Time
	threads  []*thread
	ended    sync.WaitGroup
	stopping atomic.Bool
	pipes    pipes

	mu    sync.Mutex // of what follows
	pairs atomic.Pointer[[]atomic.Pointer[Pair]]
	free  []uint32 // places in pairs
	next  uint32   // the first place that was never used
	last  uint32   // serial of the last pair
}

// Counters are what has passed one way over all pairs that share them: chunks as
// they were taken from a socket, and their bytes.
// they were read. What is added to them is added to those behind Sum, too.
type Counters struct {
	Bytes, Chunks atomic.Uint64
	Sum           *Counters // nil for none; set before anything is added
}

// Add adds a chunk of so many bytes.
func (c *Counters) Add(n int) {
	for ; c != nil; c = c.Sum {
		c.Bytes.Add(uint64(n))
		c.Chunks.Add(1)
	}
}

// New starts a relay of that many threads, 1 to [MaxThreads], and of at most so
// many pipes, 0 to [MaxPipes], which take two descriptors each. It must be Closed.
func New(threads, maxPipes int) (*Relay, error) {
	if threads < 1 || threads > MaxThreads {
		return nil, fmt.Errorf("relay: %d threads: want 1 to %d", threads, MaxThreads)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("relay: eventfd: %w", err)
	}
	r := &Relay{wake: wake, start: time.Now(), pipes: pipes{most: min(maxPipes, MaxPipes)}}
	places := make([]atomic.Pointer[Pair], 64)
	r.pairs.Store(&places)
	for range threads {
		t, err := newThread(r)
		if err == nil {
			r.threads = append(r.threads, t)
			err = t.watchWake()
		}
		if err != nil {
			r.close()
			return nil, fmt.Errorf("relay: epoll: %w", err)
		}
	}
	for _, t := range r.threads {
		r.ended.Go(t.run)
	}
	return r, nil
}

// Close ends the threads. Every pair must have been stopped before.
func (r *Relay) Close() {
	r.stopping.Store(true)
	_, _ = unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	r.ended.Wait()
	r.close()
}

func (r *Relay) close() {
	for _, t := range r.threads {
		t.close()
	}
	r.pipes.close()
	_ = unix.Close(r.wake)
}

// now is the time since the relay's start, by the monotonic clock.
func (r *Relay) now() time.Duration { return time.Since(r.start) }

// Start moves the bytes between two connected, non-blocking stream sockets from
// now on, rest[0] for b and rest[1] for a first, which has been counted already.
// Of sockets that were in a pair before, end is what that one had come to: it goes
// on from there. What has passed is added to the counters, passed[0] from a to b and
// passed[1] back. The owner is told of its end.
//
// The error is the kernel's, for want of memory or of watches (epoll(7)); the
// sockets are then as they were.
func (r *Relay) Start(a, b int, rest [2][]byte, end End, passed *[2]Counters, owner Owner) (*Pair, error) {
	p := r.newPair(a, b, rest, passed, owner)
	p.ways[0].thorough, p.ways[1].thorough = !tcp(a), !tcp(b)
	p.resume(end)
	if err := r.begin(p, nil); err != nil {
		return nil, err
	}
	return p, nil
}

func (r *Relay) newPair(a, b int, rest [2][]byte, passed *[2]Counters, owner Owner) *Pair {
	p := &Pair{relay: r, passed: passed, owner: owner, stopped: true}
	p.ways[0] = way{source: int32(a), sink: int32(b), readable: true, writable: true}
	p.ways[1] = way{source: int32(b), sink: int32(a), readable: true, writable: true}
	for side := range p.ways {
		p.ways[side].keep(rest[side])
	}
	p.active.Store(int64(r.now()))
	return p
}

// begin has a pair moved by a thread, nil for the one that watches fewest.
func (r *Relay) begin(p *Pair, by *thread) error {
	r.enter(p, by)
	thread, err := p.begun()
	if err != nil {
		r.leave(p)
		return fmt.Errorf("watching a socket: %w", err)
	}
	if p.late.Load() != 0 { // announced before both its sides were watched
		thread.announce(p)
	}
	return nil
}

// begun has the pair watched; nothing is moved before both its sides are.
func (p *Pair) begun() (*thread, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.thread.watchBoth(p)
	p.stopped = err != nil
	return p.thread, err
}

// tcp says whether fd is a TCP socket. Of what is none a short read says less.
func tcp(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && (domain == unix.AF_INET || domain == unix.AF_INET6)
}

// enter gives a pair its place.
func (r *Relay) enter(p *Pair, by *thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(1, r.last+1) // wraps
	p.serial = r.last
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
	if p.thread = by; by == nil {
		p.thread = r.least()
	}
	p.thread.watched++
	places[p.place].Store(p)
}

// leave gives a pair's place back.
func (r *Relay) leave(p *Pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	(*r.pairs.Load())[p.place].Store(nil)
	r.free = append(r.free, p.place)
	p.thread.watched--
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
	if p == nil || p.serial != uint32(e.Pad) {
		return nil, 0
	}
	return p, side
}
