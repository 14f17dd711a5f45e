package stream

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/clientaddr"
	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/source"
)

// What workers that listen see of clients: an address of a prefix, or the client's own. It is
// taken when a dial for the client begins, and given back when the dial has failed or
// the connection to the worker is no more.

var (
	// errNoClientAddress: there is none by which this client could be shown to the worker. It
	// says nothing of the worker, and nobody else has to wait for it.
	errNoClientAddress = errors.New("no address to show the client by")
	// errOtherFamily: the worker cannot be reached from any of the prefix.
	errOtherFamily = errors.New("client-addresses are of another family than the worker's address")
)

// shown is what workers see of clients, and by which connections.
type shown struct {
	setting clientaddr.Setting
	chooser clientaddr.Chooser        // nil without a prefix
	conns   map[netip.Addr]*list.List // of *conn to workers, in the order of their beginning
	told    logLimiter                // that there was none for a client
}

// shownPlace is where a connection is found by the address that the worker sees.
type shownPlace struct {
	address netip.Addr
	at      *list.Element
}

func newShown(setting clientaddr.Setting) shown {
	return shown{setting: setting, chooser: setting.Chooser(), conns: map[netip.Addr]*list.List{}}
}

// seen is the address, invalid for none.
func (p *shownPlace) seen() netip.Addr {
	if p == nil {
		return netip.Addr{}
	}
	return p.address
}

// add notes a connection by which the worker sees address; of an invalid one nothing.
func (s *shown) add(address netip.Addr, c *conn) *shownPlace {
	if !address.IsValid() {
		return nil
	}
	if s.conns[address] == nil {
		s.conns[address] = list.New()
	}
	return &shownPlace{address, s.conns[address].PushBack(c)}
}

// remove is the end of that.
func (s *shown) remove(now time.Duration, p *shownPlace) {
	if p == nil {
		return
	}
	all := s.conns[p.address]
	if all.Remove(p.at); all.Len() == 0 {
		delete(s.conns, p.address)
	}
	s.release(now, p.address)
}

// release gives an address back.
func (s *shown) release(now time.Duration, a netip.Addr) {
	if s.chooser != nil && a.IsValid() {
		s.chooser.Release(now, a)
	}
}

func (s *shown) usage(now time.Duration) (taken, all int) {
	if s.chooser == nil {
		return 0, 0
	}
	return s.chooser.Usage(now)
}

// connectShown begins a connection by which the worker sees the dial's client.
func (d *dialler) connectShown(x *dial, to sockets.Remote) (sockets.Connection, bool, error) {
	from, err := d.shownAs(x, to)
	if err != nil {
		return sockets.Connection{FD: -1}, false, err
	}
	c, connected, err := to.Connect(from)
	if err != nil {
		err = fmt.Errorf("from %v: %w", from.Addr, err)
		// The address is the client's own, and of no use there: loopback's or a multicast one,
		// as a balancer may say. Of a prefix that was tried at the start it is the worker's.
		var call *os.SyscallError
		if from.Reach == source.Foreign && (errors.Is(err, unix.EINVAL) || errors.As(err, &call) && call.Syscall == "bind") {
			err = fmt.Errorf("%w: %w", errNoClientAddress, err)
		}
	}
	return c, connected, err
}

// shownAs is the address of a dial's client for a worker at to.
func (d *dialler) shownAs(x *dial, to sockets.Remote) (source.Address, error) {
	s, client := &d.loop.shown, d.loop.find(x.client)
	is4 := to.Address().Addr().Is4()
	if s.setting.Transparent {
		own, err := netip.ParseAddrPort(client.origin.Endpoint)
		if own := own.Addr().Unmap(); err == nil && to.Address().IsValid() && own.Is4() == is4 {
			x.shown = own
			return source.Address{Addr: own, Reach: source.Foreign}, nil
		}
		return source.Address{}, fmt.Errorf("%w: it comes from %q", errNoClientAddress, client.origin.Whence())
	}
	prefix := s.setting.Prefix
	if !to.Address().IsValid() || prefix.Addr().Is4() != is4 {
		return source.Address{}, errOtherFamily
	}
	if !x.shown.IsValid() {
		address, ok := s.chooser.Take(d.loop.clock, client.origin.Address)
		if !ok {
			return source.Address{}, fmt.Errorf("%w: all of %v are in use, or were within the last %v", errNoClientAddress, prefix, clientaddr.Rest)
		}
		x.shown = address
	}
	return source.Address{Addr: x.shown, Reach: source.Of(prefix)}, nil
}

// seen says whether a connection shows what it is to show. Of an address that cannot be a
// source, such as a broadcast one, bind(2) keeps nothing and has no error.
func (x *dial) seen(to sockets.Connection) error {
	if x.shown.IsValid() && to.Own.Addr() != x.shown {
		return fmt.Errorf("%w: from %v the connection is from %v", errNoClientAddress, x.shown, to.Own.Addr())
	}
	return nil
}

// refuseUnshown ends a client that the worker could not be shown, lest it sees another.
func (l *loop) refuseUnshown(client pairing.PeerID, worker string, err error) {
	if l.shown.told.due(l.clock) {
		l.cfg.Log.Warn("a client is refused: there is no address that the worker could see it by (client-addresses)",
			"pool", l.fixed.Name, "worker", worker, "error", err)
	}
	l.act(l.table.End(l.now(), client, pairing.NoSourcePort))
}

// unanswered: a dial from a client's own address was not answered. Perhaps the answers go
// another way than through this machine, as they do to a client in the worker's own network.
func (l *loop) unanswered(err error) bool {
	return l.shown.setting.Transparent && errors.Is(err, os.ErrDeadlineExceeded)
}

// judgeSilence dials the worker from the proxy's own address: if that is answered the client
// cannot be shown, and the worker is not to blame.
func (l *loop) judgeSilence(a pairing.Action, silence error) {
	l.dialler.connect(0, a, func(_ pairing.PeerID, to connection, err error) {
		sockets.Close(to.FD)
		if err == nil {
			silence = fmt.Errorf("%w: answers to it do not come back through this machine: %w", errNoClientAddress, silence)
		}
		if client := l.table.Peer(a.Peer); client != nil && client.State() == pairing.PeerDialling {
			l.dialFailed(a.Peer, a.Worker, silence)
		}
	})
}

// whoisLooks bounds what WHOIS of an address looks at.
const whoisLooks = 64

// WhoisAddress is [Pool.Whois] by the address alone that the worker sees of a client, where
// ClientAddresses say that it sees one. Of several connections whose host mayAsk admits it
// tells of the newest, without the endpoint and the identity that not all of them have. mayAsk
// runs on the goroutine of [Pool.Run] and must not block.
func (p *Pool) WhoisAddress(ctx context.Context, address netip.Addr, mayAsk func(host string) bool) (*Whois, error) {
	return query(ctx, p, func(l *loop) *Whois { return l.whoisAddress(address, mayAsk) })
}

func (l *loop) whoisAddress(address netip.Addr, mayAsk func(host string) bool) (known *Whois) {
	all := l.shown.conns[address]
	if all == nil {
		return nil
	}
	left := whoisLooks
	for e := all.Back(); e != nil && left > 0; e, left = e.Prev(), left-1 {
		c := e.Value.(*conn)
		worker := l.table.Peer(c.id)
		if worker == nil {
			continue // it is being closed
		}
		one := l.whois(worker, HostOf(c.origin.Endpoint))
		switch {
		case known == nil || mayAsk(one.Host) && !mayAsk(known.Host):
			known = one
		case mayAsk(one.Host):
			known.join(one)
		}
	}
	if known != nil && left == 0 && all.Len() > whoisLooks {
		known.join(&Whois{}) // of whom nothing is known
	}
	return known
}

// join makes of two answers what both of them are.
func (a *Whois) join(other *Whois) {
	a.Connections++
	a.Client.Origin.Endpoint, a.Balancer = "", nil
	if a.Client.Identity != other.Client.Identity {
		a.Client.Identity = ""
	}
}
