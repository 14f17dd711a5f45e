package pairing

import (
	"fmt"
	"slices"
	"time"
)

// Strategy is how a pair shows that it is still wanted.
type Strategy uint8

// The strategies.
const (
	// LeaseNone: it need not.
	LeaseNone Strategy = iota
	// LeaseHeartbeat: an identity that has said a hint must be heard of by
	// [Table.Beat] (or another hint) within the TTL, or all its peers end with
	// [HeartbeatExpired]. Peers without an identity are not touched.
	LeaseHeartbeat
	// LeaseIdle: a pair on which no byte moves in either direction for the TTL
	// ends with [IdleExpired].
	LeaseIdle
	// LeaseTTL: a pair ends with [TTLExpired] when it is as old as the TTL, give
	// or take 5 % so that a thousand do not end at once.
	LeaseTTL
	strategyCount
)

// strategy is what a table does by a [Strategy]. What is nil is not done.
type strategy struct {
	name string
	// usual is the TTL where none is said, 0 if one must be.
	usual time.Duration
	// begin begins the lease of a pair, by its client.
	begin func(*Table, *Peer)
	// renew begins the lease of an identity, or renews it.
	renew func(*Table, *identity)
}

// strategies are all there are, by number. A new one is its number, its line here,
// what that names, and its queue and deed among leases; whatever lists or reads
// strategies does so by [Strategies] and [ParseStrategy].
func strategies() [strategyCount]strategy {
	return [strategyCount]strategy{
		LeaseNone: {name: "none"},
		LeaseHeartbeat: {name: "heartbeat", usual: 7500 * time.Millisecond, renew: func(t *Table, i *identity) {
			renew(&i.lease, &t.leases.heartbeats, t.now)
		}},
		LeaseIdle: {name: "idle", begin: func(t *Table, c *Peer) { t.leases.idles.start(&c.span, t.now) }},
		LeaseTTL: {name: "ttl", begin: func(t *Table, c *Peer) {
			t.leases.ttls.queues[t.random.IntN(spread)].start(&c.span, t.now)
		}},
	}
}

// leases are the queues of those that run.
type leases struct {
	idles      expiry[*Peer]
	rechecks   spreadExpiry // of pairs that were found not to be idle
	ttls       spreadExpiry
	heartbeats expiry[*identity]
}

// set gives the queues a TTL.
func (l *leases) set(ttl time.Duration) {
	l.idles.after = ttl + ttl/grain
	l.heartbeats.after = ttl + ttl/grain
	l.ttls.set(ttl-ttl/20, ttl+ttl/20)
	l.rechecks.set(ttl/spread, ttl)
}

// dated lists what falls due of them.
func (l *leases) dated(t *Table) []dated {
	return []dated{
		{l.idles.deadline, each(t, l.idles.due, t.expireIdle), false},
		{l.rechecks.deadline, each(t, l.rechecks.due, t.expireIdle), false},
		{l.ttls.deadline, each(t, l.ttls.due, t.expireTTL), false},
		{l.heartbeats.deadline, each(t, l.heartbeats.due, t.expireHeartbeat), false},
	}
}

// Strategies are the names of all strategies, by number.
func Strategies() (names []string) {
	for _, s := range strategies() {
		names = append(names, s.name)
	}
	return names
}

// String is the strategy as it is configured: "heartbeat".
func (s Strategy) String() string {
	if s < strategyCount {
		return strategies()[s].name
	}
	return fmt.Sprintf("strategy(%d)", uint8(s))
}

// Usual is the TTL where none is said, 0 if one must be: three times 2.5 s of heartbeats.
func (s Strategy) Usual() time.Duration { return strategies()[s].usual }

// OfIdentities says whether it is identities that must be heard of, by the control socket.
func (s Strategy) OfIdentities() bool { return strategies()[s].renew != nil }

// ParseStrategy is the inverse of [Strategy.String].
func ParseStrategy(s string) (Strategy, error) {
	for i, one := range strategies() {
		if one.name == s {
			return Strategy(i), nil
		}
	}
	return 0, fmt.Errorf("lease %q is unknown", s)
}

// Lease is what must be renewed for a pair to live.
type Lease struct {
	Strategy Strategy
	TTL      time.Duration // above 0 unless Strategy is LeaseNone
}

// grain is the share of a TTL within which renewals are not told apart. A
// renewal within it of the last that was noted changes nothing, so renewing
// costs a comparison as a rule; in exchange the lease is this much longer. So
// one that was renewed within its TTL is never ended, and one that was not is
// found after 1.05 of it.
const grain = 20

// startLease begins the lease of a pair.
func (t *Table) startLease(c *Peer) {
	if begin := t.lease.begin; begin != nil {
		begin(t, c)
	}
}

// renewLeases begins all leases anew, by the strategy that is now in force.
func (t *Table) renewLeases() {
	t.index.each(func(p *Peer) bool {
		if p.client && (p.state == PeerPaired || p.state == PeerOpen) {
			p.span.leave()
			t.startLease(p)
		}
		return true
	})
	names := make([]string, 0, len(t.identities))
	for name := range t.identities {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		i := t.identities[name]
		i.lease.leave()
		t.leaseIdentity(i)
	}
}

// leaseIdentity begins the lease of an identity, or renews it.
func (t *Table) leaseIdentity(i *identity) {
	if renew := t.lease.renew; renew != nil {
		renew(t, i)
	}
}

// renew has a lease count from now, or from at most a grain before.
func renew[T any](lease *node[T], q *expiry[T], now time.Duration) {
	if lease.in == nil || (now-lease.since)*(grain+1) > q.after {
		q.start(lease, now)
	}
}

// Touch says that bytes came from a peer: its pair is not idle. It costs a
// look-up and a comparison.
func (t *Table) Touch(now time.Duration, id PeerID) {
	p := t.index.get(id)
	if p == nil {
		return
	}
	if c := clientOf(p); c != nil && c.span.in == &t.leases.idles.list {
		t.at(now)
		renew(&c.span, &t.leases.idles, t.now)
	}
}

// Beat renews the lease of an identity. It says whether the identity is known:
// whether a peer has it, or a hint for it is held.
func (t *Table) Beat(now time.Duration, name string) bool {
	t.at(now)
	if i := t.identities[name]; i != nil {
		t.leaseIdentity(i)
		return true
	}
	_, held := t.preference(name)
	return held
}

// AskActivity has the table ask when bytes last passed on a pair, by its client's
// connection and in the caller's monotonic time, before it ends the pair for
// being idle: for a caller that does not [Table.Touch] with every chunk. A pair
// that has become idle is then found after at most 1.07 of the TTL.
func (t *Table) AskActivity(activity func(conn any) time.Duration) { t.activity = activity }

// expireIdle ends a pair whose idle lease has run out, unless bytes have passed
// that the table was not told of; then it looks again when these are as old.
func (t *Table) expireIdle(c *Peer) {
	if t.activity != nil {
		if left := t.activity(c.Conn) + t.cfg.Lease.TTL - t.now; left > 0 {
			t.leases.rechecks.atLeast(left).start(&c.span, t.now)
			return
		}
	}
	t.stats.leases[LeaseIdle]++
	t.end(c, IdleExpired)
}

func (t *Table) expireTTL(c *Peer) {
	t.stats.leases[LeaseTTL]++
	t.end(c, TTLExpired)
}

func (t *Table) expireHeartbeat(i *identity) {
	t.stats.leases[LeaseHeartbeat]++
	for len(i.peers) > 0 {
		t.end(i.peers[0], HeartbeatExpired)
	}
}
