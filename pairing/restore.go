package pairing

import (
	"container/heap"
	"errors"
	"fmt"
	"time"
)

// ErrSaved says that what was written down cannot be taken over.
var ErrSaved = errors.New("the state cannot be taken over")

// Restore has a table that [New] has made, and that may have joined a group, go on where
// the one was that wrote s down, by that one's configuration and time. conns are the
// caller's handles of s.Peers.Peers. A group remembers again by [Group.Restore], after all of
// its tables. The error is an [ErrSaved]; the table is of no use then.
func (t *Table) Restore(s *Saved, conns []any) error {
	t.at(s.Now)
	t.habits.joined = s.Joined
	t.configure(s.Config)
	t.queue.last = s.LastPlace
	t.told, t.outcomes = s.Told, outcomes{s.Outcomes[0], s.Outcomes[1]}
	if err := t.restoreWorkers(s); err != nil {
		return fmt.Errorf("%w: %w", ErrSaved, err)
	}
	if err := t.restorePeers(&s.Peers, conns); err != nil {
		return fmt.Errorf("%w: %w", ErrSaved, err)
	}
	if err := errors.Join(t.AddCounters(&s.Counters), t.restoreWhoFailed(s)); err != nil {
		return fmt.Errorf("%w: %w", ErrSaved, err)
	}
	t.restoreChoice(s)
	t.restoreMemory(s)
	t.restoreMoves(&s.Moves)
	t.lostHint = s.LostHint
	for side := range s.Arrivals {
		a := &t.arrivals[side]
		a.n = s.Arrivals[side].N
		for i, x := range s.Arrivals[side].Ring[:min(arrivalsMax, len(s.Arrivals[side].Ring))] {
			a.ring[i] = arrival{x.ID, x.From, x.At}
		}
	}
	return nil
}

// restoreWorkers makes workers known. They are put where they belong when their connections are there.
func (t *Table) restoreWorkers(s *Saved) error {
	for i := range s.Workers {
		is := &s.Workers[i]
		state, err := wordOf[State]("state", stateNames[:SetAside], is.State)
		if err != nil {
			return err
		}
		if t.workers[is.Name] != nil || is.Name == "" || is.Weight < 1 || is.Weight > MaxWeight || is.Sixteenths < 1 || is.Sixteenths > warmSteps {
			return fmt.Errorf("%w: %q", ErrWorkerConfig, is.Name)
		}
		w := t.newWorker(is.Name, is.Weight, is.Max)
		w.endpoint, w.source, w.maxHandshakes, w.state = is.Endpoint, is.Source, is.MaxHandshakes, state
		w.listed, w.kept, w.removed, w.awaited, w.returning = is.Listed, is.Kept, is.Removed, is.Awaited, is.Returning
		w.attempt, w.retryAt, w.portless = is.Attempt, is.RetryAt, is.Portless
		w.opened, w.failed = is.Opened, is.Failed
		w.streak.length, w.streak.others = is.Streak.Length, outcomes{is.Streak.Opened, is.Streak.Failed}
		for _, k := range is.Streak.Names {
			w.streak.names = append(w.streak.names, affinityKey{k.Source, k.Name})
		}
		w.failures, w.served, w.lost, w.dialTime = is.Failures, is.Served, is.Lost, is.DialTime
		w.warmth.sixteenths, w.warmth.from, w.wasHere = is.Sixteenths, is.WarmFrom, is.WasHere
		w.ready, w.empty, w.elsewhere = is.Ready, is.Empty, bounded(is.Elsewhere)
		for _, said := range is.Said {
			r, err := wordOf[Register]("register", registerNames[:], said.Register)
			if err != nil {
				return err
			}
			w.said[r] = said.Said
		}
		t.restoreTimers(w, is)
	}
	return nil
}

func (t *Table) restoreTimers(w *worker, is *SavedWorker) {
	if w.portless {
		t.portless.resume(&w.ports, is.PortlessSince)
	}
	if w.streak.length > 0 {
		t.streaks.resume(&w.streak.timer, is.Streak.Since)
	}
	if is.Loser {
		t.losers.resume(&w.loser, is.LostSince)
	}
	if w.warmth.sixteenths < warmSteps {
		t.warming.resume(&w.warmth.timer, is.WarmAt)
	}
	if is.ComesBack {
		t.failbacks.resume(&w.comeback, is.BackSince)
	}
	switch {
	case is.Ejected:
		w.ejected = true
		heap.Push(&t.ejected, w)
	case is.Failing:
		w.failing, w.probing = true, is.Probing
		if !w.probing {
			heap.Push(&t.retries, w)
		}
	}
}

// resume puts x in where it belongs by when it was put in first.
func (q *expiry[T]) resume(x *node[T], since time.Duration) {
	x.leave()
	x.since = since
	after := q.tail
	for after != nil && after.since > since {
		after = after.prev
	}
	q.insert(x, after)
}

// restoreChoice puts workers where they belong, in the order of their classes.
func (t *Table) restoreChoice(s *Saved) {
	for _, c := range s.Classes {
		for _, name := range c.Members {
			if w := t.workers[name]; w != nil {
				t.place(w)
			}
		}
	}
	for i := range s.Workers {
		if w := t.workers[s.Workers[i].Name]; w != nil {
			t.place(w)
		}
	}
	for _, saved := range s.Classes {
		c := t.classOf(saved.Weight)
		c.credit, c.turn = saved.Credit, saved.Turn
		for _, name := range saved.ByLoad {
			if w := t.workers[name]; w != nil && w.at >= 0 && w.class == c {
				c.loads.remove(w, w.filed)
				c.loads.put(w, w.filed)
			}
		}
	}
	for i := range s.Departed {
		d := &s.Departed[i]
		t.departed.Add(d.Name, departed{d.Since, d.Returning, d.Failures, d.Served, d.Lost})
	}
}

func (t *Table) restoreWhoFailed(s *Saved) error {
	for i := range s.Failing {
		is := &s.Failing[i]
		f := &failing{since: is.Since, last: is.Last, recent: is.Recent, inRow: is.InRow, with: is.With, several: is.Several, told: is.Told, hint: is.Hint}
		for word, n := range is.Counts {
			r, err := wordOf[Reason]("reason", reasonNames[:], word)
			if err != nil {
				return err
			}
			f.counts[r] = uint32(n)
		}
		t.failing.Add(is.Address, f)
	}
	for _, is := range s.Shrunk {
		t.shrunk.Add(is.Name, is.At)
	}
	for _, is := range s.Costly {
		t.costly.Add(is.Address, costly{is.Slots, is.Last, is.Until})
	}
	for i := range s.Owed {
		kind, err := wordOf[owedKind]("kind", owedNames[:], s.Owed[i].Kind)
		if err != nil {
			return err
		}
		t.owes(kind, s.Owed[i].Slot, s.Owed[i].Since)
	}
	for _, is := range s.Owing {
		if of := t.owing[is.Name]; of != nil {
			of.last = is.At
		}
	}
	t.lostSlots = append(t.lostSlots, s.LostSlots...)
	for i, is := range s.Wishes[:min(len(t.wishes), len(s.Wishes))] {
		t.wishes[i] = wish{is.Name, is.At, true}
	}
	return nil
}

// owes notes what a worker owes since a time.
func (t *Table) owes(kind owedKind, slot LostSlot, since time.Duration) {
	o := &owed{kind: kind, slot: slot}
	o.of = t.owing[slot.Worker]
	if o.of == nil {
		o.of = &owing{worker: slot.Worker}
		t.owing[slot.Worker] = o.of
	}
	o.timer.owner, o.place.owner = o, o
	o.of.n++
	o.of.byKind[kind].pushBack(&o.place)
	t.awaited.resume(&o.timer, since)
}

func (t *Table) restoreMoves(s *SavedMoves) {
	m := &t.moves
	m.next, m.away, m.awaited = s.Next, s.Away, s.Awaited
	m.last = s.Last.Rebalancing
	m.last.began = s.Last.Began
	if s.Over != nil {
		over := s.Over.Rebalancing
		over.began = s.Over.Began
		m.over = &over
	}
	for _, b := range s.Back {
		if w := t.workers[b.Worker]; w != nil {
			m.back = append(m.back, failback{w, b.After})
		}
	}
	if s.Rebalance == nil {
		return
	}
	m.rebalance = &rebalance{
		Rebalance: s.Rebalance.Rebalance, owed: s.Rebalance.Owed, among: s.Rebalance.Among,
		moved: s.Rebalance.Moved, ended: s.Rebalance.Ended,
	}
	for _, o := range s.Rebalance.Over {
		one := &overloaded{worker: t.workers[o.Worker], ends: o.Ends}
		if one.worker == nil {
			one.worker = &worker{name: o.Worker}
		}
		for _, c := range o.Pairs {
			one.pairs = append(one.pairs, candidate{c.Client, c.Stray, c.Active, c.Again})
		}
		m.rebalance.over = append(m.rebalance.over, one)
	}
}
