//go:build linux && cgo

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/agent"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
)

// clientAddresses are what workers see of clients, tried; nil where nothing is said.
func (f *agentFlags) clientAddresses() (*agent.Addresses, error) {
	s, err := clientaddr.Parse(f.addresses)
	if err != nil {
		return nil, fmt.Errorf("client-addresses: %w", err)
	}
	if !s.Some() {
		return nil, nil
	}
	addresses, err := agent.NewAddresses(s)
	if err != nil {
		return nil, err
	}
	return addresses, stream.TryClientAddresses(s)
}

// whoisTimeout is for the proxy's answer.
const whoisTimeout = 2 * time.Second

// whois asks the proxy whom a worker sees by an address, and tells it as the proxy's own
// WHOIS does. Only who is on this machine may ask: what a client is called is not for
// everybody who may read metrics.
func (all *agents) whois(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		http.Error(w, "only over loopback", http.StatusForbidden)
		return
	}
	address, err := netip.ParseAddr(r.FormValue("address"))
	if err != nil {
		http.Error(w, "want ?address=IP", http.StatusBadRequest)
		return
	}
	slot := all.addresses.Slot(address.Unmap())
	if slot == "" {
		http.Error(w, "no client has that address", http.StatusNotFound)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), whoisTimeout)
	defer cancel()
	known, err := all.name.whois(ctx, slot)
	if err != nil {
		status := http.StatusBadGateway
		if wire.CodeOf(err) == wire.NotFound { // as behind NAT: the proxy sees the slot by another end
			status = http.StatusNotFound
		}
		http.Error(w, oneLine(err), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(known) // who asked has gone, if it fails
}

// whois asks the proxy for whom the slot is whose own end is endpoint.
func (n *namer) whois(ctx context.Context, endpoint string) (wire.Known, error) {
	proxy, err := n.reach(ctx)
	if err != nil {
		return wire.Known{}, err
	}
	return proxy.Whois(ctx, endpoint, n.pool)
}
