package control

import (
	"encoding/binary"

	"github.com/streamq/streamq-proxy/stream"
)

// steerable answers a single frame that is a word of zmq_proxy_steerable(3) the
// way that libzmq's proxy does, and says whether it was one. Whoever may not say
// it, or for whom it fails, gets a reply of the usual form.
func steerable(c *call, verb string, frames [][]byte) ([]any, bool) {
	if len(frames) != 1 || c.caller.level < Operator {
		return nil, false
	}
	switch verb {
	case "PAUSE", "RESUME", "TERMINATE":
		if _, err := c.server.verbs[verb].run(c); err != nil {
			return nil, false
		}
		return []any{[]byte{}}, true
	case "STATISTICS":
		in, out, err := c.traffic()
		if err != nil {
			return nil, false
		}
		// Frontend received and sent, then the backend likewise.
		var answer []any
		for _, t := range [...]stream.Traffic{in, out, out, in} {
			for _, n := range [...]uint64{t.Chunks, t.Bytes} {
				answer = append(answer, binary.NativeEndian.AppendUint64(nil, n))
			}
		}
		return answer, true
	}
	return nil, false
}

// traffic is that of all pools.
func (c *call) traffic() (in, out stream.Traffic, err error) {
	for _, p := range c.server.proxy.Pools {
		i, o, err := p.Traffic(c.ctx)
		if err != nil {
			return in, out, err
		}
		in.Chunks, in.Bytes = in.Chunks+i.Chunks, in.Bytes+i.Bytes
		out.Chunks, out.Bytes = out.Chunks+o.Chunks, out.Bytes+o.Bytes
	}
	return in, out, nil
}

func (c *call) each(f func(*stream.Pool) error) (Reply, error) {
	for _, p := range c.server.proxy.Pools {
		if err := f(p); err != nil {
			return Reply{}, err
		}
	}
	return reply(OK, nil)
}

func pause(c *call) (Reply, error) {
	return c.each(func(p *stream.Pool) error { return p.Pause(c.ctx) })
}

func resume(c *call) (Reply, error) {
	return c.each(func(p *stream.Pool) error { return p.Resume(c.ctx) })
}

func terminate(c *call) (Reply, error) {
	c.server.proxy.Shutdown(0)
	return reply(OK, nil)
}

func statistics(c *call) (Reply, error) {
	in, out, err := c.traffic()
	if err != nil {
		return Reply{}, err
	}
	return reply(OK, map[string]stream.Traffic{"in": in, "out": out})
}

// parseSteerable reads the answer to such a word, and says whether it is one.
func parseSteerable(r Request, frames [][]byte) (Reply, bool) {
	if len(r.Args) > 0 {
		return Reply{}, false
	}
	switch r.Verb {
	case "PAUSE", "RESUME", "TERMINATE":
		if len(frames) == 0 || len(frames) == 1 && len(frames[0]) == 0 {
			return Reply{Code: OK, Text: "OK"}, true
		}
	case "STATISTICS":
		if len(frames) != 8 {
			return Reply{}, false
		}
		var n [8]uint64
		for i, f := range frames {
			if len(f) != 8 {
				return Reply{}, false
			}
			n[i] = binary.NativeEndian.Uint64(f)
		}
		answer, err := reply(OK, map[string]stream.Traffic{"in": {Chunks: n[0], Bytes: n[1]}, "out": {Chunks: n[2], Bytes: n[3]}})
		return answer, err == nil
	}
	return Reply{}, false
}
