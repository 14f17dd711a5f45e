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

var strategyNames = [strategyCount]string{"none", "heartbeat", "idle", "ttl"}

// String is the strategy as it is configured: "heartbeat".
func (s Strategy) String() string {
	if s < strategyCount {
		return strategyNames[s]
	}
	return fmt.Sprintf("strategy(%d)", uint8(s))
}

// ParseStrategy is the inverse of [Strategy.String].
func ParseStrategy(s string) (Strategy, error) {
	for i, name := range strategyNames {
		if name == s {
			return Strategy(i), nil
		}
	}
	return 0, fmt.Errorf("lease %q is unknown: none, heartbeat, idle or ttl", s)
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

func (t *Table) configureLease() {
	ttl := t.cfg.Lease.TTL
	t.idles.after = ttl + ttl/grain
	t.heartbeats.after = ttl + ttl/grain
	t.ttls.set(ttl-ttl/20, ttl+ttl/20)
	t.rechecks.set(ttl/spread, ttl)
}

// startLease begins the lease of a pair.
func (t *Table) startLease(c *Peer) {
	switch t.cfg.Lease.Strategy {
	case LeaseIdle:
		t.idles.start(&c.span, t.now)
	case LeaseTTL:
		t.ttls.queues[t.random.IntN(spread)].start(&c.span, t.now)
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
	if t.cfg.Lease.Strategy == LeaseHeartbeat {
		renew(&i.lease, &t.heartbeats, t.now)
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
	if c := clientOf(p); c != nil && c.span.in == &t.idles.list {
		t.at(now)
		renew(&c.span, &t.idles, t.now)
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
			t.rechecks.atLeast(left).start(&c.span, t.now)
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
