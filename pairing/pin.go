package pairing

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// An operator's pin has an identity prefer workers, whatever it says itself. It is a register, [RegisterPin], as those of
// workers are: of what was said of an identity, here and everywhere, the latest counts. But no table knows
// of all that were said everywhere: what others know comes with [Table.Recalled] whenever a client of that
// identity is to have a worker, and by [Table.Heed]. That one is pinned no more is a word, too,
// which is known for a day, so that what was said before and comes late does not undo it.

// unpinnedFor is how long it is known that an identity is pinned no more.
const unpinnedFor = 24 * time.Hour

// Errors of pins.
var (
	ErrNotPinned = errors.New("it is not pinned here")
	ErrPinsFull  = errors.New("there are as many pins as there may be")
)

// pin is what was said last of an identity: to which workers it is pinned, nil for none.
type pin struct {
	Said
	workers []string
}

// pins are the last words about identities. An identity has one, in either memory.
type pins struct {
	// held are those that were said here, the source "", and those that were said elsewhere, by their proxies' names:
	// of either there are [Config.HintMax]. None is ever out of date.
	held memory[string, pin]
	// ended are all of one source, so that the longest known goes.
	ended memory[string, pin]
}

func (p *pins) configure(most int, now time.Duration) {
	p.held.configure(pinsMost(most, p.held.operators.n), 0, 0, now)
	p.ended.configure(most, 0, unpinnedFor, now)
}

// pinsMost is how many pins are held where so many were said here: nobody is unpinned by a bound that has become lower.
func pinsMost(most, here int) int { return most + max(most, here) }

// last is what was said last of an identity, the zero one for nothing.
func (p *pins) last(identity string, now time.Duration) pin {
	if is, pinned := p.held.get(identity, now); pinned {
		return is
	}
	is, _ := p.ended.get(identity, now)
	return is
}

// put has a word be the last about an identity.
func (p *pins) put(identity string, is pin, source string, now time.Duration) {
	to, from := &p.held, &p.ended
	if is.workers == nil {
		to, from, source = from, to, "ended"
	}
	from.remove(identity, now)
	to.put(identity, is, source, false, now)
}

// room says whether one more may be said here of an identity.
func (p *pins) room(identity string, most int) bool {
	x := p.held.items[identity]
	return x != nil && x.source == "" || p.held.operators.n < most
}

// pinSteering is a pin as a word.
func pinSteering(identity string, is pin) Steering {
	return Steering{Identity: identity, Register: RegisterPin, Workers: strings.Join(is.workers, ","), Said: is.Said}
}

// pin is that of a word.
func (s *Steering) pin() (is pin) {
	if is.Said = s.Said; s.Workers != "" {
		is.workers = strings.Split(s.Workers, ",")
	}
	return is
}

// setPin has an operator's word about a pin count, who has said it here. A pin that is ended for this table only is
// forgotten where there are no others whose word could come.
func (t *Table) setPin(s *Steering) error {
	is := s.pin()
	_, pinned := t.pins.held.get(s.Identity, t.now)
	switch {
	case s.Identity == "":
		return fmt.Errorf("%w: a pin is of an identity", ErrWorkerConfig)
	case is.workers != nil && !t.pins.room(s.Identity, t.cfg.HintMax):
		return fmt.Errorf("%w: %s", ErrPinsFull, s.Identity)
	case is.workers == nil && !is.Everywhere && !pinned:
		return fmt.Errorf("%w: %s", ErrNotPinned, s.Identity)
	case is.workers == nil && !t.cfg.asksWho():
		t.pins.held.remove(s.Identity, t.now)
	default:
		t.heldPin(s, "")
	}
	return nil
}

// heldPin holds the last word about a pin. What others know of that identity may be something else.
func (t *Table) heldPin(s *Steering, source string) {
	t.pins.put(s.Identity, s.pin(), source, t.now)
	t.revision++
}

// heedPin has a word count that was said everywhere, elsewhere, if it is the last that was heard.
func (t *Table) heedPin(s *Steering) (heeded bool) {
	if !t.cfg.asksWho() || s.Identity == "" || s.By == "" || !s.After(t.pins.last(s.Identity, t.now).Stamp) {
		return false
	}
	t.heldPin(s, s.By)
	return true
}

// awaitsPin notes that a client waits, of whose identity others may say something meanwhile.
func (t *Table) awaitsPin(p *Peer) {
	if p.identity != nil && t.cfg.asksWho() {
		t.revision++
	}
}

// mostAwaited bounds the clients that wait and of which [Table.SaidOfIdentities] tells: those who are served first.
const mostAwaited = 4096

// SaidOfIdentities lists the last words about identities, those after the first skip ones and most at most: pins, pins that were
// ended, and a word with an empty stamp about other identities that clients have who wait. What comes and goes
// between two pages may shift them.
func (t *Table) SaidOfIdentities(now time.Duration, skip, most int) (page []Steering, more bool) {
	t.at(now)
	add := func(identity string, is pin) bool {
		if skip > 0 {
			skip--
			return true
		}
		if more = len(page) == most; !more {
			page = append(page, pinSteering(identity, is))
		}
		return !more
	}
	for _, m := range [...]*memory[string, pin]{&t.pins.held, &t.pins.ended} {
		if m.each(t.now, func(name string, is pin, _ time.Duration) bool { return add(name, is) }); more {
			return page, more
		}
	}
	if !t.cfg.asksWho() {
		return page, false
	}
	waiting := 0
	t.queue.each(func(p *Peer) bool {
		waiting++
		if p.identity == nil || t.pins.last(p.identity.name, t.now).At > 0 {
			return waiting < mostAwaited
		}
		return add(p.identity.name, pin{}) && waiting < mostAwaited
	})
	return page, more
}

// everywhere is the word that pins an identity, if it was said for all tables.
func (p pin) everywhere(identity string) []Steering {
	if p.workers == nil || !p.Everywhere {
		return nil
	}
	return []Steering{pinSteering(identity, p)}
}
