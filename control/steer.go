package control

import (
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func steerVerbs() []Verb {
	return []Verb{
		{
			Name: "HINT", Args: "IDENTITY [endpoint=IP:PORT] [address=ADDRESS] [prefer=W1,W2,...] [pool=NAME]", Level: wire.Operator,
			Help: "says HELLO client for somebody else; without endpoint and address, only what it prefers; ADDRESS is an IP, or localhost:UID:GID:PID over ipc", run: hint,
		},
		{
			Name: "UNHINT", Args: "IDENTITY [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "forgets what was said of an identity; its connections stay", run: unhint,
		},
		{
			Name: "PIN", Args: "IDENTITY WORKER[,FALLBACK,...] [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "has an identity prefer workers until UNPIN, whatever it says itself; everywhere: at all proxies that share the store", run: pin,
		},
		{
			Name: "UNPIN", Args: "IDENTITY [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "ends a pin; everywhere: at all proxies that share the store, whether or not it is known here", run: unpin,
		},
		{
			Name: "DRAIN", Args: "WORKER [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged, Web: true,
			Help: "no new clients, pairs go on; the event worker.empty tells when none is left; everywhere: at all proxies that share the store", run: drain,
		},
		{
			Name: "MAINT", Args: "WORKER [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "no new clients, and pairs end; everywhere: at all proxies that share the store", run: maintain,
		},
		{
			Name: "ENABLE", Args: "WORKER [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged, Web: true,
			Help: "back from DRAIN, MAINT, or being set aside; everywhere: at all proxies that share the store", run: enable,
		},
		{
			Name: "WEIGHT", Args: "WORKER N [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged, Web: true,
			Help: "changes a worker's weight, 1 to 256; everywhere: at all proxies that share the store", run: weigh,
		},
		{
			Name: "MAXCONN", Args: "WORKER N [everywhere] [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "changes how many pairs a worker may have, 0 for no limit; everywhere: at all proxies that share the store", run: maxconn,
		},
		{
			Name: "ADD", Args: "WORKER ENDPOINT [weight=N] [max=N] [max-handshakes=N] [source=IP,...] [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help:      "adds a worker that listens",
			Completes: []Completion{{Arg: "WORKER", Offer: OfferNothing}}, // a name that is new
			run:       add,
		},
		{
			Name: "REMOVE", Args: "WORKER [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "takes a worker out, its pairs go on; not one that dials in and would be back", run: remove,
		},
		{
			Name: "KICK", Args: "pair|client|worker WHICH [pool=NAME]", Level: wire.Operator, Logged: Logged, Web: true,
			Help:      "ends a pair or client, by id, IP:PORT or identity, or all pairs of a worker",
			Completes: []Completion{{Arg: "WHICH", After: "worker", Offer: OfferWorkers}},
			run:       kick,
		},
		rebalanceVerb(),
		{
			Name: "LAMEDUCK", Args: "on|off [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "on: /readyz says no, and clients are served, so that a balancer sends them elsewhere; off: back; without a pool, all of them", run: lameDuck,
		},
		{
			Name: "RELOAD", Level: wire.Operator, Logged: Logged, Timeout: reloadTimeout,
			Help: "reads the configuration file again: all of it comes into force, or nothing", run: reload,
		},
		{
			Name: "UPGRADE", Level: wire.Operator, Logged: Logged, Timeout: upgradeTimeout,
			Help: "starts the program that is now at the proxy's path and hands everything over to it, open pairs included, or nothing", run: upgrade,
		},
		{
			Name: "LOGLEVEL", Args: "[LEVEL]", Level: wire.Operator, Logged: LoggedArgs,
			Help: "tells, or sets, the log's level: debug, info, warn or error, in any case", run: loglevel,
		},
		{
			Name: "SHUTDOWN", Args: "[DEADLINE]", Level: wire.Operator, Logged: Logged,
			Help: "ends the proxy when its pairs have ended, or at the deadline (30s, 5m); tells the seconds left: of several the earliest counts", run: shutdown,
		},
	}
}

// on runs f on the pool that is meant, for verbs with nothing to tell.
func (c *call) on(code wire.Code, f func(p *stream.Pool) error) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	if err := f(pool); err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(code, nil)
}

func hint(c *call) (wire.Reply, error) {
	h, err := c.greeting(c.arg(0))
	if err != nil {
		return wire.Reply{}, err
	}
	if a, said := c.options["address"]; said {
		if h.Endpoint != "" {
			return wire.Reply{}, wire.Errorf(wire.Malformed, "either endpoint= or address=")
		}
		if h.Address, err = address(a); err != nil {
			return wire.Reply{}, err
		}
	}
	return c.on(wire.OK, func(p *stream.Pool) error { return p.Hint(c.ctx, h) })
}

func unhint(c *call) (wire.Reply, error) {
	return c.on(wire.OK, func(p *stream.Pool) error {
		return found(p.Unhint(c.ctx, c.arg(0)))(wire.NotFound, "nothing is held of %q", c.arg(0))
	})
}

// found turns a no into a refusal.
func found(yes bool, err error) func(wire.Code, string, ...any) error {
	return func(code wire.Code, format string, args ...any) error {
		if err == nil && !yes {
			return wire.Errorf(code, format, args...)
		}
		return err
	}
}

func pin(c *call) (wire.Reply, error) {
	if c.arg(1) == "" {
		return wire.Reply{}, wire.Errorf(wire.Malformed, "to which worker? UNPIN ends a pin")
	}
	if _, err := names(c.arg(1)); err != nil {
		return wire.Reply{}, err
	}
	return c.pinned(c.arg(1), 2)
}

func unpin(c *call) (wire.Reply, error) { return c.pinned("", 1) }

func (c *call) pinned(workers string, place int) (wire.Reply, error) {
	if err := name("identity", c.arg(0)); err != nil {
		return wire.Reply{}, err
	}
	return c.steered(pairing.Steering{Identity: c.arg(0), Register: pairing.RegisterPin, Workers: workers}, place)
}

func drain(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	code, where, err := c.steer(pool, c.word(pairing.RegisterState, int(pairing.Draining)), 1)
	if err != nil {
		return wire.Reply{}, err
	}
	s, err := pool.Snapshot(c.ctx)
	if err != nil {
		return wire.Reply{}, err
	}
	for _, w := range s.Workers {
		if w.Name == c.arg(0) && w.Pairs+w.Dialling > 0 {
			return wire.NewReply(wire.Accepted, wire.Drained{Pairs: w.Pairs + w.Dialling, Everywhere: where})
		}
	}
	return wire.NewReply(code, wire.Drained{Everywhere: where})
}

func maintain(c *call) (wire.Reply, error) {
	return c.steered(c.word(pairing.RegisterState, int(pairing.Maintenance)), 1)
}

func enable(c *call) (wire.Reply, error) {
	return c.steered(c.word(pairing.RegisterState, int(pairing.Ready)), 1)
}

func weigh(c *call) (wire.Reply, error) {
	n, err := number("weight", c.arg(1), 1, pairing.MaxWeight)
	if err != nil {
		return wire.Reply{}, err
	}
	return c.steered(c.word(pairing.RegisterWeight, n), 2)
}

func maxconn(c *call) (wire.Reply, error) {
	n, err := number("maximum", c.arg(1), 0, pairing.MostPairs)
	if err != nil {
		return wire.Reply{}, err
	}
	return c.steered(c.word(pairing.RegisterMaxPairs, n), 2)
}

func add(c *call) (wire.Reply, error) {
	if err := name("worker", c.arg(0)); err != nil {
		return wire.Reply{}, err
	}
	w := pairing.WorkerConfig{Name: c.arg(0), Endpoint: c.arg(1)}
	var err error
	if w.Weight, err = c.number("weight", 1, 1, pairing.MaxWeight); err != nil {
		return wire.Reply{}, err
	}
	if w.MaxPairs, err = c.number("max", 0, 0, pairing.MostPairs); err != nil {
		return wire.Reply{}, err
	}
	if w.MaxHandshakes, err = c.number("max-handshakes", 0, 0, pairing.MostPairs); err != nil {
		return wire.Reply{}, err
	}
	w.Source = c.options["source"]
	if err := stream.CheckSources(w); err != nil {
		return wire.Reply{}, wire.Errorf(wire.Malformed, "source: %v", err)
	}
	return c.on(wire.OK, func(p *stream.Pool) error { return p.AddWorker(c.ctx, w) })
}

func remove(c *call) (wire.Reply, error) {
	return c.on(wire.OK, func(p *stream.Pool) error { return p.RemoveWorker(c.ctx, c.arg(0)) })
}

func kick(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	kind := c.arg(0)
	if kind == "worker" {
		return c.on(wire.OK, func(p *stream.Pool) error { return p.KickWorker(c.ctx, c.arg(1)) })
	}
	targets, err := c.targets(pool, kind == "pair")
	if err != nil {
		return wire.Reply{}, err
	}
	var kicked wire.Kicked
	for _, id := range targets {
		p, err := pool.Kick(c.ctx, id)
		if err != nil {
			return wire.Reply{}, err
		}
		if p != nil {
			kicked.Clients = append(kicked.Clients, ClientOf(*p))
		}
	}
	if len(kicked.Clients) == 0 {
		return wire.Reply{}, wire.Errorf(wire.NotFound, "no %s %q", kind, c.arg(1))
	}
	return wire.NewReply(wire.OK, kicked)
}

// targets are the connections that KICK means: an id, a far end, or an identity.
func (c *call) targets(pool *stream.Pool, paired bool) (ids []pairing.PeerID, err error) {
	which := c.arg(1)
	if n, err := strconv.ParseUint(which, 10, 64); err == nil {
		return []pairing.PeerID{pairing.PeerID(n)}, nil
	}
	var peers []pairing.PeerInfo
	if e, err := farEnd(which); err == nil {
		p, err := pool.Find(c.ctx, e)
		if err != nil {
			return nil, err
		}
		if p != nil {
			peers = append(peers, *p)
		}
	} else {
		info, err := pool.Identity(c.ctx, which)
		if err != nil {
			return nil, err
		}
		if info != nil {
			peers = info.Peers
		}
	}
	for _, p := range peers {
		if (p.Client || paired) && (p.Partner != 0 || !paired) {
			ids = append(ids, p.ID)
		}
	}
	return ids, nil
}

func lameDuck(c *call) (wire.Reply, error) {
	pools := c.desk.proxy.Pools
	if _, said := c.options["pool"]; said {
		one, err := c.pool()
		if err != nil {
			return wire.Reply{}, err
		}
		pools = []*stream.Pool{one}
	}
	on := c.arg(0) == "on"
	if ending := c.desk.proxy.Ending; !on && ending != nil && ending() {
		return wire.Reply{}, wire.Errorf(wire.Conflict, "the proxy was told to end, and is not ready any more")
	}
	for _, p := range pools {
		p.SetLameDuck(on)
	}
	return wire.NewReply(wire.OK, nil)
}

func reload(c *call) (wire.Reply, error) {
	if err := c.desk.proxy.Reload(c.ctx); err != nil {
		return wire.Reply{}, wire.Errorf(wire.Conflict, "nothing has changed: %s", firstLine(err.Error()))
	}
	return wire.NewReply(wire.OK, nil)
}

func upgrade(c *call) (wire.Reply, error) {
	if err := c.desk.proxy.Upgrade(c.ctx); err != nil {
		return wire.Reply{}, wire.Errorf(wire.Conflict, "nothing has changed: %s", firstLine(err.Error()))
	}
	return wire.NewReply(wire.OK, nil)
}

// LogLevels are the levels that the log can have, by the names that users write.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

func loglevel(c *call) (wire.Reply, error) {
	if len(c.args) > 0 {
		level := strings.ToLower(c.arg(0))
		if err := word("level", level, LogLevels()...); err != nil {
			return wire.Reply{}, err
		}
		var l slog.Level
		_ = l.UnmarshalText([]byte(level)) // word has left nothing that could fail
		c.desk.proxy.Level.Set(l)
	}
	return wire.NewReply(wire.OK, wire.LogLevel{Level: c.desk.proxy.Level.Level()})
}

func shutdown(c *call) (wire.Reply, error) {
	deadline := time.Duration(-1)
	if s := c.arg(0); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return wire.Reply{}, wire.Errorf(wire.Malformed, "%q is no deadline (such as 30s or 5m)", s)
		}
		deadline = d
	}
	left, err := c.desk.proxy.Shutdown(deadline)
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(wire.Accepted, wire.Deadline{Deadline: wire.InSeconds(left)})
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
