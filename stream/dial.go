package stream

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// maxDials bounds the dials that are under way at once in a pool; further ones
// wait for their turn.
const maxDials = 512

// errTooManyDials: no turn came up in the time of one dial.
var errTooManyDials = errors.New("too many dials under way")

// dialler connects to workers that listen. STREAM's own connect is unfit for
// it: it hides refusals, retries for ever, and hands the bytes of one session to
// the next. The loop owns all fields; the goroutines post what they have done.
type dialler struct {
	pool    *Pool
	ctx     context.Context // ends with the loop
	stop    context.CancelFunc
	turns   chan struct{}
	pending map[pairing.PeerID]context.CancelFunc // by client
	number  uint32                                // of the last dialled connection
}

func newDialler(pool *Pool) *dialler {
	ctx, stop := context.WithCancel(context.Background())
	return &dialler{
		pool: pool, ctx: ctx, stop: stop,
		turns:   make(chan struct{}, maxDials),
		pending: map[pairing.PeerID]context.CancelFunc{},
	}
}

func (d *dialler) idle() bool { return len(d.pending) == 0 }

// connect dials endpoint and has the loop run done with the descriptor or the error.
func (d *dialler) connect(ctx context.Context, endpoint string, timeout time.Duration, done func(int, error)) {
	go func() {
		fd, err := d.dial(ctx, endpoint, timeout)
		if !d.pool.post(func() { done(fd, err) }) {
			closeDescriptor(fd)
		}
	}()
}

func (d *dialler) dial(ctx context.Context, endpoint string, timeout time.Duration) (int, error) {
	ep, err := ParseEndpoint(endpoint)
	if err != nil {
		return -1, err
	}
	turn := time.NewTimer(timeout)
	defer turn.Stop()
	select {
	case d.turns <- struct{}{}:
		defer func() { <-d.turns }()
	case <-turn.C:
		return -1, errTooManyDials
	case <-ctx.Done():
		return -1, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network, address := ep.dialArgs()
	c, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, address)
	if err != nil {
		return -1, err
	}
	defer func() { _ = c.Close() }()
	// A dial to an ephemeral port of this machine can meet itself (TCP's
	// simultaneous open) when nobody listens there.
	if network == "tcp" && c.LocalAddr().String() == c.RemoteAddr().String() {
		return -1, syscall.ECONNREFUSED
	}
	fd, err := detach(c.(syscall.Conn))
	if err == nil && network == "tcp" {
		err = keepDialled(fd, d.pool.loop.fixed.KeepAlive, d.pool.loop.fixed.UserTimeout)
	}
	if err != nil {
		closeDescriptor(fd)
		return -1, err
	}
	return fd, nil
}

// detach duplicates the descriptor of a connection that is about to be closed,
// so that the loop polls it rather than Go's runtime. It stays non-blocking.
func detach(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(own uintptr) { fd, dupErr = duplicate(int(own)) }); err != nil {
		return -1, err
	}
	return fd, dupErr
}

// dial answers the table's wish for a connection to a worker, on behalf of a client.
func (l *loop) dial(a pairing.Action) {
	if used, limit := l.ctx.Descriptors(); used >= limit {
		l.act(l.table.End(l.clock, a.Peer, pairing.QueueFull))
		return
	}
	l.ctx.descriptors.Add(1) // from now on, so that many dials at once are seen
	ctx, cancel := context.WithCancel(l.dialler.ctx)
	l.dialler.pending[a.Peer] = cancel
	client, worker := a.Peer, a.Worker
	l.dialler.connect(ctx, a.Endpoint, l.cfg.ConnectTimeout, func(fd int, err error) {
		cancel()
		l.ctx.descriptors.Add(-1)
		delete(l.dialler.pending, client)
		switch {
		case l.closed:
			closeDescriptor(fd)
		case err == nil:
			l.dialled(client, fd)
		default:
			l.dialFailed(client, worker, err)
		}
	})
}

// dialled makes a connection of the descriptor and offers it to the table.
func (l *loop) dialled(client pairing.PeerID, fd int) {
	for l.dialler.number++; l.table.Peer(peerID(dialledSide, l.dialler.number)) != nil; {
		l.dialler.number++ // come round to one that is still there
	}
	c := &conn{id: peerID(dialledSide, l.dialler.number), fd: fd, zmqFD: -1, phase: live, out: backlog{spare: &l.spare}}
	if ep := peerEndpoint(fd); ep.IsValid() {
		c.origin = pairing.Origin{Address: ep.Addr().String(), Endpoint: ep.String()}
	}
	l.know(c)
	l.count(c, +1)
	l.act(l.table.Dialled(l.now(), client, c.id, c))
	if c.phase == live {
		l.updateInterest(c)
	}
}

func (l *loop) dialFailed(client pairing.PeerID, worker string, err error) {
	switch {
	case errors.Is(err, context.Canceled): // the client has gone
	case errors.Is(err, errTooManyDials), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS):
		// Our want, not the worker's fault.
		l.act(l.table.End(l.now(), client, pairing.QueueFull))
		return
	default:
		l.cfg.Log.Warn("dial failed", "pool", l.cfg.Name, "worker", worker, "error", err)
	}
	l.act(l.table.DialFailed(l.now(), client, worker))
}

// probe finds out whether a worker that failed can be reached again.
func (l *loop) probe(a pairing.Action) {
	worker := a.Worker
	l.dialler.connect(l.dialler.ctx, a.Endpoint, l.cfg.ConnectTimeout, func(fd int, err error) {
		closeDescriptor(fd)
		if l.closed {
			return
		}
		if err == nil {
			l.cfg.Log.Info("worker is back", "pool", l.cfg.Name, "worker", worker)
		}
		l.act(l.table.Probed(l.now(), worker, err == nil))
	})
}

// cancelDial gives up on a client that has ended.
func (l *loop) cancelDial(client pairing.PeerID) {
	if cancel, ok := l.dialler.pending[client]; ok {
		cancel()
	}
}
