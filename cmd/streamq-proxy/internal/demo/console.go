package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/console"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/stream"
)

// headerTimeout is how long who says nothing holds a connection.
const headerTimeout = 2 * time.Second

// glass is how the pool is looked at: the console, and the control socket of a demo that is held.
type glass struct {
	events   *api.Events
	feed     *control.Feed
	told     *api.Server
	server   *http.Server
	listener net.Listener
	control  *control.Server // nil for none
	dir      string          // of the control socket's file
}

// newGlass makes what is told of events before there is a pool.
func newGlass() *glass { return &glass{events: api.NewEvents(), feed: control.NewFeed()} }

// record is the pool's recorder of events.
func (g *glass) record(e stream.Event) {
	g.events.Record(e)
	g.feed.Record(e)
}

// open has a pool looked at. Whoever looks at a demo may steer it.
func (g *glass) open(pool *stream.Pool, version wire.Version, held bool) error {
	proxy := control.Proxy{
		Pools: []*stream.Pool{pool}, Version: version, Level: new(slog.LevelVar),
		Reload:   func(context.Context) error { return errors.New("a demo has no configuration file") },
		Upgrade:  func(context.Context) error { return errors.New("a demo is not upgraded") },
		Shutdown: func(time.Duration) (time.Duration, error) { return 0, nil }, // Ctrl-C does that
	}
	steward, err := control.NewSteward(proxy, nil)
	if err != nil {
		return err
	}
	g.told = api.New(api.Config{Pools: []api.Pool{pool}, Version: version, Events: g.events, Steering: &api.Steering{
		Admins: func() []string { return []string{api.Everybody} }, Do: steward.Do,
	}})
	seen, err := console.New(g.told, nil)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	g.told.Register(mux)
	seen.Register(mux)
	registry := metrics.NewRegistry(metrics.Build{Version: version.Version, Revision: version.Revision, GoVersion: version.GoVersion}, pool)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})) // to which the console has a link
	g.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	err = listen(func(port int) (err error) {
		g.listener, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		return err
	})
	if err != nil || !held {
		return err
	}
	if g.dir, err = os.MkdirTemp("", "streamq-demo"); err != nil {
		return err
	}
	g.control, err = control.Open(control.Config{Endpoints: []string{"ipc://" + filepath.Join(g.dir, "control.sock")}}, proxy, g.feed)
	return err
}

// url is where the console is.
func (g *glass) url() string { return "http://" + g.listener.Addr().String() + "/" }

// serve shows until ctx ends.
func (g *glass) serve(ctx context.Context) error {
	defer g.close()
	failed := make(chan error, 2)
	go func() { failed <- g.server.Serve(g.listener) }()
	running := 1
	if g.control != nil {
		running++
		go func() { failed <- g.control.Serve(ctx) }()
	}
	g.told.Run(ctx)
	_ = g.server.Close()
	g.listener = nil
	g.control = nil
	var err error
	for range running {
		if one := <-failed; err == nil && !errors.Is(one, http.ErrServerClosed) {
			err = one
		}
	}
	return err
}

// close releases what was never served, and the file.
func (g *glass) close() {
	if g.listener != nil {
		_ = g.listener.Close()
	}
	if g.control != nil {
		g.control.Close()
	}
	if g.dir != "" {
		_ = os.RemoveAll(g.dir)
	}
}
