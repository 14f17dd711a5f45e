package stream

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"github.com/streamq/streamq-proxy/pairing"
)

// query has the loop answer a question between two turns.
func query[T any](ctx context.Context, p *Pool, f func(l *loop) T) (T, error) {
	return learn(ctx, p, p.answer, f)
}

// queryHere is query for what holds of a pool's own pairs, also of those that it has when another process has taken over.
func queryHere[T any](ctx context.Context, p *Pool, f func(l *loop) T) (T, error) {
	return learn(ctx, p, p.await, f)
}

// learn returns what f finds on the loop, where run has it run. The result is nobody's when run gives up waiting.
func learn[T any](ctx context.Context, p *Pool, run func(context.Context, func() error) error, f func(l *loop) T) (T, error) {
	result := make(chan T, 1)
	if err := run(ctx, func() error { result <- f(p.loop); return nil }); err != nil {
		var none T
		return none, err
	}
	return <-result, nil
}

// Listing is one page of connections.
type Listing struct {
	Peers []pairing.PeerInfo
	// Last is the After of the next page, if there is more.
	Last pairing.PeerID
	More bool
}

// Page lists connections, see [pairing.Table.Page].
func (p *Pool) Page(ctx context.Context, s pairing.Selection) (Listing, error) {
	return query(ctx, p, func(l *loop) (page Listing) {
		page.Peers, page.Last, page.More = l.table.Page(l.now(), s)
		return page
	})
}

// Identity tells of a name; nil when it is not known.
func (p *Pool) Identity(ctx context.Context, name string) (*pairing.IdentityInfo, error) {
	return query(ctx, p, func(l *loop) *pairing.IdentityInfo { return l.identity(name) })
}

func (l *loop) identity(name string) *pairing.IdentityInfo {
	if info, known := l.table.Identity(l.now(), name); known {
		return &info
	}
	return nil
}

// Permit says whether a caller may do something about an identity: info is what
// is known of it, nil for nothing; listens says that a worker of that name is
// dialled. It runs on the goroutine of [Pool.Run] and must not block.
type Permit func(info *pairing.IdentityInfo, listens bool) error

// Hello is [pairing.Table.Hello] for a caller that permit has nothing against.
func (p *Pool) Hello(ctx context.Context, hint pairing.Hint, permit Permit) error {
	if !hint.Worker {
		return p.hello(ctx, hint, permit)
	}
	return p.permitted(ctx, hint.Identity, permit, func(l *loop) ([]pairing.Action, error) { return l.table.Hello(l.now(), hint) })
}

// Beat is an identity whose lease is to be renewed, if permit has nothing against it.
type Beat struct {
	Name   string
	Permit Permit
}

// Renewed is what has become of a [Beat]. Info is nil where Err is not.
type Renewed struct {
	Info *pairing.IdentityInfo
	Err  error
}

// Beat renews leases, all in one go, and tells of each.
func (p *Pool) Beat(ctx context.Context, beats []Beat) ([]Renewed, error) {
	return query(ctx, p, func(l *loop) []Renewed {
		all := make([]Renewed, len(beats))
		for i, b := range beats {
			info := l.identity(b.Name)
			if all[i].Err = b.Permit(info, l.table.Listens(b.Name)); all[i].Err == nil {
				l.table.Beat(l.now(), b.Name)
				all[i].Info = info
			}
		}
		return all
	})
}

// Renew renews the leases of identities; those that are not known are passed over.
func (p *Pool) Renew(ctx context.Context, names []string) error {
	return p.ask(ctx, func() {
		for _, name := range names {
			p.loop.table.Beat(p.loop.now(), name)
		}
	})
}

// Bye ends the connections of an identity and forgets what it has said.
func (p *Pool) Bye(ctx context.Context, name string, permit Permit) error {
	return p.permitted(ctx, name, permit, func(l *loop) ([]pairing.Action, error) { return l.table.Bye(l.now(), name), nil })
}

func (p *Pool) permitted(ctx context.Context, name string, permit Permit, do func(*loop) ([]pairing.Action, error)) error {
	return p.answer(ctx, func() error {
		if err := permit(p.loop.identity(name), p.loop.table.Listens(name)); err != nil {
			return err
		}
		actions, err := do(p.loop)
		p.loop.act(actions)
		return err
	})
}

// Unhint forgets what was said of an identity, and says whether anything was.
func (p *Pool) Unhint(ctx context.Context, name string) (bool, error) {
	return query(ctx, p, func(l *loop) bool {
		actions, found := l.table.Unhint(l.now(), name)
		l.act(actions)
		return found
	})
}

// HintPage is one page of hints.
type HintPage struct {
	Hints []pairing.HintInfo
	More  bool
}

// Hints lists what is held, see [pairing.Table.Hints].
func (p *Pool) Hints(ctx context.Context, identity string, skip, most int) (HintPage, error) {
	return query(ctx, p, func(l *loop) (page HintPage) {
		page.Hints, page.More = l.table.Hints(l.now(), identity, skip, most)
		return page
	})
}

// FailingList are addresses whose clients end without having been served.
type FailingList struct {
	Worst []pairing.Failing
	All   int // how many there are
}

// Failing lists the most worst of them, see [pairing.Table.Failing].
func (p *Pool) Failing(ctx context.Context, most int) (FailingList, error) {
	return query(ctx, p, func(l *loop) (list FailingList) {
		list.Worst, list.All = l.table.Failing(l.now(), most)
		return list
	})
}

// Explanation is why an identity or an endpoint has its worker.
type Explanation struct {
	pairing.Explanation
	// Balancer is who has connected for the newest client of it, nil for none.
	Balancer *Balancer
	// Handshake is that of the newest client's pair, nil when it has none.
	Handshake *Handshake
	// BytesIn went from that client to its worker, BytesOut came back, until now.
	BytesIn, BytesOut uint64
}

// Explain says why an identity or an endpoint has its worker, or what is known of an address
// whose clients are not served; nil when nothing is known.
func (p *Pool) Explain(ctx context.Context, who string) (*Explanation, error) {
	return query(ctx, p, func(l *loop) *Explanation {
		e, known := l.table.Explain(l.now(), who)
		if !known {
			e, known = l.table.Explain(l.now(), SourceAddress(cmp.Or(HostOf(who), who)))
		}
		if !known {
			return nil
		}
		x := &Explanation{Explanation: e}
		for _, one := range e.Peers {
			x.Balancer, x.Handshake = l.balancerOf(one.ID), l.handshakeOf(one.ID)
			x.BytesIn, x.BytesOut = l.bytesOf(one.ID)
		}
		return x
	})
}

// handshakeOf is that of a peer's pair, nil for none.
func (l *loop) handshakeOf(id pairing.PeerID) *Handshake {
	if c := l.find(id); c != nil && c.flow != nil {
		return c.flow.told()
	}
	return nil
}

// bytesOf is what has passed on a peer's pair, in and out, 0 for none.
func (l *loop) bytesOf(id pairing.PeerID) (in, out uint64) {
	c := l.find(id)
	if c == nil || c.flow == nil {
		return 0, 0
	}
	f := c.flow
	in, out = f.passed[0], f.passed[1]
	if f.loan != nil {
		in, out = in+f.loan.Moved(0), out+f.loan.Moved(1)
	}
	return in, out
}

// balancerOf is who has connected for a peer, and said so; nil for none.
func (l *loop) balancerOf(id pairing.PeerID) *Balancer {
	c := l.find(id)
	if c == nil || c.via == nil || !c.via.read {
		return nil
	}
	b := c.via.Balancer
	return &b
}

// SetMaxHandshakes changes how many dials and pairs that are not open a worker may have, 0 for no limit.
func (p *Pool) SetMaxHandshakes(ctx context.Context, name string, n int) error {
	return p.worker(ctx, func(l *loop) ([]pairing.Action, error) { return l.table.SetMaxHandshakes(l.now(), name, n) })
}

// SetSource changes where a worker is dialled from, see [ParseSources]; "" for where the pool's are.
func (p *Pool) SetSource(ctx context.Context, name, source string) error {
	if err := p.loop.checkSource(source); err != nil {
		return fmt.Errorf("%w: %s: source: %w", pairing.ErrWorkerConfig, name, err)
	}
	return p.worker(ctx, func(l *loop) ([]pairing.Action, error) { return l.table.SetSource(l.now(), name, source) })
}

// Kick ends a connection, with its pair if it has one; nil when it is not known.
func (p *Pool) Kick(ctx context.Context, id pairing.PeerID) (*pairing.PeerInfo, error) {
	return query(ctx, p, func(l *loop) *pairing.PeerInfo {
		info, known := l.table.Info(l.now(), id)
		if !known {
			return nil
		}
		l.act(l.table.End(l.now(), id, pairing.Kicked))
		return &info
	})
}

// KickWorker ends the pairs of a worker, 100 a second or all within 5 s.
func (p *Pool) KickWorker(ctx context.Context, name string) error {
	return p.worker(ctx, func(l *loop) ([]pairing.Action, error) {
		pairs, err := l.table.PairsOf(name)
		l.part(parting{worker: name, why: pairing.Kicked, pairs: pairs}, partWithin)
		return nil, err
	})
}

// Find is the connection whose far end is endpoint, see [pairing.Table.Find]; nil
// when there is none.
func (p *Pool) Find(ctx context.Context, endpoint string) (*pairing.PeerInfo, error) {
	return query(ctx, p, func(l *loop) *pairing.PeerInfo {
		if info, known := l.table.Find(l.now(), endpoint); known {
			return &info
		}
		return nil
	})
}

// Whois is what a worker may know of one of its connections.
type Whois struct {
	// Worker's own host of the connection: who may ask.
	Host   string
	Client pairing.PeerInfo // the zero value while it serves nobody
	// Balancer is who has connected for the client, nil for none.
	Balancer *Balancer
	// Connections that are meant: of an address there may be several, see [Pool.WhoisAddress].
	Connections int
}

// Whois tells of a worker's connection by the far end that the worker sees: the
// worker's own end of a connection that it dialled in, or the proxy's end of one
// that the proxy dialled. nil when there is no such connection.
func (p *Pool) Whois(ctx context.Context, endpoint string) (*Whois, error) {
	return query(ctx, p, func(l *loop) *Whois {
		var worker *pairing.Peer
		host := ""
		if c := l.locals.find(endpoint); c != nil {
			worker, host = l.table.Peer(c.id), HostOf(c.origin.Endpoint)
		} else if worker = l.table.PeerAt(endpoint, false); worker != nil {
			host = HostOf(endpoint)
		}
		if worker == nil {
			return nil
		}
		return l.whois(worker, host)
	})
}

func (l *loop) whois(worker *pairing.Peer, host string) *Whois {
	a := &Whois{Host: host, Connections: 1}
	if client := worker.Partner(); client != nil {
		a.Client, _ = l.table.Info(l.now(), client.ID)
		a.Balancer = l.balancerOf(client.ID)
	}
	return a
}

// know notes the proxy's own end of a connection that it dialled, and what the worker
// sees of the client by it.
func (l *loop) know(c *conn, to connection) {
	o := c.own()
	o.local = l.locals.add(to.Own, c)
	o.shown = l.shown.add(to.shown, c)
}

func (l *loop) unknow(c *conn) {
	o := c.own()
	if o == nil {
		return
	}
	l.locals.remove(o.local, c)
	l.shown.remove(l.clock, o.shown)
}

// HostOf is the host of an IP:PORT.
func HostOf(endpoint string) string {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return ""
	}
	return host
}
