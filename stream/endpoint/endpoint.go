package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ErrInvalid is wrapped by every [Error].
var ErrInvalid = errors.New("bad endpoint")

// Error is why an endpoint is none, or none for what it is to be used for.
type Error struct {
	Endpoint string // as it was written
	Reason   string // one line that a person can act on
}

// Error is "bad endpoint", the endpoint and the reason.
func (e *Error) Error() string { return fmt.Sprintf("%v %q: %s", ErrInvalid, e.Endpoint, e.Reason) }

// Unwrap is [ErrInvalid].
func (e *Error) Unwrap() error { return ErrInvalid }

func invalid(endpoint, format string, args ...any) error {
	return &Error{Endpoint: endpoint, Reason: fmt.Sprintf(format, args...)}
}

// Endpoint is a parsed address. It is asked by its methods for what it is like; only
// the table of transports knows them by their names.
type Endpoint struct {
	Network string // of its transport, what is before "://"
	Host    string // an address, a name or "*", IPv6 without brackets; "" where there is a Path
	Port    uint16 // 0 asks the system for a free one (binding only)
	Path    string // a file, or "@name" in the abstract namespace; "" where there is a Host
}

// Parse reads an endpoint of any transport, see [Forms]. Every error is an [*Error].
func Parse(s string) (Endpoint, error) {
	network, rest, found := strings.Cut(s, "://")
	if !found {
		return Endpoint{}, invalid(s, "want %s", Forms())
	}
	for _, t := range transports() {
		if t.network == network {
			return t.parse(s, rest)
		}
	}
	return Endpoint{}, invalid(s, "transport %q is not served, want %s", network, strings.Join(Networks(), " or "))
}

// String is the endpoint in the form that [Parse] reads.
func (e Endpoint) String() string {
	if e.Addressed() {
		return e.Network + "://" + e.HostPort()
	}
	return e.Network + "://" + e.Path
}

// Addressed says whether peers are known by an IP address and a port.
func (e Endpoint) Addressed() bool { return e.Host != "" }

// HostPort is HOST:PORT of an endpoint that is addressed, as package net wants it.
func (e Endpoint) HostPort() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// Address is the IP and the port; not valid where there is a name to look up, or nothing of
// the kind.
func (e Endpoint) Address() netip.AddrPort {
	ip, err := netip.ParseAddr(e.Host)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), e.Port)
}

// File is what a listener makes in the file system, and leaves there; "" for nothing.
func (e Endpoint) File() string {
	if strings.HasPrefix(e.Path, "@") {
		return ""
	}
	return e.Path
}

// Beside is an endpoint that belongs to this one: a port up, or the file with the
// suffix. That of a port that is the system's to choose is one as well.
func (e Endpoint) Beside(suffix string) Endpoint {
	switch {
	case !e.Addressed():
		e.Path += suffix
	case e.Port != 0:
		e.Port++
	}
	return e
}

// Meets says whether two endpoints cannot both be bound. Names are not resolved; what
// that leaves is found by binding.
func (e Endpoint) Meets(other Endpoint) bool {
	switch {
	case e.Network != other.Network:
		return false
	case !e.Addressed():
		return e.Path == other.Path
	case e.Port == 0 || e.Port != other.Port:
		return false
	}
	return e.Host == other.Host || e.Host == "*" || other.Host == "*"
}

// Dialable says why nobody can connect to the endpoint, nil when it is possible:
// a wildcard and port 0 are for binding only, and so is an address that is not [OfOne].
// The error is an [*Error].
func (e Endpoint) Dialable() error {
	switch {
	case !e.Addressed():
		return nil
	case e.Host == "*" || e.Port == 0:
		return invalid(e.String(), "want a host and a port to connect to")
	}
	if ip := e.Address().Addr(); ip.IsValid() && !OfOne(ip) {
		return invalid(e.String(), "%s is no address of one machine to connect to", e.Host)
	}
	return nil
}

// OfOne says whether an address can be that of one machine, and so an end of a connection:
// not 0.0.0.0 or ::, by which connect(2) reaches this machine, nor a multicast address or
// 255.255.255.255, at which nobody ever answers.
func OfOne(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// IsName says whether the host has to be looked up before anything can be done with it.
func (e Endpoint) IsName() bool {
	return e.Addressed() && e.Host != "*" && !e.Address().IsValid()
}

// CheckName says why there is no name to look up, nil where there is one. The error is an [*Error].
func (e Endpoint) CheckName() error {
	if e.IsName() {
		return nil
	}
	return invalid(e.String(), "there is no name to look up, want tcp://NAME:PORT")
}

// Resolve replaces a name by its addresses, at least one, and the name of a network
// interface by the addresses that it has: a link-local one with its zone.
func (e Endpoint) Resolve() ([]Endpoint, error) {
	if !e.IsName() {
		return []Endpoint{e}, nil
	}
	hosts, err := addressesOf(e.Host)
	if err != nil {
		return nil, fmt.Errorf("no such host or network interface: %s", e.Host)
	}
	all := make([]Endpoint, len(hosts))
	for i, host := range hosts {
		all[i] = e
		all[i].Host = host
	}
	return all, nil
}

// addressesOf are the addresses of a network interface, or of a host.
func addressesOf(name string) (hosts []string, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return net.LookupHost(name)
	}
	addresses, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr()
		if ip.IsLinkLocalUnicast() && ip.Is6() {
			ip = ip.WithZone(name)
		}
		hosts = append(hosts, ip.String())
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("interface %s has no address", name)
	}
	return hosts, nil
}
