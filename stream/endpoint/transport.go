package endpoint

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// transport is how the endpoints of one network are written.
type transport struct {
	network string                                           // what is before "://"
	form    string                                           // what users are told to write
	parse   func(whole, rest string) (e Endpoint, err error) // rest is what follows "://"
}

// transports are all there are. A new one is its line here, its parse, and its sockets
// in package stream, see docs/adding.md.
func transports() []transport {
	return []transport{
		{"tcp", "tcp://HOST:PORT", parseTCP},
		{"ipc", "ipc://PATH", parseIPC},
	}
}

// Networks are the names of all transports: "tcp".
func Networks() []string { return each(func(t transport) string { return t.network }) }

// Forms are the ways in which endpoints are written, for help and for mistakes.
func Forms() string { return strings.Join(each(func(t transport) string { return t.form }), " or ") }

func each(f func(transport) string) (all []string) {
	for _, t := range transports() {
		all = append(all, f(t))
	}
	return all
}

// parseTCP reads HOST:PORT, [IPv6]:PORT and *:PORT, see zmq_tcp(7).
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

// At is the endpoint of an address and a port.
func At(address netip.AddrPort) Endpoint {
	return Endpoint{Network: "tcp", Host: address.Addr().String(), Port: address.Port()}
}

// ParseService reads tcp://NAME, of SRV records (RFC 2782), which say the ports. The
// error is an [*Error].
func ParseService(s string) (name string, err error) {
	name, found := strings.CutPrefix(s, "tcp://")
	if !found || name == "" || strings.ContainsAny(name, " \t\r\n/:;*[]") {
		return "", invalid(s, "want tcp://NAME of SRV records, such as tcp://_zmtp._tcp.orders.example: they say the ports")
	}
	return name, nil
}

// maxIPCPath is what a sockaddr_un holds, less the closing NUL (unix(7)).
const maxIPCPath = 107

// parseIPC reads /path and @name, see zmq_ipc(7).
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
