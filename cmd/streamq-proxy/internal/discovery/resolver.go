package discovery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// errNothing is of a name without addresses: it changes nothing.
var errNothing = errors.New("no such name, or it has no addresses")

// reachable says why an answer is not believed that has what no worker can have. 0.0.0.0, as
// filters answer for a name that they block, is this machine to connect(2).
func reachable(at endpoint.Endpoint) error {
	if at.Dialable() == nil {
		return nil
	}
	return fmt.Errorf("the answer has %s, to which nobody can connect", at.HostPort())
}

// resolver looks names up as the system would: the hosts file, the search list and
// the servers of resolv.conf(5), by TCP where an answer is too long. What it reads
// along is for how long the answers hold, which package net does not tell.
type resolver struct {
	servers []string // HOST:PORT, in place of the system's; may be empty
	current atomic.Uint32
}

// holds is for how long what was looked up holds: the shortest TTL of all answers.
type holds struct {
	mutex sync.Mutex
	least uint32
	seen  bool
}

// observe says whether the server can answer at all.
func (h *holds) observe(message []byte) bool {
	var m dns.Msg
	if m.Unpack(message) != nil || m.Rcode != dns.RcodeSuccess {
		return m.Rcode != dns.RcodeServerFailure && m.Rcode != dns.RcodeRefused
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, record := range m.Answer {
		if ttl := record.Header().Ttl; !h.seen || ttl < h.least {
			h.least, h.seen = ttl, true
		}
	}
	return true
}

// ttl is at least a millisecond where anything was heard, as 0 would mean that nothing was.
func (h *holds) ttl() time.Duration {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !h.seen {
		return 0
	}
	return max(time.Duration(h.least)*time.Second, time.Millisecond)
}

// net is a resolver for the look-up that ctx bounds, and what it hears. Package net
// goes on for a while after that, which closing its connections ends.
func (r *resolver) net(ctx context.Context) (*net.Resolver, *holds) {
	h := &holds{}
	return &net.Resolver{
		PreferGo: true,
		// An answer of which a part is missing is none: a worker that is not in it would be drained.
		StrictErrors: true,
		Dial: func(dial context.Context, network, address string) (net.Conn, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			at := r.current.Load()
			if len(r.servers) > 0 {
				address = r.servers[int(at)%len(r.servers)]
			}
			failed := func() { r.current.CompareAndSwap(at, at+1) }
			c, err := new(net.Dialer).DialContext(dial, network, address)
			if err != nil {
				failed()
				return nil, err
			}
			context.AfterFunc(ctx, func() { _ = c.Close() })
			if u, isUDP := c.(*net.UDPConn); isUDP {
				return &datagrams{u, h, failed}, nil
			}
			return &segments{Conn: c, holds: h, failed: failed}, nil
		},
	}, h
}

// datagrams is a connection to a DNS server by UDP.
type datagrams struct {
	*net.UDPConn
	holds  *holds
	failed func()
}

func (d *datagrams) Read(b []byte) (int, error) {
	n, err := d.UDPConn.Read(b)
	if err != nil || !d.holds.observe(b[:n]) {
		d.failed()
	}
	return n, err
}

// segments is one by TCP: messages with their length in front (RFC 1035, 4.2.2).
type segments struct {
	net.Conn
	holds  *holds
	failed func()
	heard  []byte
}

func (s *segments) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err != nil {
		s.failed()
		return n, err
	}
	for s.heard = append(s.heard, b[:n]...); len(s.heard) >= 2; {
		size := 2 + int(binary.BigEndian.Uint16(s.heard))
		if len(s.heard) < size {
			break
		}
		if !s.holds.observe(s.heard[2:size]) {
			s.failed()
		}
		s.heard = s.heard[size:]
	}
	return n, nil
}

// addresses of a name: those of IPv4, and those of IPv6 where there are none, since
// a machine with both would be two workers.
func addresses(ctx context.Context, from *net.Resolver, host string) ([]netip.Addr, error) {
	for _, network := range []string{"ip4", "ip6"} {
		all, err := from.LookupNetIP(ctx, network, host)
		switch {
		case isNothing(err) || err == nil && len(all) == 0:
			continue
		case err != nil:
			return nil, err
		}
		for i := range all {
			all[i] = all[i].Unmap()
		}
		slices.SortFunc(all, netip.Addr.Compare)
		return slices.Compact(all), nil
	}
	return nil, errNothing
}

func isNothing(err error) bool {
	var e *net.DNSError
	return errors.Is(err, errNothing) || errors.As(err, &e) && e.IsNotFound
}

// addresses is a look-up of [Addresses].
func (r *resolver) addresses(s Spec) lookup {
	return func(ctx context.Context) (a answer, err error) {
		from, heard := r.net(ctx)
		all, err := addresses(ctx, from, s.Host)
		if err != nil {
			return a, r.brief(err)
		}
		for _, ip := range all {
			at := endpoint.At(netip.AddrPortFrom(ip, s.Port))
			if err := reachable(at); err != nil {
				return answer{}, err
			}
			a.workers = append(a.workers, pairing.WorkerConfig{
				Name:     fmt.Sprintf("%s-%s", s.Name, ip),
				Endpoint: at.String(),
				Weight:   s.Weight, MaxPairs: s.MaxPairs, MaxHandshakes: s.MaxHandshakes, Source: s.Source,
			})
		}
		a.ttl = heard.ttl()
		return a, tooMany(&a)
	}
}

// services is a look-up of [Services]: the records of the lowest priority, which is
// the one to be tried first.
func (r *resolver) services(s Spec) lookup {
	return func(ctx context.Context) (a answer, err error) {
		from, heard := r.net(ctx)
		_, records, err := from.LookupSRV(ctx, "", "", s.Host)
		if err != nil && len(records) == 0 {
			return a, r.brief(err)
		}
		most := uint16(0)
		for _, one := range records {
			most = max(most, one.Weight)
		}
		for _, one := range records { // the lowest priority comes first
			if one.Priority != records[0].Priority || one.Target == "." {
				continue
			}
			all, err := addresses(ctx, from, one.Target)
			if isNothing(err) { // one that has just gone
				continue
			}
			if err != nil {
				return answer{}, r.brief(err)
			}
			for _, ip := range all {
				at := endpoint.At(netip.AddrPortFrom(ip, one.Port))
				if err := reachable(at); err != nil {
					return answer{}, err
				}
				a.workers = append(a.workers, pairing.WorkerConfig{
					Name: fmt.Sprintf("%s-%s", s.Name, at.HostPort()), Endpoint: at.String(),
					Weight: weight(one.Weight, most), MaxPairs: s.MaxPairs, MaxHandshakes: s.MaxHandshakes, Source: s.Source,
				})
			}
		}
		if len(a.workers) == 0 {
			return answer{}, errNothing
		}
		// Two names of one machine are one worker.
		slices.SortFunc(a.workers, byName)
		a.workers = slices.CompactFunc(a.workers, func(x, y pairing.WorkerConfig) bool { return x.Name == y.Name })
		a.ttl = heard.ttl()
		return a, tooMany(&a)
	}
}

// weight is that of a record as one of ours, 1 to [pairing.MaxWeight]: as it is
// where all fit, and in proportion to the greatest where they do not.
func weight(w, most uint16) int {
	if most > pairing.MaxWeight {
		return max(1, int(w)*pairing.MaxWeight/int(most))
	}
	return max(1, int(w))
}

func tooMany(a *answer) error {
	if len(a.workers) > maxWorkers {
		return fmt.Errorf("%d workers, which is more than %d", len(a.workers), maxWorkers)
	}
	return nil
}

// brief is an error of a look-up without what the status says already.
func (r *resolver) brief(err error) error {
	var e *net.DNSError
	switch {
	case isNothing(err):
		return errNothing
	case !errors.As(err, &e):
		return err
	case e.Server != "" && len(r.servers) == 0: // else it is not the one that was asked
		return fmt.Errorf("%s (server %s)", e.Err, e.Server)
	}
	return errors.New(e.Err)
}
