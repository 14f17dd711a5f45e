package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/libzmq"
)

const (
	// lingerTime is how long the last replies and events have to leave at the end. Without any libzmq may abort the process
	// over a message of several parts that is half sent when its peer goes (4.3.4: session_base_t::clean_pipes).
	lingerTime = 200 * time.Millisecond
	// queued is how many requests of one connection wait for the server, and
	// unread how many replies for their caller. libzmq notices that replies have
	// left in steps of half of that, and looks for such notices once in a
	// millisecond, so twice MaxUnderWay was seen to be too few for a fast caller.
	queued = 128
	unread = 4 * wire.MaxUnderWay
)

// Proxy is what a control socket steers. Its functions are called on the
// server's goroutine and may take a moment.
type Proxy struct {
	Pools   []*stream.Pool // at least one, their names differ
	Version wire.Version
	// Reload reads the configuration again; all of it comes into force, or
	// nothing and the error says why.
	Reload func(context.Context) error
	// Upgrade has another process go on in this one's place; the error says why it did not.
	Upgrade func(context.Context) error
	// Shutdown drains until the deadline, of the configuration if it is below zero,
	// and says how long that is from now: less where an earlier one stands. The error says why it does not.
	Shutdown func(deadline time.Duration) (left time.Duration, err error)
	// Finders are what finds workers of a pool; nil where there is nothing of the kind.
	Finders func(pool string) []wire.FinderInfo
	// Shared tells how the store is in which proxies remember together, nil for none; the
	// function is nil where there never is one.
	Shared func() *wire.SharedInfo
	// Proxies lists those that share the store; the function is nil where there never is one.
	Proxies func(context.Context) ([]wire.ProxyInfo, error)
	// Everywhere has a word about a worker count in a pool and, with all proxies that share the store, in theirs; told says
	// that the store has it, else it is told when that is back. The function is nil where there never is one.
	Everywhere func(ctx context.Context, pool *stream.Pool, w pairing.Steering) (told bool, err error)
	// Ending says whether the proxy was told to end; nil for one that never is.
	Ending func() bool
	Level  *slog.LevelVar // of the log
}

// Server is a control socket. Its methods but Serve may be called from any goroutine.
type Server struct {
	*desk
	cfg     Config
	feed    *Feed
	started time.Time

	// Only the goroutine of Serve touches these (and Open, before).
	context   *zmq4.Context
	router    *zmq4.Socket
	zap       *zmq4.Socket
	pub       *zmq4.Socket // nil when no endpoint is an operator's
	cert      wire.Cert
	keys      *keyring
	callers   *callers
	monitors  map[*zmq4.Socket]*monitor // by whom they watch; each is of a goroutine of its own
	beats     []beat                    // batched, see beat.go
	beatsDue  time.Time
	paths     []string
	left      atomic.Bool // see Leave
	listeners []Listener
	bound     []string
	eventsAt  map[domain]string

	// answering is held while requests are taken and answered, so that the end,
	// which ends every call on the sockets, waits until whoever asked for it is answered.
	answering sync.Mutex
	over      bool // nothing is answered any more
}

// Open binds the endpoints. The error is one line, and nothing is left open. A
// server that is opened must be Served or Closed.
func Open(cfg Config, proxy Proxy, feed *Feed) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	listeners, _ := cfg.listeners()
	desk, err := newDesk(proxy, cfg.Log)
	if err != nil {
		return nil, err
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	s := &Server{
		desk: desk, cfg: cfg, feed: feed, started: time.Now(), eventsAt: map[domain]string{},
		monitors: map[*zmq4.Socket]*monitor{},
	}
	s.left.Store(len(cfg.Inherit) > 0)
	if err := s.open(listeners); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(listeners []listener) (err error) {
	if s.callers, err = newCallers(s.cfg.Rate); err != nil {
		return err
	}
	if s.cfg.Cert != "" {
		if s.cert, err = wire.ReadSecretCert(s.cfg.Cert); err == nil {
			s.keys, err = newKeyring(s.cfg.Clients, s.log)
		}
		if err == nil {
			err = libzmq.NeedCurve()
		}
		if err != nil {
			return fmt.Errorf("control: %w", err)
		}
	}
	if s.context, err = zmq4.NewContext(); err != nil {
		return fmt.Errorf("control: libzmq: %w", err)
	}
	if err := s.sockets(); err != nil {
		return err
	}
	for _, l := range listeners {
		if err := s.listen(l); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) sockets() (err error) {
	if s.zap, err = s.context.NewSocket(zmq4.REP); err == nil {
		err = s.zap.Bind(zapEndpoint)
	}
	if err == nil {
		s.router, err = s.context.NewSocket(zmq4.ROUTER)
	}
	if err == nil {
		// A reply that cannot be sent is an error, and not dropped in silence.
		err = s.router.SetRouterMandatory(1)
	}
	if err == nil {
		s.pub, err = s.context.NewSocket(zmq4.PUB)
	}
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	for _, socket := range [...]*zmq4.Socket{s.router, s.pub} {
		err = errors.Join(err,
			socket.SetLinger(lingerTime), socket.SetMaxmsgsize(wire.MaxFrame), socket.SetHandshakeIvl(handshakeTime), socket.SetBacklog(backlog),
			socket.SetRcvhwm(queued), socket.SetSndhwm(unread))
	}
	return errors.Join(err, s.pub.SetSndhwm(feedSize),
		s.watch(s.router, "requests"), s.watch(s.pub, "events"))
}

// Bound are the endpoints that can be connected to, wildcard ports resolved.
func (s *Server) Bound() []string { return s.bound }

// Close releases a server that will never be Served.
func (s *Server) Close() {
	for _, socket := range [...]*zmq4.Socket{s.router, s.zap, s.pub} {
		if socket != nil {
			_ = socket.Close()
		}
	}
	for _, m := range s.monitors {
		_ = m.socket.Close()
	}
	if s.context != nil {
		_ = s.context.Term()
	}
	s.removePaths()
}
