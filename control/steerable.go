package control

import (
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// steerableVerbs are the words of zmq_proxy_steerable(3).
func steerableVerbs() []Verb {
	return []Verb{
		{
			Name: "PAUSE", Level: wire.Operator, Logged: Logged, Web: true, Steerable: true,
			Help: "stops reading all connections; as a single word it is zmq_proxy_steerable's", run: pause,
		},
		{
			Name: "RESUME", Level: wire.Operator, Logged: Logged, Web: true, Steerable: true,
			Help: "goes on after PAUSE", run: resume,
		},
		{
			Name: "TERMINATE", Level: wire.Operator, Logged: Logged, Steerable: true,
			Help: "ends the proxy at once", run: terminate,
		},
		{
			Name: "STATISTICS", Level: wire.Operator, Steerable: true,
			Help: "messages and bytes that went through: eight native 64-bit numbers", run: statistics,
		},
	}
}

// traffic is that of all pools.
func (c *call) traffic() (all wire.Statistics, err error) {
	for _, p := range c.desk.proxy.Pools {
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
	for _, p := range c.desk.proxy.Pools {
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
	if _, err := c.desk.proxy.Shutdown(0); err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(wire.OK, nil)
}

func statistics(c *call) (wire.Reply, error) {
	all, err := c.traffic()
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(wire.OK, all)
}
