package pairing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Pairs are persistent, so a worker that is added gets new clients only, and an
// identity that came to a fallback stays there. Moving ends pairs, with the reason
// [Moved], so that their clients connect again and come to another worker: when an
// operator says so ([Table.Rebalance]), or when a worker is back that an identity
// prefers ([Config.Failback]). It is spread over time, and what is under way is
// checked against the present at each step: nothing is ended that need not be.

const (
	// moveEvery is how often something is moved, a few pairs at a time.
	moveEvery = 100 * time.Millisecond
	// returnWithin is how long those whose pairs a rebalance has ended are expected: libzmq's
	// usual intervals are far below it, and an application's own retries as a rule.
	returnWithin = time.Minute
	// settleFor is how long a rebalance goes on after its last end if not all are back: to one of them the
	// worker that it was taken from may be given again, so that another has to go.
	settleFor = 2 * time.Second
	// stuckAfter is for how long a rebalance waits in which nobody can be moved: while workers are away for
	// a moment, or busy with handshakes that may come to nothing.
	stuckAfter = time.Minute
	// mostLooks bounds how many pairs are looked at in vain in a step.
	mostLooks = 1000
	// MaxMoveRate bounds [Rebalance.Rate].
	MaxMoveRate = 10_000
)

// moves is what is being moved.
type moves struct {
	next      time.Duration // when the next step is due, while something is
	rebalance *rebalance    // nil: none is under way
	last      Rebalancing   // of the one that is, or was
	over      *Rebalancing  // the last that is over, until somebody asks for it
	away      int           // clients whose pairs were ended and who are not back yet
	awaited   time.Duration // until when
	back      []failback    // workers that are back, the longest first
}

// rebalance is one that is under way.
type rebalance struct {
	Rebalance
	owed  float64 // pairs that the rate allows by now
	over  []*overloaded
	among []string      // the workers, by name
	moved time.Duration // when a pair was ended last, or none could be expected to be
	ended time.Duration // when a pair was ended last
}

// overloaded is a worker that has more pairs than its share.
type overloaded struct {
	worker *worker
	ends   int         // how many of its pairs may be ended still
	pairs  []candidate // the longest idle first
}

type candidate struct {
	client PeerID
	stray  bool          // it has another worker in another table of the group
	active time.Duration // when bytes last passed
	again  bool          // it has been put off once, because it was not idle any more
}

// Rebalance is what an operator asks for.
type Rebalance struct {
	// Worker of which pairs are ended, "" for all that have more than their share.
	Worker string
	// Rate is how many pairs are ended in a second, above 0 and up to [MaxMoveRate].
	Rate float64
	// DryRun only says what would be done.
	DryRun bool
}

// RebalanceState is what has become of a rebalance.
type RebalanceState uint8

// The states of a rebalance.
const (
	RebalancePlanned     RebalanceState = iota // it was a dry run
	RebalanceRunning                           // it is under way
	RebalanceDone                              // nothing is left that could be ended, and need be
	RebalanceStopped                           // by [Table.StopRebalance]
	RebalanceReplaced                          // by another
	RebalanceInterrupted                       // a worker was drained, the table takes nobody any more, or nobody could be moved for a minute
)

var rebalanceStates = [...]string{"planned", "running", "done", "stopped", "replaced", "interrupted"}

// String is the state in lower case.
func (s RebalanceState) String() string {
	if int(s) < len(rebalanceStates) {
		return rebalanceStates[s]
	}
	return fmt.Sprintf("rebalance(%d)", uint8(s))
}

// Rebalancing tells of a rebalance.
type Rebalancing struct {
	Rebalance
	State   RebalanceState
	Workers []WorkerBalance // by name, as they were when it began
	Planned int             // pairs to end
	Ended   int             // of these
	Took    time.Duration   // until now, or until it ended
	began   time.Duration
}

// Left is how many pairs it may end still.
func (r *Rebalancing) Left() int {
	if r.State != RebalanceRunning {
		return 0
	}
	return r.Planned - r.Ended
}

// WorkerBalance is a worker's part in a rebalance.
type WorkerBalance struct {
	Worker string
	Pairs  int // that it has, dials included
	Share  int // that it should have, by weight, its maximum and its slots
	Ends   int // of its pairs, to be ended
}

// Rebalance begins to end pairs of workers that have more than their share, the
// longest idle first, and takes the place of one that is under way. Pairs whose
// clients would come back to the same worker, because they prefer it or hash to it,
// are left alone; an affinity is forgotten. Those that have more than their share
// because they are not ready have none, and are left alone, too. When a worker is
// drained or put in maintenance it ends, since that is not what it was asked for in.
// Errors: [ErrNoWorker], and [ErrWorkerConfig] for a rate out of range.
func (t *Table) Rebalance(now time.Duration, r Rebalance) (Rebalancing, []Action, error) {
	t.begin(now)
	if r.Worker != "" {
		if _, err := t.lookup(r.Worker); err != nil {
			return Rebalancing{}, t.finish(), err
		}
	}
	if !(r.Rate > 0 && r.Rate <= MaxMoveRate) {
		return Rebalancing{}, t.finish(), fmt.Errorf("%w: a rate of %v is not above 0 and up to %d", ErrWorkerConfig, r.Rate, MaxMoveRate)
	}
	told := Rebalancing{Rebalance: r, began: t.now}
	run := &rebalance{Rebalance: r, moved: t.now}
	for w, share := range t.shares(inFull, everybody) {
		run.among = append(run.among, w.name)
		b := WorkerBalance{Worker: w.name, Pairs: w.load(), Share: share}
		if r.Worker == "" || r.Worker == w.name {
			if over := w.load() - share; over > 0 {
				o := &overloaded{worker: w, ends: over, pairs: t.movable(w)}
				o.ends = min(o.ends, len(o.pairs))
				b.Ends = o.ends
				run.over = append(run.over, o)
			}
		}
		told.Planned += b.Ends
		told.Workers = append(told.Workers, b)
	}
	slices.SortFunc(told.Workers, func(a, b WorkerBalance) int { return cmp.Compare(a.Worker, b.Worker) })
	slices.SortFunc(run.over, func(a, b *overloaded) int { return cmp.Compare(a.worker.name, b.worker.name) })
	if r.DryRun {
		return told, t.finish(), nil
	}
	t.endRebalance(RebalanceReplaced)
	told.State = RebalanceDone
	if told.Planned > 0 && t.refuse == NoReason {
		told.State = RebalanceRunning
		t.moves.rebalance = run
		t.move(t.now)
	}
	t.moves.last = told
	return told, t.finish(), nil
}

// StopRebalance ends what [Table.Rebalance] began, and says whether something was
// under way.
func (t *Table) StopRebalance(now time.Duration) bool {
	t.at(now)
	was := t.moves.rebalance != nil
	t.endRebalance(RebalanceStopped)
	return was
}

// Rebalancing tells of the rebalance that is under way, or else of the last; false
// when there never was one.
func (t *Table) Rebalancing(now time.Duration) (Rebalancing, bool) {
	t.at(now)
	r := t.moves.last
	if r.State == RebalanceRunning {
		r.Took = t.now - r.began
	}
	r.Workers = slices.Clone(r.Workers)
	return r, r.Rate > 0
}

// Rebalanced is the last rebalance that is over and that nobody has asked for yet;
// false when there is none. One that had nothing to do was never under way.
func (t *Table) Rebalanced() (Rebalancing, bool) {
	over := t.moves.over
	if over == nil {
		return Rebalancing{}, false
	}
	t.moves.over = nil
	return *over, true
}

// endRebalance ends the one that is under way, if one is.
func (t *Table) endRebalance(as RebalanceState) {
	if t.moves.rebalance == nil {
		return
	}
	t.moves.rebalance = nil
	last := &t.moves.last
	last.State, last.Took = as, t.now-last.began
	over := *last
	t.moves.over = &over
}

// movable are the pairs of a worker whose clients would come to another one, those that
// have another one already in their group before the others, and the longest idle first.
func (t *Table) movable(w *worker) (all []candidate) {
	for s := w.paired.head; s != nil; s = s.next {
		if c := s.owner.partner; t.leavesIt(c) {
			all = append(all, candidate{client: c.ID, stray: t.strays(c), active: t.lastActive(c)})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		if a.stray != b.stray {
			return 2*tally(new(bool), b.stray) - 1
		}
		return cmp.Or(cmp.Compare(a.active, b.active), cmp.Compare(a.client, b.client))
	})
	return all
}

// strays says whether a client has another worker in another table of the group.
func (t *Table) strays(c *Peer) bool {
	key, ok := t.affinityKey(c)
	if !ok || t.habits.group == nil {
		return false
	}
	has, known := t.habits.get(key, t.now)
	return known && has != c.worker.name
}

// leavesIt says whether a client would come to another worker if its pair ended.
func (t *Table) leavesIt(c *Peer) bool {
	switch {
	case c.state != PeerOpen || c.rule == ByPreference || t.choosable == 0:
		return false
	case t.hashes(c):
		return t.rendezvous(c) != c.worker
	default:
		return true
	}
}

// lastActive is when bytes last passed on a pair, as far as the table knows.
func (t *Table) lastActive(c *Peer) time.Duration {
	switch {
	case t.activity != nil:
		return t.activity(c.Conn)
	case c.span.in == &t.leases.idles.list:
		return c.span.since
	default:
		return c.paired
	}
}

func (t *Table) moveDeadline() (time.Duration, bool) {
	return t.moves.next, t.moves.rebalance != nil || len(t.moves.back) > 0
}

// moveDue does a step of what is being moved if it is time to.
func (t *Table) moveDue() {
	if at, ok := t.moveDeadline(); ok && t.now >= at {
		t.step()
	}
}

// move has the next step be at a time.
func (t *Table) move(at time.Duration) {
	if next, ok := t.moveDeadline(); !ok || at < next || t.moves.next < t.now {
		t.moves.next = at
	}
}

func (t *Table) step() {
	t.moves.next = t.now + moveEvery
	if r := t.moves.rebalance; r != nil {
		r.owed = min(r.owed+r.Rate*moveEvery.Seconds(), max(r.Rate, 1))
		// Whom a worker that begins slowly does not take yet would come back, and has to wait.
		shares := t.shares(byNow, everybody)
		for looks := mostLooks; r.owed >= 1 && t.endOne(r, shares, &looks); {
			r.owed--
			r.moved, r.ended = t.now, t.now
		}
		if r.owed < 1 || t.warming.first() != nil {
			r.moved = t.now
		}
		switch {
		case !t.unfinished(r):
			t.endRebalance(RebalanceDone)
		case t.now-r.moved >= stuckAfter:
			t.endRebalance(RebalanceInterrupted)
		}
	}
	t.stepBack()
}

// unfinished says whether a worker has more than its share, or may have when another is back that is away
// for a moment. Who shakes hands does not count: those that bad clients begin would hide it.
func (t *Table) unfinished(r *rebalance) bool {
	if t.expected() > 0 && t.now-r.ended < settleFor {
		return true
	}
	if !slices.ContainsFunc(r.over, (*overloaded).able) {
		return false
	}
	for _, name := range r.among {
		if w := t.workers[name]; w != nil && !w.removed && w.state == Ready && !w.ready {
			return true
		}
	}
	shares := t.shares(inFull, opened)
	return slices.ContainsFunc(r.over, func(o *overloaded) bool { return o.left(shares, opened) })
}

// able says whether a worker has pairs that may be ended.
func (o *overloaded) able() bool { return o.ends > 0 && len(o.pairs) > 0 }

// left says whether a worker has a pair that may be ended, and more than its share.
func (o *overloaded) left(shares map[*worker]int, of count) bool {
	share, ready := shares[o.worker]
	return ready && o.able() && of(o.worker) > share
}

// endOne ends one pair of the worker that is the most above its share. Whose client would come back to it
// as things are is put off: nobody else may be choosable for a moment.
func (t *Table) endOne(r *rebalance, shares map[*worker]int, looks *int) bool {
	for t.choosable > 0 && *looks > 0 {
		var most *overloaded
		for _, o := range r.over {
			if o.left(shares, everybody) && (most == nil || o.worker.load()-shares[o.worker] > most.worker.load()-shares[most.worker]) {
				most = o
			}
		}
		if most == nil {
			return false
		}
		one := most.pairs[0]
		most.pairs = most.pairs[1:]
		c := t.index.get(one.client)
		if c == nil || !c.client || c.worker != most.worker || c.state != PeerOpen || c.rule == ByPreference {
			continue
		}
		if !t.leavesIt(c) {
			most.pairs = append(most.pairs, one)
			*looks--
			continue
		}
		if active := t.lastActive(c); active > one.active && !one.again {
			most.pairs = append(most.pairs, candidate{one.client, one.stray, active, true})
			continue
		}
		most.ends--
		t.moves.last.Ended++
		t.moves.away++
		t.moves.awaited = t.now + returnWithin
		if key, ok := t.affinityKey(c); ok {
			t.habits.forget(key, c.worker.name, t.now)
			t.pass(key, "")
		}
		t.endPair(c, Moved)
		return true
	}
	return false
}

// expected is how many clients are to come back whose pairs a rebalance has ended.
func (t *Table) expected() int {
	if t.now >= t.moves.awaited {
		return 0
	}
	return t.moves.away
}

// rehouses says whether the table gives whoever comes the least loaded worker, because somebody is
// expected back: by chance, or in turn, the worker that was to be relieved would have many of them again.
func (t *Table) rehouses() bool { return t.expected() > 0 && !t.policy.seated }

// cameBack notes that somebody has been served who may be one of those that are expected. Those who
// fail are not counted, or a few of them would use up what is kept for the others.
func (t *Table) cameBack(c *Peer) {
	if t.moves.away == 0 || c.rule == ByPreference {
		return
	}
	t.moves.away--
	if r := t.moves.rebalance; r != nil {
		t.goesAgain(r, c)
	}
}

// goesAgain has a rebalance end one pair more of a worker that is to be relieved and has been given
// somebody all the same: because pairs of the other failed, see explores.
func (t *Table) goesAgain(r *rebalance, c *Peer) {
	for _, o := range r.over {
		if o.worker == c.worker && t.leavesIt(c) {
			o.ends++
			o.pairs = append(o.pairs, candidate{client: c.ID, active: t.now})
			t.moves.last.Planned++
		}
	}
}
