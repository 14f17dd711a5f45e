package pairing

import (
	"cmp"
	"slices"
	"time"
)

// Which addresses fail, and how often: for whoever operates the proxy, and so
// that a client known to fail everywhere is not held against a worker.
const (
	failingMax = 1024 // addresses; the one that has not failed for longest goes first
	failingFor = 10 * time.Minute
)

// failing is an address whose clients fail.
type failing struct {
	since, last time.Duration
	counts      [NumReasons]uint32 // since since
	recent      uint32             // since [Table.FailedSince] was called last
	inRow       int                // pairs that failed since one opened
	with        string             // the worker at which the first of them did
	several     bool               // they failed at others, too
	told        uint64             // the table's, when one failed last
	hint        string             // of the last failure that has one
}

// Failing is an address whose clients end without having been served.
type Failing struct {
	Address string
	// Reason of most of these ends, of which there were Count, the first of them
	// First ago and the last Last ago.
	Reason      Reason
	Count       uint64
	First, Last time.Duration
	// Hint is what the last of them that means something usually means, see [Table.AskHint].
	Hint string
}

// Failed sums up the clients that have ended without having been served.
type Failed struct {
	Count     uint64
	Reasons   [NumReasons]uint64
	Addresses int       // how many they came from; those forgotten meanwhile do not count
	Worst     []Failing // of these, those with the most failures first
}

// Failing lists the addresses whose clients fail, those with the most failures
// first, most at most, and how many there are in all. It knows of 1024 addresses,
// and of each for ten minutes after its last failure.
func (t *Table) Failing(now time.Duration, most int) (worst []Failing, all int) {
	t.at(now)
	for _, address := range t.failing.Keys() {
		if f, _ := t.failing.Peek(address); t.now-f.last >= failingFor {
			t.failing.Remove(address)
		} else {
			worst = append(worst, t.tell(address, f))
		}
	}
	return worstOf(worst, most), len(worst)
}

// FailedSince sums up what has failed since it was called last, with the most
// worst addresses; their counts are those of this time, too.
func (t *Table) FailedSince(now time.Duration, most int) Failed {
	t.at(now)
	var sum Failed
	for r, n := range t.stats.failed {
		sum.Reasons[r] = n - t.failedBefore[r]
		sum.Count += sum.Reasons[r]
	}
	t.failedBefore = t.stats.failed
	for _, address := range t.failing.Keys() {
		f, _ := t.failing.Peek(address)
		if f.recent == 0 {
			continue
		}
		told := t.tell(address, f)
		told.Count, f.recent = uint64(f.recent), 0
		sum.Worst = append(sum.Worst, told)
	}
	sum.Addresses = len(sum.Worst)
	sum.Worst = worstOf(sum.Worst, most)
	return sum
}

// failingAt is what [Table.Failing] tells of one address, nil for nothing.
func (t *Table) failingAt(address string) *Failing {
	f, ok := t.failing.Peek(address)
	if !ok || t.now-f.last >= failingFor {
		return nil
	}
	told := t.tell(address, f)
	return &told
}

func worstOf(all []Failing, most int) []Failing {
	slices.SortStableFunc(all, func(a, b Failing) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Address, b.Address))
	})
	return all[:min(len(all), most)]
}

func (t *Table) tell(address string, f *failing) Failing {
	told := Failing{Address: address, First: t.now - f.since, Last: t.now - f.last, Hint: f.hint}
	for r, n := range f.counts {
		told.Count += uint64(n)
		if n > f.counts[told.Reason] {
			told.Reason = Reason(r)
		}
	}
	return told
}

// unserved says whether a client that ended so, and whose pair never opened, has
// failed. It has not if it left by itself before it had a worker, or said nothing, nor if an
// operator or the proxy's end sent it away.
func unserved(c *Peer, why Reason) bool {
	switch why {
	case Kicked, Drained, Moved, Shutdown, ProbeOnly:
		return false
	case ClientClosed, ClientReset:
		return c.inPair()
	default:
		return true
	}
}

// AskHint has the table ask, by a client's connection, what it usually means that the client
// ended so; "" for nothing. [Table.Failing] and [Table.Explain] tell it.
func (t *Table) AskHint(hint func(conn any, why Reason) string) { t.hint = hint }

// countFailure takes note of a client that has ended without having been served.
func (t *Table) countFailure(c *Peer, why Reason) {
	if c.wasOpen || !unserved(c, why) {
		return
	}
	t.stats.failed[why]++
	if f := t.failingFrom(c.origin.Address); f != nil {
		f.last = t.now
		f.counts[why]++
		f.recent++
		f.learn(t.hint, c, why)
	}
}

// learn keeps the hint of a failure.
func (f *failing) learn(ask func(any, Reason) string, c *Peer, why Reason) {
	if ask == nil {
		return
	}
	if hint := ask(c.Conn, why); hint != "" {
		f.hint = hint
	}
}

// failingFrom is what is kept of an address, made if there is nothing; nil where
// nobody can tell who comes from there.
func (t *Table) failingFrom(address string) *failing {
	if address == "" {
		return nil
	}
	if f, ok := t.failing.Get(address); ok && t.now-f.last < failingFor {
		return f
	}
	f := &failing{since: t.now, last: t.now}
	t.failing.Add(address, f)
	return f
}

// An address whose clients always fail says nothing of workers. But if it is the
// only one, and be it because all are behind one address, it is all there is to
// learn from. So its failures count as long as nobody else's pairs tell anything.

// tellsUpTo is how many pairs in a row of an address may fail until it is one
// whose clients always fail, if it was at more than one worker: at a broken one
// alone good ones fail as well. When a pair from there opens that begins anew.
const tellsUpTo = 4

// tells takes note that a pair of a client failed, and says whether that may be
// its worker's fault.
func (t *Table) tells(c *Peer) bool {
	f := t.failingFrom(c.origin.Address)
	if f == nil {
		return true
	}
	known := t.alwaysFails(c.origin.Address)
	f.blame(c, c.rule != ByPolicy || t.hashes(c))
	if !known {
		t.told++
	}
	f.told = t.told
	return !known
}

// blame counts a failure of an address at a worker; bound says that its client would have
// come to no other, so that nobody can ask for more than one.
func (f *failing) blame(c *Peer, bound bool) {
	if f.inRow == 0 {
		f.with = c.worker.name
	}
	f.inRow++
	f.several = f.several || bound || f.with != c.worker.name
}

// alwaysFails says whether nothing is to be learnt from the next client of an address.
func (t *Table) alwaysFails(address string) bool {
	f, ok := t.failing.Peek(address)
	return ok && f.inRow >= tellsUpTo && f.several && f.told != t.told && t.now-f.last < failingFor
}

// servedFrom takes note that a pair of an address has opened.
func (t *Table) servedFrom(address string) {
	t.told++
	if f, ok := t.failing.Peek(address); ok {
		f.inRow, f.with, f.several = 0, "", false
	}
}
