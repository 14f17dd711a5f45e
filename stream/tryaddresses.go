package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/source"
)

// checkClientAddresses finds what cannot be together with them.
func (c *Config) checkClientAddresses() (errs []error) {
	s := c.ClientAddresses
	if !s.Some() {
		return nil
	}
	if len(c.Sources) > 0 {
		errs = append(errs, errShown)
	}
	for i, e := range c.Frontend {
		if ep, err := ParseEndpoint(e); err == nil && s.Transparent && !ep.Addressed() && !c.SendersAt(i).IPC {
			errs = append(errs, fmt.Errorf("client-addresses: clients of %s have none of their own, which transparent is to show", e))
		}
	}
	for _, w := range c.Workers {
		if w.Source != "" {
			errs = append(errs, fmt.Errorf("worker %s: source: %w", w.Name, errShown))
		}
		if err := CheckClientAddressesOf(s, w); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// CheckClientAddressesOf says why a worker cannot be dialled from such addresses, as far as
// its endpoint tells: of a name nothing is known.
func CheckClientAddressesOf(s clientaddr.Setting, w pairing.WorkerConfig) error {
	ep, err := endpoint.Parse(w.Endpoint)
	if err != nil {
		return nil // is a mistake already
	}
	if s.Some() && !ep.Addressed() {
		return fmt.Errorf("client-addresses: worker %s, at %s, sees no addresses", w.Name, w.Endpoint)
	}
	ip, err := netip.ParseAddr(ep.Host)
	ip = ip.Unmap().WithZone("")
	switch {
	case err != nil || !s.Prefix.IsValid():
	case ip.Is4() != s.Prefix.Addr().Is4():
		return fmt.Errorf("client-addresses: worker %s, at %v, cannot be reached from %v", w.Name, ip, s.Prefix)
	case s.Prefix.Contains(ip):
		return fmt.Errorf("client-addresses: worker %s is itself at one of %v", w.Name, s.Prefix)
	}
	return nil
}

// TryClientAddresses finds out whether this process may dial from such addresses, and has the
// route that they need. The error is one line that says what is missing.
func TryClientAddresses(s clientaddr.Setting) error {
	switch {
	case s.Transparent:
		return tryTransparent()
	case s.Prefix.IsValid():
		return tryPrefix(s)
	}
	return nil
}

// tryTransparent asks for the option in each family that this machine has.
func tryTransparent() error {
	var refused []error
	for _, a := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		domain, _ := sockets.Sockaddr(netip.AddrPortFrom(a, 0))
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = source.Address{Addr: a, Reach: source.Foreign}.Allow(fd)
			sockets.Close(fd)
		}
		refused = append(refused, err)
	}
	switch {
	case slices.Contains(refused, nil):
		return nil
	case errors.Is(refused[0], unix.EPERM):
		return fmt.Errorf("client-addresses: transparent takes the right CAP_NET_RAW, which this process has not (AmbientCapabilities=CAP_NET_RAW in a systemd unit): %w", refused[0])
	}
	return fmt.Errorf("client-addresses: transparent: %w", refused[0])
}

// tryPrefix connects one address of the prefix to itself.
func tryPrefix(s clientaddr.Setting) error {
	a, _ := s.Chooser().Take(0, "")
	if err := meetsItself(source.Address{Addr: a, Reach: source.Of(s.Prefix)}); err != nil {
		hint := fmt.Sprintf("a route has to make them this machine's own (ip route add local %v dev lo)", s.Prefix)
		if a.IsLoopback() {
			hint = "lo has to be up"
		}
		return fmt.Errorf("client-addresses: no connection from %v: %s: %w", s.Prefix, hint, err)
	}
	return nil
}

// errNotAtOnce: a connection within this machine would be there when connect(2) returns.
var errNotAtOnce = errors.New("it is not there at once")

// meetsItself listens at an address, and connects to that from it.
func meetsItself(s source.Address) error {
	domain, at := sockets.Sockaddr(netip.AddrPortFrom(s.Addr, 0))
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer sockets.Close(fd)
	if err := errors.Join(s.Allow(fd), unix.Bind(fd, at), unix.Listen(fd, 1)); err != nil {
		return err
	}
	c, connected, err := sockets.At(sockets.OwnEnd(fd)).Connect(s)
	if err == nil && !connected {
		err = errNotAtOnce
	}
	sockets.Close(c.FD)
	return err
}
