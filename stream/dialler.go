package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

const (
	// nextAddress is how long one address of a host has the dial to itself, as
	// with Go's net (RFC 8305, 5: between 100 ms and 2 s).
	nextAddress = 300 * time.Millisecond
	// maxAttempts bounds the descriptors of a dial.
	maxAttempts = 2
	// retryFull is the pause after a listener on a unix socket that has no room
	// for another connection.
	retryFull = 20 * time.Millisecond
)

var (
	// errTooManyDials: a dial has waited for its whole time to begin.
	errTooManyDials = errors.New("too many dials under way")
	errNoAddress    = errors.New("the host has no address")
)

// dialler connects to workers that listen. STREAM's own connect is unfit for
// it: it hides refusals, retries for ever, and hands the bytes of one session to
// the next. Everything is the loop's; only looking up the name of a host, which
// blocks, has a goroutine, which posts what it has found.
//
//	queued --admitted--> looked up --addresses--> connecting --the first that answers--> done
//	   |                (names only)                  |
//	   +-- not admitted in time ----------------------+-- none answers in time ------> failed
type dialler struct {
	dialScheduler // of all dials that are not done yet
	loop          *loop
	ctx           context.Context // of the look-ups; ends with the loop
	stop          context.CancelFunc
	clients       map[pairing.PeerID]*dial // the dials, by the client that they are for
	last          uint32                   // number of the last dial
	turn          int                      // of the source addresses
	farEnds       map[netip.AddrPort]*pairing.Origin

	resolve func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// dial is a connection to a worker in the making.
type dial struct {
	id       pairing.PeerID // of the connection to be, and its token at the poller
	client   pairing.PeerID // 0 for a probe
	endpoint string
	source   string // of the worker's own, see [ParseSources]
	timeout  time.Duration
	done     func(id pairing.PeerID, to connection, err error) // called once, unless the dial is given up

	admitted bool          // the scheduler has let it begin
	at       time.Duration // when it has something to do if nothing happens before
	deadline time.Duration
	forget   context.CancelFunc // ends the look-up, nil if there is none
	rest     []sockets.Remote   // that are to be tried
	shown    netip.Addr         // what a worker is to see of the client, once that is known; invalid for nothing
	attempts []attempt          // that are under way, oldest first
	first    [1]attempt         // room for one, which is all that most dials make
	err      error              // of what has failed, see verdict
}

type attempt struct {
	to sockets.Remote
	sockets.Connection
}

// connection is one that was dialled.
type connection struct {
	sockets.Connection
	shown netip.Addr // what the worker sees of the client, see clientaddress.go; invalid for nothing
}

func newDialler(l *loop) *dialler {
	ctx, stop := context.WithCancel(context.Background())
	return &dialler{
		dialScheduler: newDialScheduler(),
		loop:          l, ctx: ctx, stop: stop,
		clients: map[pairing.PeerID]*dial{}, farEnds: map[netip.AddrPort]*pairing.Origin{},
		resolve: net.DefaultResolver.LookupNetIP,
	}
}

// nextID is an id that no connection has.
func (d *dialler) nextID() pairing.PeerID {
	for {
		d.last++ // it may have come round to one that is still there
		id := peerID(dialledSide, d.last)
		if d.dials[id] == nil && d.loop.table.Peer(id) == nil {
			return id
		}
	}
}

// maxFarEnds bounds the workers' addresses that are kept.
const maxFarEnds = 1024

// farEnd is where connections are to that have one far end, the same for all of them.
func (d *dialler) farEnd(at netip.AddrPort) *pairing.Origin {
	if o := d.farEnds[at]; o != nil {
		return o
	}
	o := &pairing.Origin{}
	if at.IsValid() {
		o.Address, o.Endpoint = at.Addr().String(), at.String()
	}
	if len(d.farEnds) >= maxFarEnds {
		clear(d.farEnds)
	}
	d.farEnds[at] = o
	return o
}

// idle: nobody waits for a dial.
func (d *dialler) idle() bool { return len(d.clients) == 0 }

// connect begins the dial that the table asks for, for a client, or for nobody. done may be
// called before connect returns; from its beginning on a dial counts as a descriptor.
func (d *dialler) connect(client pairing.PeerID, a pairing.Action, done func(id pairing.PeerID, to connection, err error)) {
	x := &dial{id: d.nextID(), client: client, endpoint: a.Endpoint, source: a.Source, timeout: d.loop.cfg.ConnectTimeout, done: done}
	x.attempts = x.first[:0]
	if client != 0 {
		d.clients[client] = x
	}
	d.loop.ctx.descriptors.Add(1)
	if d.add(x) {
		d.begin(x)
		return
	}
	d.wakeAt(x, d.loop.clock+x.timeout)
}

func (d *dialler) begin(x *dial) {
	x.deadline = d.loop.now() + x.timeout
	ep, err := ParseEndpoint(x.endpoint)
	if err != nil {
		d.fail(x, err)
		return
	}
	if ep.IsName() {
		d.lookUp(x, ep)
		return
	}
	x.rest = []sockets.Remote{transportOf(ep).remote(ep)}
	d.try(x)
}

// lookUp has the addresses of a host tried. Its time is the dial's, by the loop's
// clock, which stands still in a pause.
func (d *dialler) lookUp(x *dial, ep Endpoint) {
	d.wakeAt(x, x.deadline)
	ctx, cancel := context.WithCancel(d.ctx)
	x.forget = cancel
	pool, resolve := d.loop.pool, d.resolve
	go func() {
		defer cancel()
		ips, err := resolve(ctx, "ip", ep.Host)
		pool.post(func() {
			if d.dials[x.id] == x { // not given up since
				d.found(x, ips, ep, err)
			}
		})
	}()
}

func (d *dialler) found(x *dial, ips []netip.Addr, ep Endpoint, err error) {
	// By 0.0.0.0 this machine would be reached, whatever listens there at the port.
	ips = slices.DeleteFunc(ips, func(ip netip.Addr) bool { return !endpoint.OfOne(ip) })
	if err == nil && len(ips) == 0 {
		err = errNoAddress
	}
	if err != nil {
		d.fail(x, lookUpFailed(err))
		return
	}
	for _, ip := range ips {
		ep.Host = ip.String()
		x.rest = append(x.rest, transportOf(ep).remote(ep))
	}
	d.try(x)
}

func lookUpFailed(err error) error { return sockets.FailedTCP(nil, err) }

// try begins a connection to the next address that does not fail at once.
func (d *dialler) try(x *dial) {
	for len(x.rest) > 0 {
		to := x.rest[0]
		x.rest = x.rest[1:]
		c, connected, err := d.connectOne(x, to)
		if connected {
			d.finish(x, c, to.SetUp(c.FD))
			return
		}
		if err == nil {
			if err = d.loop.poller.add(c.FD, pollOut, token(x.id)); err == nil {
				d.await(x, attempt{to, c})
				return
			}
			sockets.Close(c.FD)
		}
		x.failed(to, err)
		if to.Full(err) {
			x.rest = append(x.rest, to)
			d.wakeAt(x, min(x.deadline, d.loop.now()+retryFull))
			return
		}
	}
	if len(x.attempts) == 0 {
		d.fail(x, x.err)
		return
	}
	d.wakeAt(x, x.deadline)
}

// connectOne begins a connection to an address, from where it is to come.
func (d *dialler) connectOne(x *dial, to sockets.Remote) (sockets.Connection, bool, error) {
	switch {
	case x.client == 0:
		return to.Probe(d.sources(x.source, to)...)
	case d.loop.shown.setting.Some():
		return d.connectShown(x, to)
	default:
		return to.Connect(d.sources(x.source, to)...)
	}
}

// await waits for an attempt; a host's next address is tried beside it after a
// while, in place of the oldest when there are enough.
func (d *dialler) await(x *dial, a attempt) {
	if len(x.attempts) == maxAttempts {
		x.failed(x.attempts[0].to, os.ErrDeadlineExceeded)
		d.abandon(x, 0)
	}
	if x.attempts = append(x.attempts, a); len(x.attempts) > 1 {
		d.loop.ctx.descriptors.Add(1) // the first is the dial's own
	}
	at := x.deadline
	if len(x.rest) > 0 {
		at = min(at, d.loop.now()+nextAddress)
	}
	d.wakeAt(x, at)
}

// dropAttempt ends the waiting for an attempt, and the poller's watch over it.
func (d *dialler) dropAttempt(x *dial, i int) {
	d.loop.poller.remove(x.attempts[i].FD)
	if x.attempts = slices.Delete(x.attempts, i, i+1); len(x.attempts) > 0 {
		d.loop.ctx.descriptors.Add(-1)
	}
}

func (d *dialler) abandon(x *dial, i int) {
	fd := x.attempts[i].FD
	d.dropAttempt(x, i)
	sockets.Close(fd)
}

func (x *dial) failed(to sockets.Remote, err error) { x.err = verdict(x.err, to.Failed(err)) }

// event is about one of the attempts. When it has failed the next address has
// its turn at once (RFC 8305, 5).
func (d *dialler) event(x *dial) {
	before := len(x.attempts)
	for i := 0; i < len(x.attempts); {
		a := x.attempts[i]
		connected, err := a.to.Connected(&a.Connection)
		if !connected && err == nil {
			i++
			continue
		}
		if err == nil {
			d.dropAttempt(x, i)
			d.finish(x, a.Connection, a.to.SetUp(a.FD))
			return
		}
		x.failed(a.to, err)
		d.abandon(x, i)
	}
	if len(x.attempts) < before {
		d.try(x)
	}
}

// finish ends a dial by a connection, unless that cannot be set up.
func (d *dialler) finish(x *dial, to sockets.Connection, err error) {
	if err == nil {
		err = x.seen(to)
	}
	if err != nil {
		sockets.Close(to.FD)
		d.fail(x, err)
		return
	}
	done := connection{to, x.shown}
	x.shown = netip.Addr{}
	d.giveUp(x)
	x.done(x.id, done, nil)
}

// fail ends a dial by an error.
func (d *dialler) fail(x *dial, err error) {
	d.giveUp(x)
	x.done(x.id, connection{Connection: sockets.Connection{FD: -1}}, err)
}

// giveUp forgets a dial. One that waits begins in the loop's next turn.
func (d *dialler) giveUp(x *dial) {
	d.remove(x)
	if d.clients[x.client] == x {
		delete(d.clients, x.client)
	}
	if x.forget != nil {
		x.forget()
	}
	for len(x.attempts) > 0 {
		d.abandon(x, 0)
	}
	d.loop.shown.release(d.loop.clock, x.shown)
	d.loop.ctx.descriptors.Add(-1)
}

// tend begins the dials that there is room for by now, and goes on with those
// whose time has come.
func (d *dialler) tend() {
	now := d.loop.clock
	if now < d.at {
		return
	}
	for x := d.next(); x != nil; x = d.next() {
		d.begin(x)
	}
	for _, x := range d.dials {
		if x.at <= now {
			d.due(x)
		}
	}
	d.looked(now)
}

func (d *dialler) due(x *dial) {
	switch {
	case !x.admitted:
		d.fail(x, errTooManyDials)
	case d.loop.clock < x.deadline:
		d.try(x)
	default:
		d.fail(x, x.timedOut())
	}
}

// timedOut is the error of a dial whose time is up.
func (x *dial) timedOut() error {
	for _, a := range x.attempts {
		x.failed(a.to, os.ErrDeadlineExceeded)
	}
	if x.err != nil {
		return x.err
	}
	return lookUpFailed(fmt.Errorf("lookup: %w", os.ErrDeadlineExceeded))
}

// close gives everything up.
func (d *dialler) close() {
	d.stop()
	for _, x := range d.dials {
		d.giveUp(x)
	}
}
