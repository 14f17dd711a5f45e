package config

import (
	"fmt"
	"strings"

	"github.com/streamq/streamq-proxy/stream"
)

// Frontend is an endpoint where clients connect: in a file either that alone, or a mapping.
type Frontend struct {
	Endpoint string `yaml:"endpoint"`
	// AcceptProxy takes the place of the pool's; nil for that, and empty for nobody.
	AcceptProxy []string `yaml:"accept-proxy"`
}

// UnmarshalYAML reads either.
func (f *Frontend) UnmarshalYAML(decode func(any) error) error {
	if decode(&f.Endpoint) == nil {
		return nil
	}
	type mapping Frontend
	return decode((*mapping)(f))
}

// ParseFrontend reads an endpoint as flags spell it: ENDPOINT[,accept-proxy=NET]...,
// of which an empty one is nobody.
func ParseFrontend(s string) Frontend {
	const option = ",accept-proxy="
	all := strings.Split(s, option)
	f := Frontend{Endpoint: all[0]}
	if len(all) > 1 {
		f.AcceptProxy = []string{}
	}
	for _, network := range all[1:] {
		if network != "" {
			f.AcceptProxy = append(f.AcceptProxy, network)
		}
	}
	return f
}

// frontends reads the endpoints, and at which of them who sends PROXY headers.
func (c *checker) frontends(i int, p *Pool, cfg *stream.Config) {
	senders := make([]*stream.ProxySenders, len(p.Frontend))
	for k, f := range p.Frontend {
		cfg.Frontend = append(cfg.Frontend, f.Endpoint)
		if f.AcceptProxy == nil {
			continue
		}
		senders[k] = &stream.ProxySenders{}
		for j, network := range f.AcceptProxy {
			c.fail(i, fmt.Sprintf("frontend[%d].accept-proxy[%d]", k, j), senders[k].Add(network))
		}
		cfg.FrontendSenders = senders
	}
	c.endpoints(i, "frontend", cfg.Frontend)
	for k, network := range p.AcceptProxy {
		c.fail(i, fmt.Sprintf("accept-proxy[%d]", k), cfg.ProxySenders.Add(network))
	}
}
