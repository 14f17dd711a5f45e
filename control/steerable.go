package control

import (
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// steerable answers a single frame that is a word of zmq_proxy_steerable(3) the
// way that libzmq's proxy does, and says whether it was one. Whoever may not say
// it, or for whom it fails, gets a reply of the usual form.
func steerable(c *call, verb string, frames [][]byte) ([]any, bool) {
	if len(frames) != 1 || c.caller.level < wire.Operator {
		return nil, false
	}
	switch verb {
	case "PAUSE", "RESUME", "TERMINATE":
		if _, err := c.server.verbs[verb].run(c); err != nil {
			return nil, false
		}
		return wire.Acknowledgement(), true
	case "STATISTICS":
		all, err := c.traffic()
		if err != nil {
			return nil, false
		}
		return all.Frames(), true
	}
	return nil, false
}

// traffic is that of all pools.
func (c *call) traffic() (all wire.Statistics, err error) {
	for _, p := range c.server.proxy.Pools {
		in, out, err := p.Traffic(c.ctx)
		if err != nil {
			return all, err
		}
		all.In.Chunks, all.In.Bytes = all.In.Chunks+in.Chunks, all.In.Bytes+in.Bytes
		all.Out.Chunks, all.Out.Bytes = all.Out.Chunks+out.Chunks, all.Out.Bytes+out.Bytes
	}
	return all, nil
}

func (c *call) each(f func(*stream.Pool) error) (wire.Reply, error) {
	for _, p := range c.server.proxy.Pools {
		if err := f(p); err != nil {
			return wire.Reply{}, err
		}
	}
	return wire.NewReply(wire.OK, nil)
}

func pause(c *call) (wire.Reply, error) {
	return c.each(func(p *stream.Pool) error { return p.Pause(c.ctx) })
}

func resume(c *call) (wire.Reply, error) {
	return c.each(func(p *stream.Pool) error { return p.Resume(c.ctx) })
}

func terminate(c *call) (wire.Reply, error) {
	c.server.proxy.Shutdown(0)
	return wire.NewReply(wire.OK, nil)
}

func statistics(c *call) (wire.Reply, error) {
	all, err := c.traffic()
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(wire.OK, all)
}
