package pairing

import (
	"slices"
	"strings"
	"time"
)

// Sizes of the arrays in [Stats], which are indexed by the type that each names.
const (
	NumPeerStates = int(peerStates)
	NumReasons    = int(reasonCount)
	NumStrategies = int(strategyCount)
	// NumSlotAges is the number of age buckets: 5 s each, the last open-ended.
	NumSlotAges = 7
)

// SlotAgeStep is the width of a bucket of [Stats.SlotAges].
const SlotAgeStep = 5 * time.Second

// Stats is a copy of the table's figures. Those of type uint64 only ever grow.
type Stats struct {
	// Clients and WorkerPeers are connections now, by [PeerState].
	Clients, WorkerPeers [NumPeerStates]int
	// Handshaking, Open and Draining are pairs now.
	Handshaking, Open, Draining int
	// Waiting clients and Slots, now.
	Waiting, Slots int
	// SlotAges counts the slots by the time since they connected, in steps of
	// [SlotAgeStep]; the last bucket has all older ones.
	SlotAges [NumSlotAges]int

	ClientsTotal uint64 // clients that ever connected, refused ones included
	PairsTotal   uint64 // pairs ever made
	OpenedTotal  uint64 // pairs that ever opened
	// Ended clients and, of those that had a worker, PairsEnded by [Reason].
	Ended, PairsEnded [NumReasons]uint64
	// SlotsMade are all that ever were. SlotsRecycled were closed because of their
	// age, SlotsClosed by their worker. Ungreeted connections of workers went
	// before they had greeted.
	SlotsMade, SlotsRecycled, SlotsClosed, Ungreeted uint64
	// SlotsLost did not come back after a client had them, see [LostSlot].
	SlotsLost uint64
	// By which rule workers were chosen: what the identity prefers, what it had
	// last, the policy.
	ChosenByPrefer, ChosenByAffinity, ChosenByPolicy uint64
	Dials, DialFailures, Probes                      uint64
	// NoSourcePort are dials for which this machine had no port; they are no failures.
	NoSourcePort uint64
	// HintsExpired are those whose connection did not come in time.
	HintsExpired uint64
	// LeasesExpired by [Strategy]: pairs, or for LeaseHeartbeat identities.
	LeasesExpired [NumStrategies]uint64
	// Waits are the times from being ready to being paired, of pairs.
	Waits Histogram
	// Handshakes are the times from being paired to being open, of pairs that opened.
	Handshakes Histogram
	// DialsDone and DialsFailed are the times that dials took which were waited
	// for to their end. A dial whose client went meanwhile is in neither.
	DialsDone, DialsFailed Histogram

	// Hints are as many as [Table.Hints] lists. Identities have live peers.
	// Affinities are remembered. All now.
	Hints, Identities, Affinities int
	// RebalanceLeft is how many pairs the rebalance that is under way may end still.
	RebalanceLeft int
}

// WorkerInfo is a copy of what the table knows of a worker.
type WorkerInfo struct {
	Name, Endpoint string
	Source         string // see [WorkerConfig]
	State          State
	Weight         int
	MaxPairs       int // 0: no limit
	MaxHandshakes  int // 0: no limit
	Pairs          int // draining ones included
	Elsewhere      int // pairs at other proxies, see [Table.Elsewhere]
	Dialling       int
	Slots          int
	Failures       uint64        // dials and probes that failed, and set-asides for other causes
	Served         uint64        // pairs ever made with it
	SlotsLost      uint64        // by clients; see [LostSlot]
	RetryAt        time.Duration // when it is probed next, 0 when it is not set aside or is being probed
	Removed        bool          // it goes when its last pair ends
	DialTime       time.Duration // how long its dials took of late, 0 when none was done
	SlowStart      time.Duration // until its weight and its maximum count in full, 0 when they do
	Outlier        bool          // it is set aside because its pairs failed while others' opened
	Everywhere     []Steering    // words that count and were said for all tables, nil for none
}

// Rules by which a worker is chosen.
const (
	byPrefer = iota
	byAffinity
	byPolicy
	rules
)

// counters is what the table counts as it goes.
type counters struct {
	states                                [2][NumPeerStates]int // by side
	handshaking, open, draining           int
	clients, pairs, opened                uint64
	ended, pairsEnded, failed             [NumReasons]uint64
	slotsMade                             uint64
	slotsRecycled, slotsClosed, ungreeted uint64
	slotsLost                             uint64
	chosen                                [rules]uint64
	dials, dialFailures, probes, noPort   uint64
	hintsExpired                          uint64
	leases                                [NumStrategies]uint64
	waits, handshakeTimes                 Histogram
	dialsDone, dialsFailed                Histogram
}

// Pairs are how many there are, also those that are not open yet or end.
func (t *Table) Pairs() int { return t.stats.handshaking + t.stats.open + t.stats.draining }

// Stats copies the figures. It looks at every slot, and at what has become out of
// date since somebody looked, but at nothing else that grows.
func (t *Table) Stats(now time.Duration) Stats {
	t.at(now)
	c := &t.stats
	s := Stats{
		Clients: c.states[1], WorkerPeers: c.states[0],
		Handshaking: c.handshaking, Open: c.open, Draining: c.draining,
		Waiting: t.queue.len() + t.apart.n, Slots: c.states[0][PeerSlot],
		ClientsTotal: c.clients, PairsTotal: c.pairs, OpenedTotal: c.opened,
		Ended: c.ended, PairsEnded: c.pairsEnded,
		SlotsMade: c.slotsMade, SlotsRecycled: c.slotsRecycled, SlotsClosed: c.slotsClosed, Ungreeted: c.ungreeted, SlotsLost: c.slotsLost,
		ChosenByPrefer: c.chosen[byPrefer], ChosenByAffinity: c.chosen[byAffinity], ChosenByPolicy: c.chosen[byPolicy],
		Dials: c.dials, DialFailures: c.dialFailures, Probes: c.probes, NoSourcePort: c.noPort,
		LeasesExpired: c.leases,
		Waits:         c.waits, Handshakes: c.handshakeTimes,
		DialsDone: c.dialsDone, DialsFailed: c.dialsFailed,
		Identities: len(t.identities),
		Hints:      t.pins.held.len(t.now) + t.preferred.len(t.now) + t.hints.held.len(t.now),
		Affinities: t.habits.len(t.now),

		RebalanceLeft: t.moves.last.Left(),
	}
	s.HintsExpired = c.hintsExpired // after those were dropped that are out of date
	for i := range t.ages.queues {
		for x := t.ages.queues[i].head; x != nil; x = x.next {
			if x.owner.state == PeerSlot {
				s.SlotAges[min(int((t.now-x.since)/SlotAgeStep), NumSlotAges-1)]++
			}
		}
	}
	return s
}

// Workers copies what is known of each worker, ordered by name.
func (t *Table) Workers() []WorkerInfo {
	all := make([]WorkerInfo, 0, len(t.workers))
	for _, w := range t.workers {
		info := WorkerInfo{
			Name: w.name, Endpoint: w.endpoint, Source: w.source, State: w.current(), Weight: w.weight, MaxPairs: w.max, MaxHandshakes: w.maxHandshakes,
			Pairs: w.paired.n, Elsewhere: w.elsewhere, Dialling: w.dialling, Slots: w.slots.n,
			Failures: w.failures, Served: w.served, SlotsLost: w.lost, Removed: w.removed, Outlier: w.ejected, SlowStart: t.warmLeft(w),
			DialTime: w.dialTime, Everywhere: w.everywhere(),
		}
		if w.retryIndex >= 0 {
			info.RetryAt = w.retryAt
		}
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b WorkerInfo) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Usable says whether some worker takes clients, now or when it is less busy:
// whether it makes sense to send clients here.
func (t *Table) Usable() bool { return t.usable > 0 && t.refuse == NoReason }

// OnlySlots says whether no worker listens: a client can come by nothing but a slot.
func (t *Table) OnlySlots() bool { return t.listeners == 0 }
