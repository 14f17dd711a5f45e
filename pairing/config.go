package pairing

import (
	"errors"
	"fmt"
	"time"
)

// MaxQueueTimeout bounds [Config.QueueTimeout]. libzmq closes a connection whose
// handshake has not finished 30 s after it was made (ZMQ_HANDSHAKE_IVL), so a
// client that were to wait longer would be cut off by its own library, and
// nobody would have told it why.
const MaxQueueTimeout = 30 * time.Second

// DefaultHello is how long a client has to be named where an identity is
// required and [Config.HintWait] is 0.
const DefaultHello = 5 * time.Second

// MaxAffinityMaxLoad bounds [Config.AffinityMaxLoad] for the sake of its sense.
const MaxAffinityMaxLoad = 1000

// holdTime is how long a client is held for its identity.
func (c Config) holdTime() time.Duration {
	switch {
	case c.HintWait > 0:
		return c.HintWait
	case c.RequireHello:
		return DefaultHello
	case c.asksWho():
		return c.SharedWait
	}
	return 0
}

// waitsForName: a client is held for a name that may be said yet, and not only until others have told.
func (c *Config) waitsForName() bool { return c.HintWait > 0 || c.RequireHello }

// Config is everything about a [Table] that can be chosen. [Table.Reconfigure]
// changes it while the table is in use.
type Config struct {
	// Policy chooses among the workers that can take a client.
	Policy Policy
	// QueueMax bounds the clients that wait; a further one ends with
	// [QueueFull]. 0 means that nobody may wait. A client that comes back to
	// the queue because its dial failed is let in even when it is full.
	QueueMax int
	// QueueTimeout ends a client that has waited for so long. Above 0 and below
	// [MaxQueueTimeout]. A dial that is under way is not cut short by it.
	QueueTimeout time.Duration
	// HandshakeTimeout bounds both the time from connecting to being ready and
	// the time from being paired to being open. 0 turns it off.
	HandshakeTimeout time.Duration
	// SlotMaxAge is the age, since it connected, at which a slot is closed so
	// that its worker dials in afresh, before its own libzmq gives it up (see
	// [MaxQueueTimeout]). Each slot gets 80 to 100 % of it so that a fleet does
	// not redial at once. 0 means never.
	SlotMaxAge time.Duration
	// SlotLostAfter is how long a worker's connection that a client had may take to be
	// dialled again; then it is lost, see [LostSlot]. 0 means that nobody looks.
	SlotLostAfter time.Duration
	// FinishTimeout is how long, after one side of a pair has gone, the other may
	// go without receiving anything of what it was sent before it is aborted.
	// Above 0.
	FinishTimeout time.Duration
	// MaxClients bounds the clients that are connected; a further one ends with
	// [QueueFull]. 0 means no limit.
	MaxClients int
	// MaxPerAddress bounds the clients of one [Origin.Address] likewise. 0
	// means no limit.
	MaxPerAddress int
	// Lease is what must be renewed for a pair to live.
	Lease Lease
	// AffinityMax identities at most are remembered with the worker they had
	// last, each for AffinityTTL since its last connection went. 0 turns it off.
	AffinityMax int
	AffinityTTL time.Duration
	// AffinityBySource has a client without an identity use its
	// [Origin.Address] in the place of one, for affinity only; the time is then
	// since a pair of it last opened.
	AffinityBySource bool
	// AffinityMaxLoad is how loaded a worker may be, as a multiple of the average by
	// weight of those that can be chosen, for its affinity, or the policy rendezvous,
	// to send it a client; rounded up. 0 means however loaded; else at least 1.
	AffinityMaxLoad float64
	// HintMax hints at most are held for connections that do not exist yet, and
	// as many identities with what they prefer, each for HintTTL since it was
	// said or, of what an identity prefers, since its last connection went. 0
	// turns it off: a hint then reaches only a connection that exists.
	HintMax int
	HintTTL time.Duration
	// SourceMax of each of these three at most come from one [Hint.Source] that
	// is not "", an operator's; beyond it the oldest of that source goes. What
	// identities have that have a connection does not count, and stays. When all
	// is full a source's own oldest goes, too, or if it has none there the oldest
	// of all sources; an operator's hint also takes the place of that, and when
	// there is none that of the oldest of operators. 0 means no such bound.
	SourceMax int
	// HintWait is how long a client without an identity is held, once it is
	// ready, for a hint to say which worker it should have. Below
	// [MaxQueueTimeout]; 0 turns it off.
	HintWait time.Duration
	// RequireHello ends a client that has no identity after HintWait (of 0,
	// after DefaultHello), with [HeartbeatExpired].
	RequireHello bool
	// RequireWorkerHello has only those connections that workers have dialled in be
	// slots that a hint has named; others end after HandshakeTimeout.
	RequireWorkerHello bool
	// RetryMin is how long a worker that failed is set aside before it is
	// probed; it doubles with every further failure up to RetryMax, and varies
	// by 10 % either way. RetryMax is also how long a worker's failures in a row
	// are remembered after the last of them. 0 < RetryMin <= RetryMax.
	RetryMin, RetryMax time.Duration
	// SlowStart is how long a worker that is new, or back, is given clients by less
	// than its weight, and to less than its maximum; a worker that dials in counts as
	// back when it has been away for ten seconds. 0 turns it off.
	SlowStart time.Duration
	// Failback ends the pairs of identities that prefer a worker to the one that
	// they have, with [Moved], some at a time, when that worker has been ready for so
	// long. 0 turns it off: they stay.
	Failback time.Duration
	// EndOnDown ends the pairs of a worker, with [Drained], when it cannot be dialled
	// and then does not answer a probe, either: else they end when they end.
	EndOnDown bool
	// SharedWait has what somebody had last be asked of others ([Recall], [Identify]) who may know it
	// better, for so long at most, and what is new be told to them ([Remember]). Below
	// [MaxQueueTimeout]; 0 turns both off.
	SharedWait time.Duration
	// Seed of the table's own random source, which decides what the policies
	// random and power-of-two choose, and spreads ages of slots, leases and pauses
	// of probes. Proxies with the same seed act in step, so it should be drawn for
	// each table; a test fixes it. It is read by [New] only.
	Seed uint64
}

// Validate reports everything that is wrong with c, one line for each mistake,
// in the words of the configuration file; nil when nothing is.
func (c Config) Validate() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	_, known := c.Policy.find()
	need(known, "policy: %s is unknown", c.Policy)
	need(c.QueueMax >= 0, "queue-max: %d is below zero", c.QueueMax)
	need(c.QueueTimeout > 0 && c.QueueTimeout < MaxQueueTimeout,
		"queue-timeout: %v is not above 0s and below %v, after which the client's own libzmq gives up", c.QueueTimeout, MaxQueueTimeout)
	need(c.HandshakeTimeout >= 0, "handshake-timeout: %v is below zero", c.HandshakeTimeout)
	need(c.SlotMaxAge >= 0, "slot-max-age: %v is below zero", c.SlotMaxAge)
	need(c.SlotLostAfter >= 0, "slot-lost-after: %v is below zero", c.SlotLostAfter)
	need(c.FinishTimeout > 0, "finish-timeout: %v is not above zero", c.FinishTimeout)
	need(c.MaxClients >= 0, "max-clients: %d is below zero", c.MaxClients)
	need(c.MaxPerAddress >= 0, "max-per-address: %d is below zero", c.MaxPerAddress)
	need(c.Lease.Strategy < strategyCount, "lease: %s is unknown", c.Lease.Strategy)
	need(c.Lease.Strategy == LeaseNone || c.Lease.TTL > 0, "lease-ttl: lease %s needs one above zero, not %v", c.Lease.Strategy, c.Lease.TTL)
	need(c.AffinityMax >= 0, "affinity-max: %d is below zero", c.AffinityMax)
	need(c.AffinityMax == 0 || c.AffinityTTL > 0, "affinity-ttl: %v is not above zero", c.AffinityTTL)
	need(c.AffinityMaxLoad == 0 || c.AffinityMaxLoad >= 1 && c.AffinityMaxLoad <= MaxAffinityMaxLoad,
		"affinity-max-load: %v is neither 0 nor from 1 to %d", c.AffinityMaxLoad, MaxAffinityMaxLoad)
	need(c.HintMax >= 0, "hint-max: %d is below zero", c.HintMax)
	need(c.HintMax == 0 || c.HintTTL > 0, "hint-ttl: %v is not above zero", c.HintTTL)
	need(c.SourceMax >= 0, "hint-max-per-address: %d is below zero", c.SourceMax)
	need(c.HintWait >= 0 && c.HintWait < MaxQueueTimeout, "hint-wait: %v is not from 0s to below %v, after which the client's own libzmq gives up", c.HintWait, MaxQueueTimeout)
	need(!c.RequireHello && !c.RequireWorkerHello || c.HintMax > 0, "require-hello: hint-max of 0 holds no hello for a connection that is about to come")
	need(c.SlowStart == 0 || c.SlowStart >= time.Millisecond, "slow-start: %v is neither 0s nor at least 1ms", c.SlowStart)
	need(c.Failback >= 0, "failback: %v is below zero", c.Failback)
	need(c.SharedWait >= 0 && c.SharedWait < MaxQueueTimeout, "shared-wait: %v is not from 0s to below %v, after which the client's own libzmq gives up", c.SharedWait, MaxQueueTimeout)
	need(c.RetryMin > 0, "retry-min: %v is not above zero", c.RetryMin)
	need(c.RetryMax >= c.RetryMin, "retry-max: %v is below retry-min, %v", c.RetryMax, c.RetryMin)
	return errors.Join(errs...)
}
