package control

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// call is one request while it is executed.
type call struct {
	ctx     context.Context
	desk    *desk
	server  *Server // nil for who does not come by the control socket
	caller  *caller
	message message
	verb    *Verb // nil when there is none of that name
	args    []string
	options map[string]string
}

// arg is a positional argument, "" when it was left out.
func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// pool is the one that is meant.
func (c *call) pool() (*stream.Pool, error) {
	pools := c.desk.proxy.Pools
	wanted, said := c.options["pool"]
	if !said && len(pools) == 1 {
		return pools[0], nil
	}
	names := make([]string, 0, len(pools))
	for _, p := range pools {
		if p.Name() == wanted {
			return p, nil
		}
		names = append(names, p.Name())
	}
	if !said {
		return nil, wire.Errorf(wire.Malformed, "which pool? say pool=%s", strings.Join(names, "|"))
	}
	return nil, wire.Errorf(wire.NotFound, "no pool %q, there is %s", wanted, strings.Join(names, ", "))
}

// number is an option that is a whole number from low to high.
func (c *call) number(key string, standard, low, high int) (int, error) {
	s, said := c.options[key]
	if !said {
		return standard, nil
	}
	return number(key, s, low, high)
}

// span is a time above 0 that an option says, whole nanoseconds to longest.
func (c *call) span(key string, standard, longest time.Duration) (time.Duration, error) {
	s, said := c.options[key]
	if !said {
		return standard, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > longest {
		return 0, wire.Errorf(wire.Malformed, "%s=%q is no time above 0s and up to %v (such as 30s or 5m)", key, s, longest)
	}
	return d, nil
}

// owns says whether a caller may speak for a host: an operator for all, a peer
// for its own. All loopback addresses are one host.
func (c *call) owns(host string) bool {
	return c.caller.level == wire.Operator || sameHost(c.caller.address, host)
}

// source is whose share of what is held a caller uses up, "" for an operator.
// This machine has one share, although it has millions of loopback addresses.
func (c *call) source() string {
	ip, err := netip.ParseAddr(c.caller.address)
	switch {
	case c.caller.level == wire.Operator:
		return ""
	case err != nil || ip.Unmap().IsLoopback():
		return "localhost"
	}
	return stream.SourceAddress(c.caller.address)
}

func sameHost(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX != nil || errY != nil {
		return a == b && a != ""
	}
	x, y = x.Unmap().WithZone(""), y.Unmap().WithZone("")
	return x == y || x.IsLoopback() && y.IsLoopback()
}

// ownsAll says whether the caller may speak for all connections of an identity.
func (c *call) ownsAll(info *pairing.IdentityInfo) bool {
	if info == nil {
		return true
	}
	for _, p := range info.Peers {
		host := stream.HostOf(p.Origin.Endpoint)
		if host == "" {
			host = p.Origin.Address
		}
		if !c.owns(host) {
			return false
		}
	}
	return true
}
