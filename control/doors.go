package control

import (
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

const (
	standardDoor = time.Minute
	longestDoor  = 24 * time.Hour
	doorOff      = "off"
	doorTTL      = "ttl"
)

func doorVerbs() []Verb {
	return []Verb{
		{
			Name: "DOOR", Args: "IDENTITY [off] [ttl=DURATION] [endpoint=ENDPOINT] [pool=NAME]", Level: wire.Operator, Logged: Logged,
			Help: "opens an endpoint of its own for an identity, and tells it: who comes through it within ttl (1m, at most 24h) has that identity, also behind NAT; " +
				"again: it is open for longer; off: it is shut, and who came through it stays",
			Completes: []Completion{{Arg: "IDENTITY", Offer: OfferDoors}, {Arg: "endpoint", Offer: OfferDoorEndpoints}}, run: door,
		},
		{Name: "DOORS", Args: "[pool=NAME]", Level: wire.Operator, Help: "the doors that are open", run: doors},
	}
}

func door(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	if err := name("identity", c.arg(0)); err != nil {
		return wire.Reply{}, err
	}
	if c.arg(1) == doorOff {
		if c.options[doorTTL] != "" || c.options["endpoint"] != "" {
			return wire.Reply{}, wire.Errorf(wire.Malformed, "off takes neither ttl= nor endpoint=")
		}
		return c.on(wire.OK, func(p *stream.Pool) error { return p.CloseDoor(c.ctx, c.arg(0)) })
	}
	ttl, err := c.span(doorTTL, standardDoor, longestDoor)
	if err != nil {
		return wire.Reply{}, err
	}
	d, err := pool.Door(c.ctx, c.arg(0), c.options["endpoint"], ttl)
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(wire.OK, doorInfo(&d))
}

func doors(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	open, err := pool.Doors(c.ctx)
	if err != nil {
		return wire.Reply{}, err
	}
	all := wire.Doors{Doors: make([]wire.DoorInfo, len(open))}
	for i := range open {
		all.Doors[i] = doorInfo(&open[i])
	}
	return wire.NewReply(wire.OK, all)
}

func doorInfo(d *stream.DoorInfo) wire.DoorInfo {
	info := wire.DoorInfo{Identity: d.Identity, Endpoints: d.Endpoints, Clients: d.Clients}
	if !d.Listed {
		left := wire.InSeconds(d.Left)
		info.Left = &left
	}
	return info
}
