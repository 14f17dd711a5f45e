package control

import (
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// everywhere, behind what a verb wants, has its word count at all proxies that share the store.
const everywhere = "everywhere"

// word is about a register of the worker that is meant.
func (c *call) word(r pairing.Register, value int) pairing.Steering {
	return pairing.Steering{Worker: c.arg(0), Register: r, Said: pairing.Said{Value: value}}
}

// steer has a word count in a pool, everywhere if that was said as the argument of this place. Then
// where says what has become of it: it was told to the store, or is queued for when that is back.
func (c *call) steer(pool *stream.Pool, w pairing.Steering, place int) (code wire.Code, where string, err error) {
	if c.arg(place) != everywhere {
		_, err := pool.Steer(c.ctx, w)
		return wire.OK, "", err
	}
	if c.desk.proxy.Everywhere == nil {
		return 0, "", ErrAlone
	}
	switch told, err := c.desk.proxy.Everywhere(c.ctx, pool, w); {
	case err != nil:
		return 0, "", err
	case told:
		return wire.OK, wire.Told, nil
	}
	return wire.Accepted, wire.Queued, nil
}

// steered is the reply of a verb whose word counts, and that has nothing else to tell.
func (c *call) steered(w pairing.Steering, place int) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	code, where, err := c.steer(pool, w, place)
	switch {
	case err != nil:
		return wire.Reply{}, err
	case where == "":
		return wire.NewReply(code, nil)
	}
	return wire.NewReply(code, wire.Steered{Everywhere: where})
}
