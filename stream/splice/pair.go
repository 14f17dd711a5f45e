package splice

import (
	"sync"
	"sync/atomic"
	"time"
)

// Owner is whose pair it is.
type Owner interface {
	// Told is called by a thread of the relay when one of the pair's sides has begun to
	// end, and again when there is nothing left to move. It must neither block nor call the
	// pair's methods.
	Told(*Pair)
}

// Pair is two sockets whose bytes a [Relay] moves.
type Pair struct {
	relay         *Relay
	passed        *[2]Counters
	owner         Owner
	place, serial uint32

	late   atomic.Uint32       // what happened while somebody else held mu
	queued atomic.Bool         // to go on
	end    atomic.Pointer[End] // nil as long as none has begun
	active atomic.Int64        // when bytes were last moved, by the relay's clock

	mu      sync.Mutex    // of what follows
	ways    [2]way        // by the side that is read
	served  time.Duration // the clock of the turn that it was served in last
	thread  *thread       // on whose watch it is; the relay's lock is held to change it, too
	chunks  uint8         // that were moved, both ways, up to youngChunks
	stopped bool          // or not begun
}

// Moved is how much has been taken from a side for the other, in bytes.
func (p *Pair) Moved(side int) uint64 { return p.ways[side].moved.Load() }

// Idle is for how long no byte has moved either way.
func (p *Pair) Idle() time.Duration {
	return p.relay.now() - time.Duration(p.active.Load())
}

// Stop gives the sockets back. rest[0] was taken from side 0 and not yet given
// to side 1, rest[1] the other way; it must be sent before anything else.
// A second Stop returns nothing.
func (p *Pair) Stop() (rest [2][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return rest
	}
	p.stopped = true
	for side := range p.ways {
		p.thread.unwatch(p, side)
		rest[side] = p.ways[side].leftover(&p.relay.pipes)
	}
	p.relay.leave(p)
	return rest
}

// What has happened on a side, packed by the side.
const (
	readable = 1 << iota // there may be something to read
	writable             // there may be room
	hungUp               // it has ended its sending, or both ways
	failed               // by an error
	urgent               // it has sent TCP's urgent byte

	eventBits = 8
	// goOn, beside these, says that the pair has used up its share and goes on.
	goOn = 1 << (2 * eventBits)
)

// note takes in what has happened since.
func (p *Pair) note(events uint32) {
	for side := range p.ways {
		e := events >> (side * eventBits)
		from, to := &p.ways[side], &p.ways[1-side]
		from.readable = from.readable || e&readable != 0
		to.writable = to.writable || e&writable != 0
		from.thorough = from.thorough || e&(urgent|hungUp|failed) != 0
		from.marked = from.marked || e&urgent != 0
		if e&(hungUp|failed) == 0 {
			continue
		}
		from.readable, to.writable = true, true
		from.failed = from.failed || e&failed != 0
		// Told now, because it may be long until the end itself can be read: the
		// other side may be one that takes nothing.
		p.begin(side, false, false)
	}
}

// settle ends a pair of which nothing more can come: both ways are through, or a
// side has failed whose error cannot be read, because the other side takes nothing
// or has failed, too, or because its sending had ended in order before. What it has said
// until then is kept for the other side.
func (t *thread) settle(p *Pair) {
	for side := range p.ways {
		if w := &p.ways[side]; w.failed && (p.over() || !w.ready()) {
			t.takeLast(p, side)
			p.fail(side)
		}
	}
	if p.ways[0].done && p.ways[1].done {
		p.finish()
	}
}
