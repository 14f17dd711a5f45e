package config

import (
	"fmt"

	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// listener is an endpoint that a pool binds.
type listener struct {
	endpoint.Endpoint
	text string
	pool string
}

// across finds what is wrong between pools.
func (c *checker) across(pools []stream.Config) {
	names := map[string]bool{}
	var all []listener
	for i, p := range pools {
		switch {
		case len(pools) > 1 && c.settings.Pools[i].Name == "":
			c.add(i, "", "a pool needs a name where there are several")
		case names[p.Name]:
			c.add(i, "name", fmt.Sprintf("two pools are named %s", p.Name))
		}
		names[p.Name] = true
		for _, list := range []struct {
			setting   string // of its k-th
			endpoints []string
		}{{"frontend[%d]", p.Frontend}, {"backend[%d]", p.Backend}, {"doors[%d].endpoint", doorEndpoints(p.Doors)}} {
			for k, e := range list.endpoints {
				ep, err := endpoint.Parse(e)
				if err != nil {
					continue // is a mistake already
				}
				l := listener{ep, e, p.Name}
				for _, other := range all {
					if l.Meets(other.Endpoint) {
						c.add(i, fmt.Sprintf(list.setting, k), l.conflict(other))
						break
					}
				}
				all = append(all, l)
			}
		}
	}
}

func (l listener) conflict(other listener) string {
	whose := ""
	if other.pool != l.pool {
		whose = fmt.Sprintf(" (pool %s)", other.pool)
	}
	if l.text == other.text {
		return fmt.Sprintf("%s is named twice%s", l.text, whose)
	}
	return fmt.Sprintf("%s takes the place of %s%s", l.text, other.text, whose)
}
