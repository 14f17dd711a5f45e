package pairing

import (
	"cmp"
	"fmt"
	"time"
)

// What an operator says of a worker counts in this table, or in all tables, of other processes as
// well, that have a worker of that name: everywhere. They need not hear of it in the order in which
// it was said, or only once, and agree all the same: of each register of a worker, or of an identity (pin.go), the word with the
// latest stamp counts, wherever and whenever it is heard (a last-writer-wins register). What is said
// for one table only has a stamp, too, so that an earlier word that comes late does not undo it.

// Register is one thing about a worker, or an identity, that operators say.
type Register uint8

// The registers of a worker, and what their values are.
const (
	RegisterState    Register = iota // [Ready], [Draining] or [Maintenance]
	RegisterWeight                   // 1 to [MaxWeight]
	RegisterMaxPairs                 // 0, for no limit, to [MostPairs]
	registerCount
)

// NumRegisters is how many a worker has.
const NumRegisters = int(registerCount)

// RegisterPin is the register of an identity: to which workers it is pinned.
const RegisterPin = registerCount

var registerNames = [registerCount]string{"state", "weight", "max"}

// String is the register in lower case.
func (r Register) String() string {
	switch {
	case r < registerCount:
		return registerNames[r]
	case r == RegisterPin:
		return "pin"
	}
	return fmt.Sprintf("register(%d)", uint8(r))
}

// MostPairs is the greatest maximum of a worker's pairs that an operator can say: far above what any
// machine has descriptors for.
const MostPairs = 1 << 24

// Stamp says when something was said, and in which process. Of words with one stamp there is one.
type Stamp struct {
	At int64  // in milliseconds since 1970 by the clock of By, or later; 0 for never
	By string // the process's name among all
}

// After says whether a word counts rather than another.
func (s Stamp) After(o Stamp) bool {
	return cmp.Or(cmp.Compare(s.At, o.At), cmp.Compare(s.By, o.By)) > 0
}

// Said is what was said last of a register.
type Said struct {
	Stamp
	Value      int
	Everywhere bool // else it counts in this table only
}

// Steering is a word about a worker, or an identity.
type Steering struct {
	Worker   string // "" where it is about an identity
	Register Register
	Said
	// Identity, of [RegisterPin], which has no Value, and the names of Workers to which it is pinned, in their order and with
	// commas between; "" for none, and it is pinned no more.
	Identity, Workers string
}

// Text is the value in words.
func (s *Steering) Text() string {
	switch s.Register {
	case RegisterState:
		return State(s.Value).String()
	case RegisterPin:
		return s.Workers
	}
	return fmt.Sprint(s.Value)
}

// Steer has a word of an operator count, who has just said it here: whatever its stamp is, it is
// after what was heard before, which the returned one tells. Errors: [ErrNoWorker], [ErrWorkerConfig], [ErrNotPinned], and [ErrPinsFull].
func (t *Table) Steer(now time.Duration, s Steering) (Steering, []Action, error) {
	if s.Register == RegisterPin {
		t.begin(now)
		s.At = max(s.At, t.pins.last(s.Identity, t.now).At+1)
		err := t.setPin(&s)
		return s, t.finish(), err
	}
	if w := t.workers[s.Worker]; w != nil && s.Register < registerCount {
		s.At = max(s.At, w.said[s.Register].At+1)
	}
	actions, err := t.steer(now, s)
	return s, actions, err
}

// Heed has a word count that was said everywhere, in another table or in an earlier life of this one,
// unless a later one was heard: then heeded is false. Errors: [ErrNoWorker], [ErrWorkerConfig].
func (t *Table) Heed(now time.Duration, s Steering) (heeded bool, actions []Action, err error) {
	if s.Register == RegisterPin {
		t.begin(now)
		heeded = t.heedPin(&s)
		return heeded, t.finish(), nil
	}
	if w := t.workers[s.Worker]; w != nil && s.Register < registerCount && !s.After(w.said[s.Register].Stamp) {
		return false, nil, nil
	}
	actions, err = t.steer(now, s)
	return err == nil, actions, err
}

func (t *Table) steer(now time.Duration, s Steering) ([]Action, error) {
	w, err := t.lookup(s.Worker)
	if err != nil || s.Register >= registerCount {
		t.begin(now)
		return t.finish(), cmp.Or(err, fmt.Errorf("%w: %s: %s cannot be set", ErrWorkerConfig, s.Worker, s.Register))
	}
	was, kept := w.said[s.Register], w.kept
	// Forgotten, with the word that is for here only, it would hear the earlier one again when it is back.
	w.said[s.Register], w.kept = s.Said, kept || was.Everywhere && !s.Everywhere
	actions, err := t.set(now, &s)
	if err != nil {
		w.said[s.Register], w.kept = was, kept
	}
	return actions, err
}

func (t *Table) set(now time.Duration, s *Steering) ([]Action, error) {
	switch s.Register {
	case RegisterState:
		if s.Value < 0 || s.Value > int(Maintenance) {
			t.begin(now)
			return t.finish(), fmt.Errorf("%w: %s: state %d cannot be set", ErrWorkerConfig, s.Worker, s.Value)
		}
		return t.SetWorkerState(now, s.Worker, State(s.Value))
	case RegisterWeight:
		return t.SetWeight(now, s.Worker, s.Value)
	default:
		return t.SetMaxPairs(now, s.Worker, s.Value)
	}
}

// unsay forgets what was said of a worker, which begins anew: what was said everywhere counts when it is heard again.
func (w *worker) unsay() { w.said = [registerCount]Said{} }

// Said lists the last words about all workers, those of which nothing was said excepted unless all is set: then
// there is a word with an empty stamp for each of their registers.
func (t *Table) Said(all bool) (words []Steering) {
	for _, w := range t.workers {
		if w.removed {
			continue
		}
		for r, said := range w.said {
			if all || said.At > 0 {
				words = append(words, Steering{Worker: w.name, Register: Register(r), Said: said})
			}
		}
	}
	return words
}

// everywhere are the words that count of a worker and were said for all tables.
func (w *worker) everywhere() (words []Steering) {
	for r, said := range w.said {
		if said.Everywhere {
			words = append(words, Steering{Worker: w.name, Register: Register(r), Said: said})
		}
	}
	return words
}

// Revision is another one when there is something of which others may have said something: a worker, a pin, or a client that
// waits with an identity.
func (t *Table) Revision() uint64 { return t.revision }
