package webconfig

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// waitMost bounds the passwords that wait, and waitOfSource those of an address.
	waitMost     = 16
	waitOfSource = 4
	// restFor is how many times as long as a wrong password took nobody's is hashed: all guesses
	// together have a fifth of a processor.
	restFor = 4
	// restMost bounds that: on a machine that is busy a hash takes long for other reasons.
	restMost = 2 * time.Second
	// blameTime is how long after its last wrong password an address comes behind others.
	blameTime = 10 * time.Minute
	// blamedKept bounds the addresses of which that is known.
	blamedKept = 4096
)

// attempt is a password for a name that came from an address, and all who wait to hear of it.
type attempt struct {
	from    guesser
	sum     digest
	look    func() Outcome // takes long
	callers int            // who wait
	done    chan struct{}  // closed once there is an outcome
	outcome Outcome
}

// blame is how many wrong passwords an address has given.
type blame struct {
	wrong int
	until time.Time
}

// queue has attempts looked at one after the other, with a rest after each that was wrong. An address that
// has given fewer wrong ones comes first, so that guessers do not keep out users of other addresses, whatever
// their number. Its methods but init are called with the mutex held.
//
//	        nobody is looked at           a place is free, or one of a worse address
//	add ──┬──────────────────────► looked at ◄──────────── waits ◄───────────────────┬── add
//	      │                            │  ▲                                          │
//	      │                      wrong │  │ the best that waits                      │
//	      └─► not looked at            ▼  │                                          │
//	                                  rest                     not looked at ◄───────┘
type queue struct {
	mutex   *sync.Mutex
	refund  func(guesser) // of an attempt that was not wrong
	busy    *attempt      // is looked at, or was before the rest; nil for none
	waiting []*attempt
	blamed  *simplelru.LRU[string, blame]
}

func (q *queue) init(mutex *sync.Mutex, refund func(guesser)) {
	q.mutex, q.refund = mutex, refund
	q.blamed, _ = simplelru.NewLRU[string, blame](blamedKept, nil)
}

// find is an attempt at the same from the same, which has no outcome yet; nil for none.
func (q *queue) find(from guesser, sum digest) *attempt {
	for _, a := range append([]*attempt{q.busy}, q.waiting...) {
		if a != nil && a.from == from && a.sum == sum && !a.ended() {
			return a
		}
	}
	return nil
}

// ended says whether there is an outcome.
func (a *attempt) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// end gives an attempt its outcome. Only a wrong one is counted.
func (q *queue) end(a *attempt, o Outcome) {
	if o != Wrong {
		q.refund(a.from)
	}
	a.outcome = o
	close(a.done)
}

// add has an attempt looked at in its turn. Where there is no place for it, or it loses its own to a better
// one, its outcome is [Limited].
func (q *queue) add(a *attempt) *attempt {
	a.done = make(chan struct{})
	if q.busy == nil {
		q.start(a)
		return a
	}
	of := 0
	for _, w := range q.waiting {
		if w.from.source == a.from.source {
			of++
		}
	}
	if of >= waitOfSource {
		q.end(a, Limited)
		return a
	}
	q.waiting = append(q.waiting, a)
	if len(q.waiting) > waitMost {
		q.end(q.take(q.worst()), Limited)
	}
	return a
}

// start looks at an attempt.
func (q *queue) start(a *attempt) {
	q.busy = a
	go func() {
		began := time.Now()
		o := a.look()
		q.mutex.Lock()
		defer q.mutex.Unlock()
		q.end(a, o)
		if o == Right {
			q.next()
			return
		}
		now := time.Now()
		q.blamed.Add(a.from.source, blame{q.wrong(a.from.source, now) + 1, now.Add(blameTime)})
		time.AfterFunc(min(restMost, restFor*now.Sub(began)), func() {
			q.mutex.Lock()
			defer q.mutex.Unlock()
			q.next()
		})
	}()
}

// next looks at the best that waits.
func (q *queue) next() {
	q.busy = nil
	if len(q.waiting) > 0 {
		q.start(q.take(q.best()))
	}
}

// leave is of a caller who waits no longer. What nobody waits for is not looked at.
func (q *queue) leave(a *attempt) {
	a.callers--
	if i := slices.Index(q.waiting, a); i >= 0 && a.callers == 0 {
		q.end(q.take(i), Limited)
	}
}

// wrong is how many wrong passwords an address has given lately.
func (q *queue) wrong(source string, now time.Time) int {
	if b, known := q.blamed.Get(source); known && now.Before(b.until) {
		return b.wrong
	}
	return 0
}

// best is the first of those whose address has given the fewest wrong ones, and worst the last of those with the most.
func (q *queue) best() int {
	return q.pick(func(a, than int) bool { return a < than })
}

func (q *queue) worst() int {
	return q.pick(func(a, than int) bool { return a >= than })
}

func (q *queue) pick(better func(wrong, than int) bool) (index int) {
	now := time.Now()
	for i, a := range q.waiting {
		if i == 0 || better(q.wrong(a.from.source, now), q.wrong(q.waiting[index].from.source, now)) {
			index = i
		}
	}
	return index
}

// take takes one of those who wait.
func (q *queue) take(index int) *attempt {
	a := q.waiting[index]
	q.waiting = slices.Delete(q.waiting, index, index+1)
	return a
}
