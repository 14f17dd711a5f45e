package shared

import (
	"context"
	"errors"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

const (
	// asksMax bounds the look-ups that wait to be sent; who comes then is not asked for.
	asksMax = 4096
	// lookers ask at the same time, so that one that is slow holds up few.
	lookers = 4
	// asksAtOnce are in one request at most.
	asksAtOnce = 64
)

// ask is one look-up: of a last worker, unless that is what has yet to be written, and how an identity is pinned.
type ask struct {
	key           string
	own           pairing.Recollection // where there is no key
	pin, identity string               // "" of somebody without one
	at            time.Time
	told          func(pairing.Recollection)
}

// look asks the store for what is wanted, several at once where they have come together.
func (s *Store) look(ctx context.Context) {
	batch := make([]ask, 0, asksAtOnce)
	for {
		if batch = gather(ctx, s.asks, batch[:0]); len(batch) == 0 {
			for _, a := range drained(s.asks) {
				a.told(a.own)
			}
			return
		}
		s.lookUp(ctx, batch)
		clear(batch)
	}
}

// gather waits for one that asks, and returns it with those who have come together with it; nobody if the store was closed.
func gather[A any](ctx context.Context, asks <-chan A, batch []A) []A {
	select {
	case <-ctx.Done():
		return nil
	case a := <-asks:
		batch = append(batch, a)
	}
	for len(batch) < asksAtOnce {
		select {
		case a := <-asks:
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

// drained are those who still ask a store that was closed.
func drained[A any](asks <-chan A) (all []A) {
	for {
		select {
		case a := <-asks:
			all = append(all, a)
		default:
			return all
		}
	}
}

func (s *Store) lookUp(ctx context.Context, batch []ask) {
	b, state := s.current()
	if b == nil || !state.answers() {
		s.answerAll(batch, lookupDown)
		return
	}
	keys, pins := make([]string, 0, len(batch)), make([]string, 0, len(batch))
	for i := range batch {
		if key := batch[i].key; key != "" {
			keys = append(keys, key)
		}
		if pin := batch[i].pin; pin != "" {
			pins = append(pins, pin)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	values, pinned, err := lookAt(ctx, b, keys, pins)
	cancel()
	if err != nil {
		s.missed(err)
		s.answerAll(batch, lookupLate)
		return
	}
	for i := range batch {
		a := &batch[i]
		is := a.own
		if a.key == "" {
			s.stats.lookup(lookupPending, 0)
		} else {
			is, values = s.recalled(a.key, a.at, &values[0]), values[1:]
		}
		if a.pin != "" {
			is.Pin, _ = s.believe(a.pin, &pairing.Steering{Identity: a.identity, Register: pairing.RegisterPin}, &pinned[0])
			pinned = pinned[1:]
		}
		a.told(is)
	}
	s.answered()
}

// lookAt reads who had which worker and, in the same request, how identities are pinned. What is kept here of an answer may
// be out of date for a moment: a pin counts from when it was said on.
func lookAt(ctx context.Context, b Backend, keys, pins []string) (values, pinned []Value, err error) {
	if len(pins) == 0 {
		values, err = b.Get(ctx, keys)
		return values, nil, err
	}
	pinned, values, err = b.LookAlong(ctx, pins, keys, int(last))
	return values, pinned, err
}

// answered notes that a look-up was: those that were late before it are in a row no more.
func (s *Store) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = 0
}

// recalled is what a value says of whoever was asked about at a time, counted.
func (s *Store) recalled(key string, at time.Time, v *Value) pairing.Recollection {
	is, result := s.read(key, v)
	s.stats.lookup(result, time.Since(at))
	if result == lookupNonsense {
		s.disbelieve(key)
	}
	return is
}

func (s *Store) answerAll(batch []ask, result lookupResult) {
	for _, a := range batch {
		came := result
		if a.key == "" {
			came = lookupPending
		}
		s.stats.lookup(came, time.Since(a.at))
		a.told(a.own)
	}
}

// missed counts look-ups that were not answered: a few, and the store is down.
func (s *Store) missed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	s.late++
	down := s.late >= lateInARow || !errors.Is(err, context.DeadlineExceeded)
	s.mu.Unlock()
	if down {
		s.lose(err) // at once, so that nobody else waits
		s.notice(err)
	}
}

// read is what a value says.
func (s *Store) read(key string, v *Value) (pairing.Recollection, lookupResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch is, err := decode(v.Text); {
	case v.Err != nil, v.Found && err != nil:
		s.fresh.forget(key)
		return pairing.Recollection{}, lookupNonsense
	case !v.Found:
		s.fresh.forget(key)
		return pairing.Recollection{}, lookupUnknown
	default:
		s.fresh.note(key, v.Text, v.Left)
		return is, lookupKnown
	}
}

// answers says whether the store is asked.
func (s State) answers() bool { return s == Up || s == Refusing }
