package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// ParseDoor reads IDENTITY=ENDPOINT.
func ParseDoor(s string) (Door, error) {
	at := strings.LastIndex(s, "=") // an identity may have one
	if at <= 0 {
		return Door{}, fmt.Errorf("%q is no IDENTITY=ENDPOINT", s)
	}
	return Door{Identity: s[:at], Endpoint: s[at+1:]}, nil
}

func (c *checker) doors(i int, p *Pool, cfg *stream.Config) {
	cfg.DoorMax = c.number(i, "door-max", p.DoorMax, cfg.DoorMax, 0, stream.MaxDoorMax)
	for k, d := range p.Doors {
		setting := func(of string) string { return fmt.Sprintf("doors[%d].%s", k, of) }
		same := func(o Door) bool { return o.Identity == d.Identity }
		if first := slices.IndexFunc(p.Doors, same); first < k {
			c.add(i, setting("identity"), fmt.Sprintf("%q has a door already", d.Identity))
		}
		c.fail(i, setting("identity"), pairing.CheckName("identity", d.Identity))
		ep, err := endpoint.Parse(d.Endpoint)
		if err == nil && !ep.Addressed() {
			err = fmt.Errorf("%q has no port, as a door has", d.Endpoint)
		}
		c.fail(i, setting("endpoint"), plain(err))
		cfg.Doors = append(cfg.Doors, stream.DoorConfig{Identity: d.Identity, Endpoint: d.Endpoint})
	}
	if len(cfg.Doors) > cfg.DoorMax {
		c.add(i, "doors", fmt.Sprintf("there are %d, and door-max is %d", len(cfg.Doors), cfg.DoorMax))
	}
}

func doorEndpoints(doors []stream.DoorConfig) (all []string) {
	for _, d := range doors {
		all = append(all, d.Endpoint)
	}
	return all
}
