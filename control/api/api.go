package api

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Pool is what is asked of a pool; a [stream.Pool] is one.
type Pool interface {
	Name() string
	Group() string
	Bound() (frontend, backend []string)
	Snapshot(ctx context.Context) (stream.Snapshot, error)
	Page(ctx context.Context, s pairing.Selection) (stream.Listing, error)
	Explain(ctx context.Context, who string) (*stream.Explanation, error)
	Failing(ctx context.Context, most int) (stream.FailingList, error)
}

// Config is what a [Server] tells of.
type Config struct {
	Pools   []Pool // their names differ
	Version wire.Version
	// Events are those of the pools; nil where there are none to listen to.
	Events *Events
	// Shared tells how the store is in which proxies remember together, nil for none; the
	// function is nil where there never is one.
	Shared func() *wire.SharedInfo
	// Admits says whether the connection of a request would still be let in; nil where every one is. It is asked of those
	// who listen, now and then.
	Admits func(*http.Request) bool
	// Steering is how something can be changed; nil where nothing can.
	Steering *Steering
}

// Server answers. Its methods may be called from any goroutine.
type Server struct {
	cfg       Config
	started   time.Time
	moments   *moments
	directory *directory
	hour      *hour
	events    *Events
	live      *hub
	seats     *semaphore.Weighted // of listeners
	admission *limiter
	strangers *limiter // those whom nothing is shown, so that they take nobody's place
	explains  *limiter
	over      chan struct{}
}

// New makes a server, which keeps the last hour while it is Run.
func New(cfg Config) *Server {
	if cfg.Events == nil {
		cfg.Events = NewEvents()
	}
	return &Server{
		cfg:       cfg,
		started:   time.Now(),
		moments:   newMoments(cfg.Pools),
		directory: newDirectory(cfg.Pools),
		hour:      newHour(),
		events:    cfg.Events,
		live:      newHub(1),
		seats:     semaphore.NewWeighted(mostListeners),
		admission: newLimiter(requestRate, requestBurst),
		strangers: newLimiter(requestRate, requestBurst),
		explains:  newLimiter(explainRate, explainBurst),
		over:      make(chan struct{}),
	}
}

const (
	// What all requests together may be, a second and at once; more are answered 429.
	// 20 browsers ask for less than 100 a second.
	requestRate, requestBurst = 200, 400
	// Explanations are the only answers that ask a loop each time.
	explainRate, explainBurst = 50, 100
	// loopTimeout is how long a loop may take to answer.
	loopTimeout = 2 * time.Second
)

// Run keeps the last hour and sends to listeners, until ctx ends. Then all listeners
// are let go.
func (s *Server) Run(ctx context.Context) {
	defer close(s.over)
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	next := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.events.queue:
			s.events.publish(e)
		case now := <-ticks.C:
			if !now.Before(next) {
				next = now.Add(step)
				s.sample(ctx)
			}
			s.directory.forget(now)
			s.tell(ctx)
		}
	}
}

// tick is how often listeners are told how things are, at most.
const tick = time.Second

// sample adds a point to the last hour.
func (s *Server) sample(ctx context.Context) {
	if m, err := s.moments.now(ctx); err == nil {
		s.hour.add(m)
	}
}

// Remember adds a point to the last hour as if it were another time, for a test that wants
// an hour sooner.
func (s *Server) Remember(at time.Time) {
	m := s.moments.ask()
	m.at = at
	s.hour.add(m)
}

// tell sends the status to those who listen to it.
func (s *Server) tell(ctx context.Context) {
	if s.live.empty() {
		return
	}
	if status, err := s.Status(ctx); err == nil {
		s.live.send(frame("status", status))
	}
}

// Register adds the API to a mux.
func (s *Server) Register(mux *http.ServeMux) {
	methods := map[string]string{} // by path
	for _, r := range s.routes() {
		mux.Handle("GET "+Prefix+r.path, s.guarded(r.serve))
		methods[Prefix+r.path] = "GET, HEAD"
	}
	for _, r := range s.steered() {
		mux.Handle("POST "+Prefix+r.path, s.guarded(r.serve))
		methods[Prefix+r.path] = "POST"
	}
	// Without a method, so that what the mux itself would answer as text comes here, too.
	mux.Handle(Prefix+"/", s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		if allowed := methods[r.URL.Path]; allowed != "" {
			w.Header().Set("Allow", allowed)
			return wire.Errorf(http.StatusMethodNotAllowed, "it is asked for by %s, not by %s", allowed, r.Method)
		}
		return wire.Errorf(wire.NotFound, "no such answer: %s/openapi.json describes all that there are", Prefix)
	}))
}

// Prefix is where the API is.
const Prefix = "/api/v1"
