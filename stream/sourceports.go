package stream

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/sockdiag"
)

// SourcePorts are how many ports connections to one address and port may have from
// one address of this machine: net.ipv4.ip_local_port_range less
// net.ipv4.ip_local_reserved_ports (ip(7)).
func SourcePorts() (int, error) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, err
	}
	var low, high int
	if _, err := fmt.Sscan(string(text), &low, &high); err != nil || low > high {
		return 0, fmt.Errorf("%q is no range of ports", text)
	}
	reserved, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
	if err != nil { // a kernel without them
		reserved = nil
	}
	return high - low + 1 - portsOf(strings.TrimSpace(string(reserved)), low, high), nil
}

// portsOf counts the ports within bounds of a list such as "8080,9000-9100", which
// the kernel writes in ascending order.
func portsOf(list string, low, high int) (n int) {
	for _, one := range strings.Split(list, ",") {
		var from, to int
		switch k, _ := fmt.Sscanf(one, "%d-%d", &from, &to); k {
		case 0:
			continue
		case 1:
			to = from
		}
		n += max(0, min(to, high)-max(from, low)+1)
	}
	return n
}

// PortsInUse counts the ports that connections from this machine to each of these
// workers have: all of its addresses count for themselves, and the one with the most for
// a name. The connections of other processes count, and those that have ended a minute
// ago (TIME_WAIT), for the kernel gives out none of their ports either. The kernel is
// asked, by sock_diag(7). Endpoints without an address have none.
func PortsInUse(endpoints []string) (map[string]int, error) {
	wanted := map[uint16]map[netip.Addr]bool{} // addresses by port; none for a name, which may have any
	addressed := map[string]endpoint.Endpoint{}
	for _, e := range endpoints {
		ep, err := endpoint.Parse(e)
		if err != nil || !ep.Addressed() {
			continue
		}
		addressed[e] = ep
		ip, err := netip.ParseAddr(ep.Host)
		all, known := wanted[ep.Port]
		switch {
		case err != nil || known && all == nil:
			wanted[ep.Port] = nil
		case !known:
			wanted[ep.Port] = map[netip.Addr]bool{ip.Unmap(): true}
		default:
			all[ip.Unmap()] = true
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	used := map[netip.AddrPort]int{}
	err := eachConnection(wanted, func(to netip.AddrPort) {
		if only, wants := wanted[to.Port()]; wants && (only == nil || only[to.Addr()]) {
			used[to]++
		}
	})
	if err != nil {
		return nil, err
	}
	return portsEach(addressed, used), nil
}

// portsEach is what each endpoint has of the ports that are used by addresses.
func portsEach(endpoints map[string]endpoint.Endpoint, used map[netip.AddrPort]int) map[string]int {
	each := map[string]int{}
	for e, ep := range endpoints {
		if ip, err := netip.ParseAddr(ep.Host); err == nil {
			each[e] = used[netip.AddrPortFrom(ip.Unmap(), ep.Port)]
			continue
		}
		for to, n := range used {
			if to.Port() == ep.Port {
				each[e] = max(each[e], n)
			}
		}
	}
	return each
}

// fewPorts are asked for one by one, which the kernel answers with less than
// everything that it has.
const fewPorts = 8

func eachConnection(to map[uint16]map[netip.Addr]bool, f func(netip.AddrPort)) error {
	var ports []uint16
	if len(to) <= fewPorts {
		ports = slices.Collect(maps.Keys(to))
	}
	return sockdiag.EachConnection(ports, f)
}
