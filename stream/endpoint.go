package stream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// ErrEndpoint is wrapped by every error of [ParseEndpoint].
var ErrEndpoint = errors.New("bad endpoint")

// Endpoint is a parsed tcp:// or ipc:// address.
type Endpoint struct {
	Network string // "tcp" or "ipc"
	Host    string // tcp: an address, a name or "*"; IPv6 without brackets
	Port    uint16 // tcp: 0 asks the system for a free one (binding only)
	Path    string // ipc: a file, or "@name" in the abstract namespace
}

// maxIPCPath is what a sockaddr_un holds, less the closing NUL (unix(7)).
const maxIPCPath = 107

// ParseEndpoint reads tcp://HOST:PORT, tcp://[IPv6]:PORT, tcp://*:PORT,
// ipc:///path and ipc://@name (zmq_tcp(7), zmq_ipc(7)). Every error wraps
// [ErrEndpoint] and is one line that a person can act on.
func ParseEndpoint(s string) (Endpoint, error) {
	network, rest, found := strings.Cut(s, "://")
	if !found {
		return Endpoint{}, fmt.Errorf("%w %q: want tcp://HOST:PORT or ipc://PATH", ErrEndpoint, s)
	}
	switch network {
	case "tcp":
		return parseTCP(s, rest)
	case "ipc":
		return parseIPC(s, rest)
	}
	return Endpoint{}, fmt.Errorf("%w %q: transport %q is not served, want tcp or ipc", ErrEndpoint, s, network)
}

func parseTCP(whole, rest string) (Endpoint, error) {
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%w %q: want tcp://HOST:PORT (an IPv6 address goes in brackets)", ErrEndpoint, whole)
	}
	if port == "*" {
		port = "0" // libzmq's spelling of "any free port"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%w %q: port %q is not a number from 0 to 65535", ErrEndpoint, whole, port)
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n/;") {
		return Endpoint{}, fmt.Errorf("%w %q: no usable host (write * for every address of this machine)", ErrEndpoint, whole)
	}
	return Endpoint{Network: "tcp", Host: host, Port: uint16(n)}, nil
}

func parseIPC(whole, path string) (Endpoint, error) {
	switch {
	case path == "" || path == "@" || path == "*":
		return Endpoint{}, fmt.Errorf("%w %q: want ipc:///path/of/socket or ipc://@name", ErrEndpoint, whole)
	case len(path) > maxIPCPath:
		return Endpoint{}, fmt.Errorf("%w %q: the path has %d bytes, a unix socket takes %d", ErrEndpoint, whole, len(path), maxIPCPath)
	case strings.ContainsRune(path, 0):
		return Endpoint{}, fmt.Errorf("%w %q: a NUL in the path", ErrEndpoint, whole)
	}
	return Endpoint{Network: "ipc", Path: path}, nil
}

// String is the endpoint in the form that [ParseEndpoint] reads.
func (e Endpoint) String() string {
	if e.Network == "ipc" {
		return "ipc://" + e.Path
	}
	return "tcp://" + e.hostPort()
}

func (e Endpoint) hostPort() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// dialable says why the endpoint cannot be dialled, nil when it can.
func (e Endpoint) dialable() error {
	if e.Network == "tcp" && (e.Host == "*" || e.Port == 0) {
		return fmt.Errorf("%w %q: a worker's endpoint needs a host and a port", ErrEndpoint, e)
	}
	return nil
}

// Resolve replaces a name by its addresses, at least one: libzmq binds only to
// addresses, and to names of network interfaces, which stay as they are. The
// first is the one to bind to.
func (e Endpoint) Resolve() ([]Endpoint, error) {
	if e.Network != "tcp" || e.Host == "*" {
		return []Endpoint{e}, nil
	}
	if _, err := netip.ParseAddr(e.Host); err == nil {
		return []Endpoint{e}, nil
	}
	if _, err := net.InterfaceByName(e.Host); err == nil {
		return []Endpoint{e}, nil
	}
	hosts, err := net.LookupHost(e.Host)
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
