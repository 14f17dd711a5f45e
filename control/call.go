package control

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// call is one request while it is executed.
type call struct {
	ctx     context.Context
	server  *Server
	caller  *caller
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
	pools := c.server.proxy.Pools
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
		return nil, refuse(Malformed, "which pool? say pool=%s", strings.Join(names, "|"))
	}
	return nil, refuse(NotFound, "no pool %q, there is %s", wanted, strings.Join(names, ", "))
}

// number is an option that is a whole number from low to high.
func (c *call) number(key string, standard, low, high int) (int, error) {
	s, said := c.options[key]
	if !said {
		return standard, nil
	}
	return number(key, s, low, high)
}

func number(what, s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, refuse(Malformed, "%s: %q is not a number from %d to %d", what, s, low, high)
	}
	return n, nil
}

// names are the workers of a list W1,W2,...
func names(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	all := strings.Split(list, ",")
	switch {
	case len(all) > MaxPrefer:
		return nil, refuse(Malformed, "the list names %d workers, more than %d", len(all), MaxPrefer)
	case len(list) > MaxList:
		return nil, refuse(Malformed, "the list of workers has %d bytes, more than %d", len(list), MaxList)
	}
	for _, n := range all {
		if err := name("worker", n); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// endpoint is IP:PORT in its one spelling, with an optional tcp:// before it and
// brackets also around IPv4.
func endpoint(s string) (string, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s, "tcp://"))
	ip, badIP := netip.ParseAddr(host)
	n, badPort := strconv.ParseUint(port, 10, 16)
	if err != nil || badIP != nil || badPort != nil || n == 0 {
		return "", refuse(Malformed, "%q is not IP:PORT", s)
	}
	return netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(n)).String(), nil
}

// address is a source in its one spelling: an IP or, of who connects over ipc,
// localhost:UID:GID:PID, which is what libzmq calls it.
func address(s string) (string, error) {
	_, err := netip.ParseAddr(s)
	if err != nil && !isProcess(s) {
		return "", refuse(Malformed, "address: %q is no IP, nor localhost:UID:GID:PID", s)
	}
	return stream.SourceAddress(s), nil
}

func isProcess(s string) bool {
	ids, isLocal := strings.CutPrefix(s, "localhost:")
	parts := strings.Split(ids, ":")
	return isLocal && len(parts) == 3 && !slices.ContainsFunc(parts, func(id string) bool {
		_, err := strconv.ParseUint(id, 10, 32)
		return err != nil
	})
}

// owns says whether a caller may speak for a host: an operator for all, a peer
// for its own. All loopback addresses are one host.
func (c *call) owns(host string) bool {
	return c.caller.level == Operator || sameHost(c.caller.address, host)
}

// source is whose share of what is held a caller uses up, "" for an operator.
// This machine has one share, although it has millions of loopback addresses.
func (c *call) source() string {
	ip, err := netip.ParseAddr(c.caller.address)
	switch {
	case c.caller.level == Operator:
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
