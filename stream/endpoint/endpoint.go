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

// Endpoint is a parsed tcp:// or ipc:// address.
type Endpoint struct {
	Network string // "tcp" or "ipc"
	Host    string // tcp: an address, a name or "*"; IPv6 without brackets
	Port    uint16 // tcp: 0 asks the system for a free one (binding only)
	Path    string // ipc: a file, or "@name" in the abstract namespace
}

// maxIPCPath is what a sockaddr_un holds, less the closing NUL (unix(7)).
const maxIPCPath = 107

// Parse reads tcp://HOST:PORT, tcp://[IPv6]:PORT, tcp://*:PORT,
// ipc:///path and ipc://@name (zmq_tcp(7), zmq_ipc(7)). Every error is an [*Error].
func Parse(s string) (Endpoint, error) {
	network, rest, found := strings.Cut(s, "://")
	if !found {
		return Endpoint{}, invalid(s, "want tcp://HOST:PORT or ipc://PATH")
	}
	switch network {
	case "tcp":
		return parseTCP(s, rest)
	case "ipc":
		return parseIPC(s, rest)
	}
	return Endpoint{}, invalid(s, "transport %q is not served, want tcp or ipc", network)
}

func parseTCP(whole, rest string) (Endpoint, error) {
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Endpoint{}, invalid(whole, "want tcp://HOST:PORT (an IPv6 address goes in brackets)")
	}
	if port == "*" {
		port = "0" // libzmq's spelling of "any free port"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Endpoint{}, invalid(whole, "port %q is not a number from 0 to 65535", port)
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n/;") {
		return Endpoint{}, invalid(whole, "no usable host (write * for every address of this machine)")
	}
	return Endpoint{Network: "tcp", Host: host, Port: uint16(n)}, nil
}

func parseIPC(whole, path string) (Endpoint, error) {
	switch {
	case path == "" || path == "@" || path == "*":
		return Endpoint{}, invalid(whole, "want ipc:///path/of/socket or ipc://@name")
	case len(path) > maxIPCPath:
		return Endpoint{}, invalid(whole, "the path has %d bytes, a unix socket takes %d", len(path), maxIPCPath)
	case strings.ContainsRune(path, 0):
		return Endpoint{}, invalid(whole, "a NUL in the path")
	}
	return Endpoint{Network: "ipc", Path: path}, nil
}

// String is the endpoint in the form that [Parse] reads.
func (e Endpoint) String() string {
	if e.Network == "ipc" {
		return "ipc://" + e.Path
	}
	return "tcp://" + e.HostPort()
}

// HostPort is HOST:PORT of a tcp endpoint, as package net wants it.
func (e Endpoint) HostPort() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// Dialable says why nobody can connect to the endpoint, nil when it is possible:
// a wildcard and port 0 are for binding only. The error is an [*Error].
func (e Endpoint) Dialable() error {
	if e.Network == "tcp" && (e.Host == "*" || e.Port == 0) {
		return invalid(e.String(), "want a host and a port to connect to")
	}
	return nil
}

// Resolve replaces a name by its addresses, at least one, and the name of a network
// interface by the addresses that it has: a link-local one with its zone.
func (e Endpoint) Resolve() ([]Endpoint, error) {
	if e.Network != "tcp" || e.Host == "*" {
		return []Endpoint{e}, nil
	}
	if _, err := netip.ParseAddr(e.Host); err == nil {
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
