package control

import (
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func peerVerbs() []Verb {
	return []Verb{
		{"PING", "", Peer, "is answered", ping},
		{
			"HELLO", "client|worker IDENTITY [endpoint=IP:PORT] [prefer=W1,W2,...] [weight=N] [pool=NAME]", Peer,
			"this identity belongs to the connection with that far end; without endpoint, to the next client, or to all workers' connections, from the caller's address", hello,
		},
		{"HEARTBEAT", "IDENTITY [pool=NAME]", Peer, "renews the lease; tells its ttl and, when paired, the worker", nil},
		{"BYE", "IDENTITY [pool=NAME]", Peer, "ends the identity's connections and forgets what it said", bye},
		{"WHOIS", "IP:PORT [pool=NAME]", Peer, "whom a worker's connection serves: the client's address, identity, since when", whois},
	}
}

func ping(*call) (Reply, error) { return reply(OK, nil) }

// greeting reads what HELLO and HINT say of an identity.
func (c *call) greeting(identity string) (h pairing.Hint, err error) {
	h.Identity, h.Source = identity, c.source()
	if err := name("identity", identity); err != nil {
		return h, err
	}
	if h.Prefer, err = names(c.options["prefer"]); err != nil {
		return h, err
	}
	if e, said := c.options["endpoint"]; said {
		h.Endpoint, err = endpoint(e)
	}
	return h, err
}

func hello(c *call) (Reply, error) {
	h, err := c.greeting(c.arg(1))
	if err != nil {
		return Reply{}, err
	}
	switch c.arg(0) {
	case "client":
		if _, said := c.options["weight"]; said {
			return Reply{}, refuse(Malformed, "weight= is a worker's")
		}
	case "worker":
		h.Worker = true
		if h.Weight, err = c.number("weight", 0, 1, pairing.MaxWeight); err != nil {
			return Reply{}, err
		}
		if h.Prefer != nil {
			return Reply{}, refuse(Malformed, "prefer= is a client's")
		}
	default:
		return Reply{}, refuse(Malformed, "HELLO client or HELLO worker, not %q", c.arg(0))
	}
	if h.Endpoint == "" {
		h.Address = stream.SourceAddress(c.caller.address)
	} else if !c.owns(stream.HostOf(h.Endpoint)) {
		return Reply{}, refuse(Forbidden, "%s is not a connection of yours: you are %s", h.Endpoint, c.caller.address)
	}
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	err = pool.Hello(c.ctx, h, func(info *pairing.IdentityInfo, listens bool) error {
		switch {
		case !c.ownsAll(info):
			return refuse(Conflict, "identity %q belongs to a connection of another address", h.Identity)
		case info != nil && len(info.Peers) == pairing.MaxPeers:
			return refuse(Conflict, "identity %q has %d connections already", h.Identity, pairing.MaxPeers)
		case h.Worker && listens:
			return refuse(Conflict, "worker %q is one that the proxy dials, its name is taken", h.Identity)
		}
		return nil
	})
	if err != nil {
		return Reply{}, err
	}
	c.caller.speaksFor(pool, h.Identity)
	return c.leased(pool, h.Identity)
}

// lease is what HELLO and HEARTBEAT tell.
type lease struct {
	Identity string `json:"identity"`
	// TTL is in seconds, 0 when heartbeats do not matter.
	TTL Seconds `json:"ttl"`
	// Worker of the newest connection, "" while it is not paired.
	Worker string `json:"worker,omitempty"`
}

func (c *call) leased(pool *stream.Pool, identity string) (Reply, error) {
	info, err := pool.Identity(c.ctx, identity)
	if err != nil {
		return Reply{}, err
	}
	return leaseOf(identity, info)
}

func leaseOf(identity string, info *pairing.IdentityInfo) (Reply, error) {
	l := lease{Identity: identity}
	if info != nil {
		l.TTL = seconds(info.TTL)
		newest := pairing.PeerID(0)
		for _, p := range info.Peers {
			if p.ID > newest {
				newest, l.Worker = p.ID, p.Worker
			}
		}
	}
	return reply(OK, l)
}

// judge lets a peer speak for identities of its own address only.
func (c *call) judge(identity string) stream.Judge {
	return func(info *pairing.IdentityInfo, _ bool) error {
		switch {
		case info == nil:
			return refuse(NotFound, "nobody is %q: say HELLO first", identity)
		case !c.ownsAll(info):
			return refuse(Forbidden, "identity %q belongs to a connection of another address", identity)
		}
		return nil
	}
}

func bye(c *call) (Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	if err := pool.Bye(c.ctx, c.arg(0), c.judge(c.arg(0))); err != nil {
		return Reply{}, err
	}
	c.caller.silent(pool, c.arg(0))
	return reply(OK, nil)
}

func whois(c *call) (Reply, error) {
	e, err := endpoint(c.arg(0))
	if err != nil {
		return Reply{}, err
	}
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	a, err := pool.Whois(c.ctx, e)
	switch {
	case err != nil:
		return Reply{}, err
	case a == nil:
		return Reply{}, refuse(NotFound, "%s is no connection of a worker", e)
	case !c.owns(a.Host):
		return Reply{}, refuse(Forbidden, "%s is not a connection of yours: you are %s", e, c.caller.address)
	case a.Client.ID == 0:
		return Reply{}, refuse(NotFound, "%s serves nobody", e)
	}
	return reply(OK, struct {
		Client   string  `json:"client"`
		Address  string  `json:"address"`
		Identity string  `json:"identity,omitempty"`
		Since    Seconds `json:"since"` // seconds since it was paired
	}{a.Client.Origin.Endpoint, a.Client.Origin.Address, a.Client.Identity, seconds(a.Client.Paired)})
}
