package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/streamq/streamq-proxy/stream/clientaddr"
	"github.com/streamq/streamq-proxy/stream/source"
)

// Addresses are what workers see of clients: a loopback or routed address for each pair, of
// all agents that have the same Addresses. Who the client is only the proxy knows; it can
// be asked by the slot. Their methods may be called from any goroutine.
type Addresses struct {
	prefix netip.Prefix
	start  time.Time

	mu      sync.Mutex // of what follows
	chooser clientaddr.Chooser
	slots   map[netip.Addr]string // our own end of the slot that a pair came by
}

// errNoAddress: what there is of the prefix is in use, or was within the last minute.
var errNoAddress = errors.New("no address of client-addresses is left")

// NewAddresses says what is wrong with a setting for an agent.
func NewAddresses(s clientaddr.Setting) (*Addresses, error) {
	if !s.Prefix.IsValid() || s.Stable {
		return nil, fmt.Errorf("client-addresses: %v: only the proxy knows the clients' own addresses, want a prefix alone", s)
	}
	return &Addresses{prefix: s.Prefix, start: time.Now(), chooser: s.Chooser(), slots: map[netip.Addr]string{}}, nil
}

// Slot is the agent's own end, IP:PORT, of the connection to the proxy by which the client
// came whom a worker sees by this address; "" for nobody.
func (s *Addresses) Slot(a netip.Addr) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slots[a]
}

// take is an address for a pair; without Addresses the kernel chooses.
func (s *Addresses) take(slot string) (netip.Addr, error) {
	if s == nil {
		return netip.Addr{}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.chooser.Take(time.Since(s.start), slot)
	if !ok {
		return a, errNoAddress
	}
	s.slots[a] = slot
	return a, nil
}

// release gives back what take gave.
func (s *Addresses) release(a netip.Addr) {
	if !a.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.slots, a)
	s.chooser.Release(time.Since(s.start), a)
}

// dialFrom dials HOST:PORT from an address, if that is valid.
func (a *Agent) dialFrom(ctx context.Context, at string, from netip.Addr) (net.Conn, error) {
	d := a.dialer
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			control := c.Control(func(fd uintptr) {
				err = source.Address{Addr: from, Reach: source.Of(a.cfg.Addresses.prefix)}.Allow(int(fd))
			})
			return errors.Join(control, err)
		}
	}
	return d.DialContext(ctx, "tcp", at)
}
