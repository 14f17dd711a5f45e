package control

import (
	"net/netip"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

func peerVerbs() []Verb {
	return []Verb{
		{Name: "PING", Level: wire.Peer, Help: "is answered", run: ping},
		{
			Name: "HELLO", Args: "client|worker IDENTITY [endpoint=IP:PORT] [prefer=W1,W2,...] [weight=N] [max=N] [pool=NAME]", Level: wire.Peer,
			Help: "this identity belongs to the connection with that far end; without endpoint, from the caller's address, to the only client without a name, or else the next, or to all workers' connections; 409 when it cannot be known which",
			run:  hello,
		},
		{
			Name: "HEARTBEAT", Args: "IDENTITY [pool=NAME]", Level: wire.Peer, Batched: true,
			Help: "renews the lease; tells its ttl and, when paired, the worker", run: heartbeat,
		},
		{
			Name: "BYE", Args: "IDENTITY [pool=NAME]", Level: wire.Peer,
			Help: "ends the identity's connections and forgets what it said", run: bye,
		},
		{
			Name: "WHOIS", Args: "IP[:PORT] [pool=NAME]", Level: wire.Peer,
			Help: "whom a worker's connection serves: the client's address, identity, since when; without a port by client-addresses, of several connections the newest", run: whois,
		},
	}
}

func ping(*call) (wire.Reply, error) { return wire.NewReply(wire.OK, nil) }

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
		h.Endpoint, err = farEnd(e)
	}
	return h, err
}

func hello(c *call) (wire.Reply, error) {
	h, err := c.greeting(c.arg(1))
	if err != nil {
		return wire.Reply{}, err
	}
	h.Worker = c.arg(0) == "worker" // else it is a client
	_, weighed := c.options["weight"]
	_, bounded := c.options["max"]
	switch {
	case h.Worker && h.Prefer != nil:
		return wire.Reply{}, wire.Errorf(wire.Malformed, "prefer= is a client's")
	case !h.Worker && weighed:
		return wire.Reply{}, wire.Errorf(wire.Malformed, "weight= is a worker's")
	case !h.Worker && bounded:
		return wire.Reply{}, wire.Errorf(wire.Malformed, "max= is a worker's")
	}
	if h.Weight, err = c.number("weight", 0, 1, pairing.MaxWeight); err != nil {
		return wire.Reply{}, err
	}
	if h.MaxPairs, err = c.number("max", 0, 1, 1<<30); err != nil {
		return wire.Reply{}, err
	}
	if h.Endpoint == "" {
		h.Address = stream.SourceAddress(c.caller.address)
	} else if !c.owns(stream.HostOf(h.Endpoint)) {
		return wire.Reply{}, wire.Errorf(wire.Forbidden, "%s is not a connection of yours: you are %s", h.Endpoint, c.caller.address)
	}
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	err = pool.Hello(c.ctx, h, func(info *pairing.IdentityInfo, listens bool) error {
		switch {
		case !c.ownsAll(info):
			return wire.Errorf(wire.Conflict, "identity %q belongs to a connection of another address", h.Identity)
		case info != nil && len(info.Peers) == pairing.MaxPeers:
			return wire.Errorf(wire.Conflict, "identity %q has %d connections already", h.Identity, pairing.MaxPeers)
		case h.Worker && listens:
			return wire.Errorf(wire.Conflict, "worker %q is one that the proxy dials, its name is taken", h.Identity)
		}
		return nil
	})
	if err != nil {
		return wire.Reply{}, err
	}
	c.caller.speaksFor(pool, h.Identity)
	return c.leased(pool, h.Identity)
}

func (c *call) leased(pool *stream.Pool, identity string) (wire.Reply, error) {
	info, err := pool.Identity(c.ctx, identity)
	if err != nil {
		return wire.Reply{}, err
	}
	return leaseOf(identity, info)
}

func leaseOf(identity string, info *pairing.IdentityInfo) (wire.Reply, error) {
	l := wire.Lease{Identity: identity}
	if info != nil {
		l.TTL = wire.InSeconds(info.TTL)
		newest := pairing.PeerID(0)
		for _, p := range info.Peers {
			if p.ID > newest {
				newest, l.Worker = p.ID, p.Worker
			}
		}
	}
	return wire.NewReply(wire.OK, l)
}

// permit lets a peer speak for identities of its own address only.
func (c *call) permit(identity string) stream.Permit {
	return func(info *pairing.IdentityInfo, _ bool) error {
		switch {
		case info == nil:
			return wire.Errorf(wire.NotFound, "nobody is %q: say HELLO first", identity)
		case !c.ownsAll(info):
			return wire.Errorf(wire.Forbidden, "identity %q belongs to a connection of another address", identity)
		}
		return nil
	}
}

func bye(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	if err := pool.Bye(c.ctx, c.arg(0), c.permit(c.arg(0))); err != nil {
		return wire.Reply{}, err
	}
	c.caller.silent(pool, c.arg(0))
	return wire.NewReply(wire.OK, nil)
}

func whois(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	var a *stream.Whois
	e := c.arg(0)
	if ip, isAddress := netip.ParseAddr(e); isAddress == nil {
		a, err = pool.WhoisAddress(c.ctx, ip.Unmap(), c.owns)
	} else if e, err = farEnd(e); err == nil {
		a, err = pool.Whois(c.ctx, e)
	}
	switch {
	case err != nil:
		return wire.Reply{}, err
	case a == nil:
		return wire.Reply{}, wire.Errorf(wire.NotFound, "%s is no connection of a worker", e)
	case !c.owns(a.Host):
		return wire.Reply{}, wire.Errorf(wire.Forbidden, "%s is not a connection of yours: you are %s", e, c.caller.address)
	case a.Client.ID == 0:
		return wire.Reply{}, wire.Errorf(wire.NotFound, "%s serves nobody", e)
	}
	return wire.NewReply(wire.OK, wire.Known{
		Client: a.Client.Origin.Endpoint, Address: a.Client.Origin.Address, Identity: a.Client.Identity,
		Since: wire.InSeconds(a.Client.Paired), Balancer: balancer(a.Balancer), Connections: a.Connections,
	})
}
