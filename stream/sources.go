package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/source"
)

// ParseSources reads the addresses of this machine that a worker is dialled from, with commas
// between them, as [pairing.WorkerConfig] has them; of "" there are none.
func ParseSources(s string) (all []netip.Addr, err error) {
	if s == "" {
		return nil, nil
	}
	for one := range strings.SplitSeq(s, ",") {
		ip, err := netip.ParseAddr(one)
		// bind(2) takes a multicast or broadcast address, too, and connect(2) then comes from another one.
		if err != nil || !endpoint.OfOne(ip) {
			return nil, fmt.Errorf("%q is no address of this machine", one)
		}
		if slices.Contains(all, ip.Unmap()) { // it has no more ports for that
			return nil, fmt.Errorf("%q is named twice", one)
		}
		all = append(all, ip.Unmap())
	}
	return all, nil
}

// CheckSources says why a worker cannot be dialled from the addresses that are its own, as far
// as its endpoint tells: of a name nothing is known.
func CheckSources(w pairing.WorkerConfig) error {
	all, err := ParseSources(w.Source)
	if err != nil || len(all) == 0 {
		return err
	}
	ep, err := endpoint.Parse(w.Endpoint)
	if err != nil {
		return nil // is a mistake already
	}
	if !ep.Addressed() {
		return fmt.Errorf("%s is not dialled from an address", w.Endpoint)
	}
	if ip, err := netip.ParseAddr(ep.Host); err == nil && len(ofFamily(all, ip.Unmap().Is4())) == 0 {
		return fmt.Errorf("%v cannot be reached from %s", ip, w.Source)
	}
	return nil
}

// errShown: the addresses that a worker is dialled from are taken already.
var errShown = errors.New("client-addresses: workers are dialled from them, and source has none to choose from")

// checkSource says why this pool cannot dial a worker from these addresses. Of a name some
// may be of the wrong family, and then the kernel chooses.
func (l *loop) checkSource(s string) error {
	if l.shown.setting.Some() && s != "" {
		return errShown
	}
	_, err := ParseSources(s)
	return err
}

func ofFamily(all []netip.Addr, is4 bool) (some []netip.Addr) {
	for _, a := range all {
		if a.Is4() == is4 {
			some = append(some, a)
		}
	}
	return some
}

// SourcesOf are the addresses that a worker is dialled from: its own, or the pool's.
func (c *Config) SourcesOf(own string) []netip.Addr {
	if all, err := ParseSources(own); err == nil && len(all) > 0 {
		return all
	}
	return c.Sources
}

// sources are the addresses that a dial may come from, the one whose turn it is first.
func (d *dialler) sources(own string, to sockets.Remote) (all []source.Address) {
	if !to.Address().IsValid() {
		return nil
	}
	for _, a := range ofFamily(d.loop.cfg.SourcesOf(own), to.Address().Addr().Is4()) {
		all = append(all, source.Address{Addr: a})
	}
	if len(all) > 1 {
		d.turn++
		first := d.turn % len(all)
		all = append(all[first:len(all):len(all)], all[:first]...)
	}
	return all
}
