package control

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// name checks an identity, or the name of a worker or a pool.
func name(what, s string) error {
	if err := pairing.CheckName(what, s); err != nil {
		return wire.Errorf(wire.Malformed, "%v", err)
	}
	return nil
}

func number(what, s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, wire.Errorf(wire.Malformed, "%s: %q is not a number from %d to %d", what, s, low, high)
	}
	return n, nil
}

// names are the workers of a list W1,W2,...
func names(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	all := strings.Split(list, ",")
	if err := pairing.CheckPrefer(all); err != nil {
		return nil, wire.Errorf(wire.Malformed, "%v", err)
	}
	return all, nil
}

// farEnd is IP:PORT in its one spelling, with an optional tcp:// before it and
// brackets also around IPv4.
func farEnd(s string) (string, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s, "tcp://"))
	ip, badIP := netip.ParseAddr(host)
	n, badPort := strconv.ParseUint(port, 10, 16)
	if err != nil || badIP != nil || badPort != nil || n == 0 {
		return "", wire.Errorf(wire.Malformed, "%q is not IP:PORT", s)
	}
	return netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(n)).String(), nil
}

// address is a source in its one spelling: an IP or, of who connects over ipc,
// localhost:UID:GID:PID, which is what libzmq calls it.
func address(s string) (string, error) {
	_, err := netip.ParseAddr(s)
	if err != nil && !isProcess(s) {
		return "", wire.Errorf(wire.Malformed, "address: %q is no IP, nor localhost:UID:GID:PID", s)
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

// word checks that s is one of those that are known.
func word(what, s string, known ...string) error {
	if slices.Contains(known, s) {
		return nil
	}
	return wire.Errorf(wire.Malformed, "%s: %q is none of %s", what, s, strings.Join(known, ", "))
}
