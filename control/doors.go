package control

import (
	"errors"
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
			run: door,
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
		if len(c.options) > 0 && (c.options[doorTTL] != "" || c.options["endpoint"] != "") {
			return wire.Reply{}, wire.Errorf(wire.Malformed, "off takes neither ttl= nor endpoint=")
		}
		return doorReply(stream.DoorInfo{}, pool.CloseDoor(c.ctx, c.arg(0)))
	}
	ttl, err := c.span(doorTTL, standardDoor, longestDoor)
	if err != nil {
		return wire.Reply{}, err
	}
	return doorReply(pool.Door(c.ctx, c.arg(0), c.options["endpoint"], ttl))
}

// doorReply tells of a door that is open, or of nothing.
func doorReply(d stream.DoorInfo, err error) (wire.Reply, error) {
	switch {
	case errors.Is(err, stream.ErrNoDoor):
		return wire.Reply{}, wire.Errorf(wire.NotFound, "%v", err)
	case errors.Is(err, stream.ErrStopped):
		return wire.Reply{}, err
	case err != nil:
		return wire.Reply{}, wire.Errorf(wire.Conflict, "%v", err)
	case d.Identity == "":
		return wire.NewReply(wire.OK, nil)
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
	return wire.DoorInfo{Identity: d.Identity, Endpoints: d.Endpoints, Left: wire.InSeconds(d.Left), Clients: d.Clients}
}
