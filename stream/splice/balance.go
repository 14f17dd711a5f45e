package splice

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// balance decides how many threads take part.
type balance struct {
	active   atomic.Int32 // threads 0 to active-1 take part
	invited  []chan struct{}
	mu       sync.Mutex // of what follows
	shares   []float64  // of a CPU, that each thread used in its last window
	released bool
}

// load is what a thread has used since when, by the clock and by its own CPU
// clock, and how many pairs it has served in how many turns.
type load struct {
	id           int // of the operating system's thread
	since, used  time.Duration
	turns, pairs int
}

func (t *thread) startLoad() { t.load = load{id: unix.Gettid(), since: t.relay.now(), used: cpuTime()} }

const (
	loadWindow = 50 * time.Millisecond
	// One more takes part when those that do use this share of their CPUs, ...
	crowded = 0.8
	// ... and one less when without it the others would use this share.
	relaxed = 0.4
)

func (b *balance) init(threads int) {
	b.shares = make([]float64, threads)
	b.invited = make([]chan struct{}, threads)
	for i := range b.invited {
		b.invited[i] = make(chan struct{}, 1)
	}
	b.active.Store(1)
}

// await returns when thread t is to take part.
func (b *balance) await(t *thread) {
	for int32(t.number) >= b.active.Load() {
		<-b.invited[t.number]
		t.startLoad()
	}
}

// release has every thread take part, for good.
func (b *balance) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(int32(len(b.shares)))
	b.released = true
}

// observe notes what a thread has used, once in a window, and decides anew.
func (b *balance) observe(t *thread) {
	passed := t.clock - t.load.since
	if passed < loadWindow || len(b.shares) == 1 {
		return
	}
	was := t.load
	t.startLoad()
	if t.load.id != was.id { // the goroutine runs on another thread, whose clock says nothing
		return
	}
	share := float64(t.load.used-was.used) / float64(passed)
	if was.pairs < 2*was.turns {
		share = min(share, crowded) // one pair at a time is one thread's work, however much it is
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shares[t.number] = share
	total := 0.0
	for _, s := range b.shares[:b.active.Load()] {
		total += s
	}
	if !b.released {
		b.set(wanted(b.active.Load(), int32(len(b.shares)), total))
	}
}

// wanted is how many threads should take part when so many do and use so much.
func wanted(active, threads int32, total float64) int32 {
	switch {
	case total > crowded*float64(active) && active < threads:
		return active + 1
	case active > 1 && total < relaxed*float64(active-1):
		return active - 1
	}
	return active
}

func (b *balance) set(active int32) {
	before := b.active.Swap(active)
	for i := before; i < active; i++ {
		b.shares[i] = 0
		select {
		case b.invited[i] <- struct{}{}:
		default: // it has not seen yet that it was to leave
		}
	}
}

// cpuTime is what the calling thread has used (clock_gettime(2)).
func cpuTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}
