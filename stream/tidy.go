package stream

import (
	"runtime/debug"
	"time"
)

// To come costs a connection ten times the memory that it needs for its life:
// libzmq's buffers, the dial, the handshake. When a crowd has come, what its coming
// took is free, and scattered; it is given back once nobody has come for a moment.
const (
	crowded = 256 // connections
	calm    = time.Second
)

// crowd is who has come since memory was last given back.
type crowd struct {
	arrivals  int
	arrivedAt time.Duration // the last of them
}

// arrived notes that a connection has come.
func (l *loop) arrived() { l.crowd = crowd{l.crowd.arrivals + 1, l.clock} }

// tidyAt is when tidy has something to do, if nobody comes until then.
func (l *loop) tidyAt() (time.Duration, bool) {
	return l.crowd.arrivedAt + calm, l.crowd.arrivals >= crowded
}

// tidy gives memory back to the system, in a goroutine of its own, since it takes
// some milliseconds. One at a time is enough for all pools.
func (l *loop) tidy() {
	if at, due := l.tidyAt(); !due || l.clock < at {
		return
	}
	if !l.ctx.tidying.CompareAndSwap(false, true) { // another pool is at it
		l.crowd.arrivedAt = l.clock
		return
	}
	l.crowd.arrivals = 0
	go func() {
		defer l.ctx.tidying.Store(false)
		debug.FreeOSMemory()
		trimMemory()
	}()
}
