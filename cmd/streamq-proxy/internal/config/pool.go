package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// DefaultName is the pool's that has none: the only one.
const DefaultName = "default"

// pool turns one pool's settings into its configuration.
func (c *checker) pool(i int, p *Pool) (stream.Config, []discovery.Spec) {
	cfg := stream.DefaultConfig()
	cfg.Name = DefaultName
	if p.Name != "" {
		cfg.Name = p.Name
		c.fail(i, "name", printable(p.Name))
	}
	cfg.Backend = p.Backend
	c.frontends(i, p, &cfg)
	if len(p.Frontend) == 0 {
		c.add(i, "", fmt.Sprintf("pool %s has no frontend (--frontend): clients need an endpoint to connect to", cfg.Name))
	}
	if len(p.Backend) == 0 && len(p.Workers) == 0 && p.WorkersFile == "" {
		c.add(i, "", fmt.Sprintf("pool %s has no backend and no workers (--backend, --worker): at least one of the two is needed", cfg.Name))
	}
	c.endpoints(i, "backend", p.Backend)
	var finders []discovery.Spec
	cfg.Workers, finders = c.workers(i, p.Workers)
	if p.WorkersFile != "" {
		finders = append(finders, discovery.Spec{Kind: discovery.File, Path: p.WorkersFile, Interval: discovery.FileInterval})
	}
	cfg.Discovers = len(finders) > 0
	c.choices(i, p, &cfg)
	c.limits(i, p, &cfg)
	for k, m := range p.Mechanisms {
		c.fail(i, fmt.Sprintf("mechanisms[%d]", k), checkMechanism(m))
	}
	cfg.Mechanisms = p.Mechanisms
	if c.sources(i, "source", p.Source) {
		cfg.Sources, _ = stream.ParseSources(strings.Join(p.Source, ","))
	}
	c.clientAddresses(i, p, &cfg)
	c.doors(i, p, &cfg)
	return cfg, finders
}

func (c *checker) endpoints(pool int, setting string, endpoints []string) {
	for k, e := range endpoints {
		_, err := endpoint.Parse(e)
		c.fail(pool, fmt.Sprintf("%s[%d]", setting, k), plain(err))
	}
}

// expectations are what peers may be expected to speak.
var expectations = []string{"zmtp", "any"}

// choices reads what is one of several words.
func (c *checker) choices(i int, p *Pool, cfg *stream.Config) {
	if p.Policy != "" {
		policy, err := pairing.ParsePolicy(p.Policy)
		if err != nil {
			err = oneOf(p.Policy, pairing.Policies()...)
		}
		c.fail(i, "policy", err)
		cfg.Pairing.Policy = policy
	}
	if p.Relay != "" {
		relay, err := stream.ParseRelay(p.Relay)
		if err != nil {
			err = oneOf(p.Relay, stream.Relays()...)
		}
		c.fail(i, "relay", err)
		cfg.Relay = relay
	}
	if p.Affinity != "" {
		c.fail(i, "affinity", oneOf(p.Affinity, "none", "source-address"))
		cfg.Pairing.AffinityBySource = p.Affinity == "source-address"
	}
	if p.Expect != "" {
		c.fail(i, "expect", oneOf(p.Expect, expectations...))
		cfg.ExpectAny = p.Expect == "any"
		if cfg.ExpectAny && len(p.Mechanisms) > 0 {
			c.add(i, "expect", "with any nobody looks at what a client asks for, and mechanisms cannot be held to")
		}
	}
	if p.NoWorker != "" {
		c.fail(i, "no-worker", oneOf(p.NoWorker, "wait", "refuse"))
		cfg.RefuseWithoutWorker = p.NoWorker == "refuse"
	}
	cfg.NoWorkerWait = c.span(i, "no-worker-wait", p.NoWorkerWait, cfg.NoWorkerWait, 0, 24*time.Hour)
	if p.OnDown != "" {
		c.fail(i, "on-down", oneOf(p.OnDown, "keep", "end"))
		cfg.Pairing.EndOnDown = p.OnDown == "end"
	}
	c.lease(i, p, &cfg.Pairing)
	cfg.Pairing.HintWait = c.span(i, "hint-wait", p.HintWait, 0, 0, pairing.MaxQueueTimeout)
	if cfg.Pairing.HintWait > 0 {
		c.needsControl(i, "hint-wait", "waiting for hints")
	}
	h, err := parseHello(p.RequireHello)
	c.fail(i, "require-hello", err)
	if h != (hello{}) {
		cfg.Pairing.RequireHello, cfg.Pairing.RequireWorkerHello = h.clients, h.workers
		c.needsControl(i, "require-hello", "it")
	}
}

func (c *checker) lease(i int, p *Pool, cfg *pairing.Config) {
	ttl := c.span(i, "lease-ttl", p.LeaseTTL, 0, aboveZero, 0)
	if p.Lease == "" || p.Lease == pairing.LeaseNone.String() {
		if p.LeaseTTL != "" {
			c.add(i, "lease-ttl", "without a lease there is nothing to expire: set lease to "+Choice(pairing.Strategies()[1:]))
		}
		return
	}
	strategy, err := pairing.ParseStrategy(p.Lease)
	if err != nil {
		c.fail(i, "lease", oneOf(p.Lease, pairing.Strategies()...))
		return
	}
	if strategy.OfIdentities() {
		c.needsControl(i, "lease", p.Lease)
	}
	cfg.Lease = pairing.Lease{Strategy: strategy, TTL: ttl}
	switch usual := strategy.Usual(); {
	case p.LeaseTTL != "":
	case usual > 0:
		cfg.Lease.TTL = usual
	default:
		c.add(i, "lease", fmt.Sprintf("%s needs a lease-ttl (--lease-ttl), such as 5m", p.Lease))
	}
}

// limits reads numbers, times and sizes.
func (c *checker) limits(i int, p *Pool, cfg *stream.Config) {
	t := &cfg.Pairing
	t.QueueMax = c.number(i, "queue-max", p.QueueMax, t.QueueMax, 0, 0)
	t.MaxClients = c.number(i, "max-clients", p.MaxClients, t.MaxClients, 0, 0)
	t.MaxPerAddress = c.number(i, "max-per-address", p.MaxPerAddress, t.MaxPerAddress, 0, 0)
	t.QueueTimeout = c.queueTimeout(i, p.QueueTimeout, t.QueueTimeout)
	t.HandshakeTimeout = c.span(i, "handshake-timeout", p.HandshakeTimeout, t.HandshakeTimeout, 0, 0)
	t.SlotMaxAge = c.span(i, "slot-max-age", p.SlotMaxAge, t.SlotMaxAge, 0, 0)
	t.SlotLostAfter = c.span(i, "slot-lost-after", p.SlotLostAfter, t.SlotLostAfter, 0, 0)
	c.memory(i, p, t)
	c.keepAlive(i, p, cfg)
	cfg.ConnectTimeout = c.span(i, "connect-timeout", p.ConnectTimeout, cfg.ConnectTimeout, aboveZero, 0)
	if p.PairBuffer == "" {
		return
	}
	n, err := size(p.PairBuffer)
	if err != nil || n < stream.MinPairBuffer || n > stream.MaxPairBuffer {
		err = fmt.Errorf("%q is no size from %dKiB to %dGiB (such as 4194304, 512KiB or 4MiB)", p.PairBuffer, stream.MinPairBuffer>>10, stream.MaxPairBuffer>>30)
	}
	c.fail(i, "pair-buffer", err)
	cfg.PairBuffer = n
}

// memory reads what is remembered, and for how long.
func (c *checker) memory(i int, p *Pool, t *pairing.Config) {
	t.AffinityMax = c.number(i, "affinity-max", p.AffinityMax, t.AffinityMax, 0, 0)
	t.AffinityMaxLoad = c.maxLoad(i, p.AffinityMaxLoad, t.AffinityMaxLoad)
	t.AffinityTTL = c.span(i, "affinity-ttl", p.AffinityTTL, t.AffinityTTL, aboveZero, 0)
	t.HintMax = c.number(i, "hint-max", p.HintMax, t.HintMax, 0, 0)
	t.HintTTL = c.span(i, "hint-ttl", p.HintTTL, t.HintTTL, aboveZero, 0)
	t.SourceMax = c.number(i, "hint-max-per-address", p.HintMaxPerAddress, t.SourceMax, 0, 0)
	t.FinishTimeout = c.span(i, "finish-timeout", p.FinishTimeout, t.FinishTimeout, aboveZero, 0)
	t.RetryMin = c.span(i, "retry-min", p.RetryMin, t.RetryMin, aboveZero, 0)
	t.RetryMax = c.span(i, "retry-max", p.RetryMax, t.RetryMax, aboveZero, 0)
	t.SlowStart = c.span(i, "slow-start", p.SlowStart, t.SlowStart, 0, 0)
	t.Failback = c.span(i, "failback", p.Failback, t.Failback, 0, 0)
	if t.SlowStart > 0 && t.SlowStart < time.Millisecond {
		c.add(i, "slow-start", fmt.Sprintf("%v is neither 0s nor at least 1ms", t.SlowStart))
	}
	if t.RetryMax < t.RetryMin {
		c.add(i, "retry-max", fmt.Sprintf("%v is below retry-min, %v", t.RetryMax, t.RetryMin))
	}
}

// maxLoad is a multiple of the average load, if one was said.
func (c *checker) maxLoad(i int, s string, standard float64) float64 {
	if s == "" {
		return standard
	}
	load, err := strconv.ParseFloat(s, 64)
	if err != nil || load != 0 && !(load >= 1 && load <= pairing.MaxAffinityMaxLoad) {
		c.add(i, "affinity-max-load", fmt.Sprintf("%q is neither 0 nor a number from 1 to %d, such as 1.25", s, pairing.MaxAffinityMaxLoad))
		return standard
	}
	return load
}

// keepAlive reads how the kernel finds out that the other end of a connection has gone.
func (c *checker) keepAlive(i int, p *Pool, cfg *stream.Config) {
	k := &cfg.KeepAlive
	k.Idle = c.kernelTime(i, "keepalive-idle", p.KeepAliveIdle, k.Idle, stream.CheckKeepAliveIdle)
	k.Interval = c.kernelTime(i, "keepalive-interval", p.KeepAliveInterval, k.Interval, stream.CheckKeepAliveInterval)
	k.Count = c.number(i, "keepalive-count", p.KeepAliveCount, k.Count, 1, stream.MaxKeepAliveCount)
	cfg.UserTimeout = c.kernelTime(i, "user-timeout", p.UserTimeout, cfg.UserTimeout, stream.CheckUserTimeout)
}

// kernelTime is a duration, if it was said, that the kernel takes.
func (c *checker) kernelTime(pool int, path, s string, standard time.Duration, check func(time.Duration) error) time.Duration {
	if s == "" {
		return standard
	}
	d, err := duration(s)
	if err == nil {
		err = check(d)
	}
	c.fail(pool, path, err)
	return d
}

func (c *checker) queueTimeout(i int, s string, standard time.Duration) time.Duration {
	if s == "" {
		return standard
	}
	d, err := duration(s)
	if err == nil && (d <= 0 || d >= pairing.MaxQueueTimeout) {
		err = fmt.Errorf("%v is not above 0s and below %v, when the client's own libzmq gives up", d, pairing.MaxQueueTimeout)
	}
	c.fail(i, "queue-timeout", err)
	return d
}

// checkMechanism holds a name to the characters of 23/ZMTP.
func checkMechanism(m string) error {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+"
	if m == "" || len(m) > 20 || strings.Trim(m, allowed) != "" {
		return fmt.Errorf("%q is no mechanism's name (NULL, PLAIN, CURVE, GSSAPI)", m)
	}
	return nil
}
