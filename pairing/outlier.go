package pairing

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"
)

// A worker may be broken although it can be dialled: it greets and closes, or
// says nothing more, or has another key. Bad clients look the same: what ends
// before it opens may have either cause. So a worker is not judged by its
// failures but by what the others do meanwhile. Bad clients come to all alike;
// only a worker at which pairs fail while they open elsewhere is an outlier.
//
// A streak is the failures of a worker in a row: pairs that ended before they
// opened, other than by an operator or by the proxy. If chance alone could
// hardly have sent all good clients since it began to the others, and all these
// bad ones to it (see surprise), the worker is ejected: it gets no clients while
// another can take them, for a time that doubles with each ejection in a row
// (Config.RetryMin to Config.RetryMax). Back on trial, it is ejected again for
// a third of the surprise.
//
// As long as nothing opens anywhere nobody is ejected: that is what bad clients
// alone look like, or a fault that all share. Nor does a streak change what a
// worker counts as loaded with, or good clients would be moved by bad ones.
//
// There must be something to compare with, and a broken worker is often the least
// loaded, so that the policy would send it everybody. So some of the clients that
// it would get while it fails are sent elsewhere, by chance (see explores).

// outlierSurprise is the surprise, in bits, at which a worker is ejected: one
// that is as good as the others is, once in 2048 streaks.
const outlierSurprise = 11

// outlierLeast is how long its streak must be, however surprising: a worker that
// gets few of many clients may meet one bad client some times in a row.
const outlierLeast = 5

// surprise is how improbable it is, in bits, that of some clients failed are with
// one worker, and that it was the others who had all the good ones. Whoever the
// bad ones are, and however many: if the worker is as good as the others, each way
// to deal the clients out is as likely as any other, and C(n, opened) of
// C(n+failed, opened) leave it without a good one, of n that the others had.
func surprise(failed uint64, others outcomes) float64 {
	all := float64(others.opened + others.failed)
	return (logFactorial(all+float64(failed)) + logFactorial(float64(others.failed)) -
		logFactorial(all) - logFactorial(float64(others.failed+failed))) / math.Ln2
}

func logFactorial(n float64) float64 {
	l, _ := math.Lgamma(n + 1)
	return l
}

// outlierNames is how many names or addresses of a streak are told apart.
const outlierNames = 16

// outcomes are pairs that opened and that failed.
type outcomes struct{ opened, failed uint64 }

func (o outcomes) minus(p outcomes) outcomes {
	return outcomes{o.opened - p.opened, o.failed - p.failed}
}

// streak is the failures of a worker in a row. The zero value is none.
type streak struct {
	length int
	others outcomes      // what the others had done when it began
	names  []affinityKey // of those in it whom the policy did not send
	timer  node[*worker]
}

// health is what is known of a worker by its pairs.
type health struct {
	outcomes
	streak  streak
	ejected bool // it is in the table's ejected
	spare   bool // as last counted by place
}

// failed takes note that the pair of a client ended before it opened.
func (t *Table) failed(c *Peer, why Reason) {
	w := c.worker
	if !why.telling() || !t.tells(c) {
		return
	}
	if t.attribute(c) {
		s := &w.streak
		if s.length == 0 {
			s.others = t.outcomes.minus(w.outcomes)
		}
		s.length++
		t.streaks.start(&s.timer, t.now)
		w.failed++
		t.outcomes.failed++
	}
	if t.isOutlier(w) { // of one that counts no more, others may have opened since
		t.eject(w)
	}
	t.place(w)
}

// telling says whether a pair that ended so before it opened tells something of
// its worker. It does not if its identity, an operator or the proxy itself ended it.
func (r Reason) telling() bool {
	switch r {
	case HeartbeatExpired, Kicked, Drained, Moved, Shutdown:
		return false
	default:
		return true
	}
}

// attribute says whether a failure is one more of its worker's. Of a client that
// came by what it prefers, had last, or hashes to, it is only once in a streak: a bad
// one would come to the same worker for ever, and no other could be compared with it.
func (t *Table) attribute(c *Peer) bool {
	if c.rule == ByPolicy && !t.hashes(c) {
		return true
	}
	s, key := &c.worker.streak, affinityKey{source: true, name: c.origin.Address}
	if c.identity != nil {
		key = affinityKey{name: c.identity.name}
	}
	if len(s.names) == outlierNames || slices.Contains(s.names, key) {
		return false
	}
	s.names = append(s.names, key)
	return true
}

// isOutlier says whether a worker has failed for too long while others have not,
// and somebody else could take its clients.
func (t *Table) isOutlier(w *worker) bool {
	others := t.choosable
	if w.at >= 0 {
		others--
	}
	least, most := outlierLeast, float64(outlierSurprise)
	if w.attempt > 0 {
		least, most = 2, most/3
	}
	return others > 0 && w.streak.length >= least && surprise(uint64(w.streak.length), t.meanwhile(w)) >= most
}

// meanwhile is what the other workers have done since the streak of w began.
func (t *Table) meanwhile(w *worker) outcomes {
	return t.outcomes.minus(w.outcomes).minus(w.streak.others)
}

// exploreMost is the most of a failing worker's clients that are sent elsewhere: as
// many as it keeps, from which most is learnt for each client that it costs.
const exploreMost = 0.5

// exploreBlind is how many are where nothing makes up for it, as round-robin does not.
const exploreBlind = 0.05

// explores says whether a client that the policy would send to w had better show
// how the others are, because pairs of w fail. Chance decides, so that no pattern in
// which good and bad clients come can send all good ones one way; and it sends the
// others less than their share, so that a policy which goes by load has w make up
// for what is sent elsewhere: bad clients move nobody. Workers of one weight lose
// to each other what they win, by any policy.
func (t *Table) explores(p *Peer, w *worker) bool {
	if w.streak.length == 0 || t.hashes(p) {
		return false
	}
	chance, others := exploreBlind, float64(t.share-w.class.weight)/float64(t.share)
	switch {
	case t.rehouses(): // the others are to be relieved
		chance = min(exploreMost/2, others)
	case t.policy.byLoad || w.class.share() == t.share:
		chance = min(exploreMost, 0.8*others)
	}
	return t.random.Float64() < chance
}

// succeeded takes note that the pair of a client has opened.
func (t *Table) succeeded(c *Peer) {
	t.servedFrom(c.origin.Address)
	w := c.worker
	w.opened++
	t.outcomes.opened++
	w.attempt = 0
	t.endStreak(w)
	t.place(w)
}

// endStreak ends the streak of a worker; place is to follow.
func (t *Table) endStreak(w *worker) {
	w.streak.length, w.streak.names = 0, w.streak.names[:0]
	w.streak.timer.leave()
}

// eject keeps clients from a worker as long as others can take them; place is to follow.
func (t *Table) eject(w *worker) {
	if w.ejected || w.failing {
		return
	}
	w.ejected = true
	w.failures++
	w.retryAt = t.now + t.backOff(w)
	heap.Push(&t.ejected, w)
}

// admit ends the ejection of a worker, which is then on trial.
func (t *Table) admit(w *worker) {
	t.stopRetrying(w)
	t.endStreak(w)
	t.place(w)
}

// expireStreak ends the streak of a worker that has not failed for long enough. It
// and admit are done before each event, so that no choice is made by what is over.
func (t *Table) expireStreak(w *worker) {
	t.endStreak(w)
	t.place(w)
}

// anybody says whether a worker can take a client. When only ejected ones could,
// the one whose time is over first is admitted.
func (t *Table) anybody() bool {
	if t.choosable == 0 && t.spare > 0 {
		var first *worker
		for _, w := range t.ejected {
			if w.spare && (first == nil || cmp.Or(cmp.Compare(w.retryAt, first.retryAt), cmp.Compare(w.name, first.name)) < 0) {
				first = w
			}
		}
		t.admit(first)
	}
	return t.choosable > 0
}

// backOff is for how long a worker that has failed is left alone.
func (t *Table) backOff(w *worker) time.Duration {
	if w.attempt < 62 && t.cfg.RetryMin <= t.cfg.RetryMax>>w.attempt {
		w.attempt++
		return t.cfg.RetryMin << (w.attempt - 1)
	}
	return t.cfg.RetryMax
}
