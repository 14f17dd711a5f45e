package pairing

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rule is what decided which worker a client got.
type Rule uint8

// The rules, in the order in which they are tried.
const (
	NoRule       Rule = iota // nothing has been decided yet
	ByPreference             // its identity prefers it, or is pinned to it
	ByAffinity               // it had it last
	ByPolicy                 // the policy chose
	ruleCount
)

var ruleNames = [ruleCount]string{"none", "prefer", "affinity", "policy"}

// String is the rule in lower case.
func (r Rule) String() string {
	if r < ruleCount {
		return ruleNames[r]
	}
	return fmt.Sprintf("rule(%d)", uint8(r))
}

// Unfit is why a worker cannot take a client.
type Unfit uint8

// The reasons to pass a worker over.
const (
	Fit          Unfit = iota // it can
	UnfitUnknown              // there is none of that name
	UnfitRemoved              // an operator took it out
	UnfitDrains               // it is draining
	UnfitMaint                // it is in maintenance
	UnfitFailed               // it failed and is set aside
	UnfitFull                 // it has as many pairs as it may
	UnfitNoSlot               // it only dials in, and no slot of it is there
	UnfitLoaded               // it had the client last, and is loaded too much, see Config.AffinityMaxLoad
	unfitCount
)

var unfitNames = [unfitCount]string{"fit", "unknown", "removed", "draining", "maintenance", "set-aside", "full", "no-slot", "loaded"}

// String is the reason in lower case.
func (u Unfit) String() string {
	if u < unfitCount {
		return unfitNames[u]
	}
	return fmt.Sprintf("unfit(%d)", uint8(u))
}

// Candidate is a worker that was, or would be, considered.
type Candidate struct {
	Worker string
	Unfit  Unfit
	Load   int // now; see [Policy]
	Weight int
	// Everywhere are words that count of it and were said for all tables, nil for none.
	Everywhere []Steering
}

// passed is a worker that was passed over.
type passed struct {
	worker string
	why    Unfit
}

// pass notes a worker that was passed over.
func (v *visit) pass(worker string, why Unfit) {
	if v.passed == nil {
		v.passed = new([]passed)
	}
	*v.passed = append(*v.passed, passed{worker, why})
}

// passedOver are the workers that were passed over before the one that it got, in order.
func (v *visit) passedOver() []passed {
	if v.passed == nil {
		return nil
	}
	return *v.passed
}

// unfit says why the worker of a name cannot take a client.
func (t *Table) unfit(name string) Unfit {
	w := t.workers[name]
	switch {
	case w == nil:
		return UnfitUnknown
	case w.at >= 0:
		return Fit
	case w.removed:
		return UnfitRemoved
	case w.state == Draining:
		return UnfitDrains
	case w.state == Maintenance:
		return UnfitMaint
	case w.failing || w.ejected:
		return UnfitFailed
	case !w.room():
		return UnfitFull
	}
	return UnfitNoSlot
}

// Explanation is why a client has its worker, and what it would get now.
type Explanation struct {
	Identity string
	// Peers are its connections, or the one that was asked for.
	Peers []PeerInfo
	// Passed were passed over for the newest client among Peers, in order, before Rule decided.
	Passed []Candidate
	// Rule decided for the newest client among Peers.
	Rule Rule
	// Prefer is what the identity prefers, Pinned whether an operator has said so, and Everywhere the word, if
	// that was said for all tables.
	Prefer     []string
	Pinned     bool
	Everywhere []Steering
	// Last is the worker that is remembered for it, "" for none.
	Last string
	// Failing is what is known of the address of the newest client among Peers, or of the address
	// that was asked for, if clients from there were not served; nil if they were.
	Failing *Failing
	// Policy of the table, and the workers as it would find them now: at most
	// maxCandidates, those that can take a client first.
	Policy     Policy
	Candidates []Candidate
}

// maxCandidates bounds an explanation.
const maxCandidates = 100

// Explain tells of an identity or, if who is no identity, of the connection
// that [Table.Find] finds by it, or of the address of clients that were not served.
// false: nothing of these is known.
func (t *Table) Explain(now time.Duration, who string) (Explanation, bool) {
	t.at(now)
	e := Explanation{Policy: t.cfg.Policy}
	var newest *Peer
	if i := t.identities[who]; i != nil {
		e.Identity = who
		for _, p := range i.peers {
			e.Peers = append(e.Peers, t.info(p))
			if p.client && (newest == nil || p.ID > newest.ID) {
				newest = p
			}
		}
		slices.SortFunc(e.Peers, func(a, b PeerInfo) int { return int(int64(a.ID) - int64(b.ID)) })
	} else if p := t.eitherAt(who); p != nil {
		e.Identity = p.Identity()
		e.Peers = []PeerInfo{t.info(p)}
		newest = clientOf(p)
	} else if t.remembers(who) {
		e.Identity = who
	} else if e.Failing = t.failingAt(who); e.Failing == nil {
		return e, false
	}
	if e.Identity != "" {
		preferred, _ := t.preference(e.Identity)
		e.Prefer = slices.Clone(preferred)
		is, pinned := t.pins.held.get(e.Identity, t.now)
		e.Pinned, e.Everywhere = pinned, is.everywhere(e.Identity)
	}
	if newest != nil {
		e.Rule = newest.rule
		for _, p := range newest.passedOver() {
			e.Passed = append(e.Passed, Candidate{Worker: p.worker, Unfit: p.why})
		}
		e.Last = t.lastOf(newest)
		e.Failing = t.failingAt(newest.origin.Address)
	} else {
		e.Last, _ = t.habits.get(affinityKey{name: e.Identity}, t.now)
	}
	e.Candidates = t.candidates()
	return e, true
}

// lastOf is the worker that is remembered for a client.
func (t *Table) lastOf(p *Peer) string {
	key, ok := t.affinityKey(p)
	if !ok {
		return ""
	}
	last, _ := t.habits.get(key, t.now)
	return last
}

// remembers says whether anything is held of an identity that may have no peers.
func (t *Table) remembers(name string) bool {
	_, prefers := t.preference(name)
	_, had := t.habits.get(affinityKey{name: name}, t.now)
	return prefers || had
}

func (t *Table) candidates() []Candidate {
	all := make([]Candidate, 0, len(t.workers))
	for name, w := range t.workers {
		all = append(all, Candidate{Worker: name, Unfit: t.unfit(name), Load: w.load(), Weight: w.weight, Everywhere: w.everywhere()})
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		if (a.Unfit == Fit) != (b.Unfit == Fit) {
			return 2*tally(new(bool), b.Unfit == Fit) - 1
		}
		return strings.Compare(a.Worker, b.Worker)
	})
	return all[:min(len(all), maxCandidates)]
}
