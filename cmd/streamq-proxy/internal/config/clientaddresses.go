package config

import (
	"fmt"

	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// clientAddresses reads what workers are to see of clients, and finds what cannot be
// together with it.
func (c *checker) clientAddresses(i int, p *Pool, cfg *stream.Config) {
	const setting = "client-addresses"
	s, err := clientaddr.Parse(p.ClientAddresses)
	if c.fail(i, setting, err) || !s.Some() {
		return
	}
	cfg.ClientAddresses = s
	if len(p.Source) > 0 {
		c.add(i, setting, "workers are dialled from the clients' addresses, and source has none to choose from: say one of the two")
	}
	if len(p.Workers) == 0 && p.WorkersFile == "" {
		c.add(i, setting, "the pool dials no worker: one that dials in comes from its own address (streamq-proxy agent --client-addresses has the same for the worker beside it)")
	}
	for k, w := range p.Workers {
		if len(w.Source) > 0 {
			c.add(i, fmt.Sprintf("workers[%d].source", k), "by client-addresses workers are dialled from the clients' addresses: say one of the two")
		}
	}
	for k, w := range cfg.Workers {
		if err := stream.CheckClientAddressesOf(s, w); err != nil {
			c.add(i, fmt.Sprintf("workers[%d].endpoint", k), err.Error())
		}
	}
	for k, e := range cfg.Frontend {
		if ep, err := endpoint.Parse(e); err == nil && !ep.Addressed() && s.Transparent && !cfg.SendersAt(k).IPC {
			c.add(i, fmt.Sprintf("frontend[%d]", k), "clients over ipc have no address of their own, which client-addresses: transparent is to show")
		}
	}
}

// prefixes finds those of two pools that would give one address to two clients.
func (c *checker) prefixes(pools []stream.Config) {
	for i, p := range pools {
		for _, other := range pools[:i] {
			a, b := p.ClientAddresses.Prefix, other.ClientAddresses.Prefix
			if a.IsValid() && b.IsValid() && a.Overlaps(b) {
				c.add(i, "client-addresses", fmt.Sprintf("%v has addresses of %v (pool %s)", a, b, other.Name))
			}
		}
	}
}
