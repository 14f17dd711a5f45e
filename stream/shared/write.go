package shared

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// pendingMax bounds the keys that wait to be written; the longest waiting goes.
	pendingMax = 1 << 16
	// writesAtOnce are in one request at most.
	writesAtOnce = 128
	// freshMax bounds the look-ups whose client has no pair yet.
	freshMax = 4096
)

// pending is what waits to be written, and what is being written: one for each key, the
// last. The store's lock is held by whoever touches it.
type pending struct {
	waiting *simplelru.LRU[string, Write]
	flying  map[string]Write
	woken   chan struct{}
	landed  chan struct{} // closed, and replaced, when some were written
}

func newPending() pending {
	return pending{newLRU[Write](pendingMax), map[string]Write{}, make(chan struct{}, 1), make(chan struct{})}
}

// newLRU is for size entries, at least 1.
func newLRU[V any](size int) *simplelru.LRU[string, V] {
	l, err := simplelru.NewLRU[string, V](size, nil)
	if err != nil {
		panic("shared: an LRU of a positive size cannot be made: " + err.Error())
	}
	return l
}

// add says whether another one had to go for it. What only renews takes nothing's place.
func (p *pending) add(w Write) (dropped bool) {
	if _, waits := p.waiting.Peek(w.Key); waits && w.Renew {
		return false
	}
	dropped = p.waiting.Add(w.Key, w)
	p.wake()
	return dropped
}

func (p *pending) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *pending) len() int { return p.waiting.Len() + len(p.flying) }

// get is what is about to be written to a key.
func (p *pending) get(key string) (text string, waits bool) {
	w, waits := p.waiting.Peek(key)
	if !waits || w.Renew {
		w, waits = p.flying[key]
	}
	return w.Text, waits && !w.Renew
}

// take has the longest waiting be written.
func (p *pending) take(most int) (all []Write) {
	for len(all) < most {
		key, w, some := p.waiting.RemoveOldest()
		if !some {
			break
		}
		p.flying[key] = w
		all = append(all, w)
	}
	return all
}

// land ends a write. With again it waits on, unless there is something newer, and then dropped
// says whether another one had to go for it.
func (p *pending) land(w Write, again bool) (dropped bool) {
	delete(p.flying, w.Key)
	if now, waits := p.waiting.Peek(w.Key); !again || waits && (w.Renew || !now.Renew) {
		return false
	}
	return p.waiting.Add(w.Key, w)
}

// put is add for who does not hold the lock.
func (s *Store) put(w Write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(w)
}

// write writes what waits, while the store takes it.
func (s *Store) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.pending.woken:
		}
		for s.writeSome(ctx) {
		}
	}
}

// writeSome says whether there is more to write.
func (s *Store) writeSome(ctx context.Context) (more bool) {
	s.mu.Lock()
	b := s.backend
	if s.state != Up || b == nil {
		s.mu.Unlock()
		return false
	}
	batch := s.pending.take(writesAtOnce)
	s.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	return s.wrote(batch, b.Set(ctx, batch))
}

// wrote notes what has become of writes, and says whether the next may be tried.
func (s *Store) wrote(batch []Write, errs []error) (more bool) {
	var broken, refused error
	s.mu.Lock()
	for i, err := range errs {
		result := writeStored
		var other *OtherError
		switch {
		case err == nil:
		case errors.As(err, &other):
			is, _ := decodeName(other.Text)
			if _, waits := s.pending.waiting.Peek(batch[i].Key); !is.Contested && !waits {
				s.add(contested(batch[i]))
			}
		case errors.Is(err, ErrRefused):
			result, refused = writeRefused, err
		default:
			broken = err
			if s.pending.land(batch[i], true) {
				s.stats.writes[writeDropped]++
			}
			continue
		}
		s.stats.writes[result]++
		s.pending.land(batch[i], false)
	}
	close(s.pending.landed)
	s.pending.landed = make(chan struct{})
	s.mu.Unlock()
	if refused != nil {
		s.refuse(refused)
	}
	switch {
	case broken == nil:
		return true
	case errors.Is(broken, ErrFull):
		s.find(broken, false)
	case !errors.Is(broken, context.Canceled):
		s.lose(broken)
		s.notice(broken)
	}
	return false
}

// fresh is what look-ups have found of those who have no pair yet: what their pair says the
// same of need not be written again. The store's lock is held by whoever touches it.
type fresh struct{ found *simplelru.LRU[string, found] }

type found struct {
	text    string
	expires time.Time
}

func newFresh() *fresh { return &fresh{newLRU[found](freshMax)} }

func (f *fresh) note(key, text string, left time.Duration) {
	if left > 0 {
		f.found.Add(key, found{text, time.Now().Add(left)})
	}
}

func (f *fresh) forget(key string) { f.found.Remove(key) }

// same says whether a write would change nothing, but for less than a quarter of its time. It is asked once.
func (f *fresh) same(w *Write) bool {
	is, ok := f.found.Peek(w.Key)
	f.found.Remove(w.Key)
	return ok && is.text == w.Text && time.Until(is.expires) > w.TTL*3/4
}
