//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/webconfig"
	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/stream/inuse"
)

// Bounds that keep slow, many or strange HTTP clients from costing anything.
const (
	// Who says nothing holds one of httpMaxConns for so long only.
	httpHeaderTimeout = 2 * time.Second
	httpReadTimeout   = 5 * time.Second
	httpTimeout       = 15 * time.Second
	httpMaxHeader     = 16 << 10 // bytes
	httpMaxConns      = 256
	httpMaxScrapes    = 4
)

// httpServer serves /metrics, /healthz, /readyz and, of a proxy, the console and /api/v1.
type httpServer struct {
	listener net.Listener
	bound    net.Listener // the same without its bounds
	server   *http.Server
	gate     *webconfig.Gate // of users and TLS, nil for neither
}

// listenHTTP binds, unless somebody has for it; nothing is answered before serve.
func listenHTTP(address string, inherited *os.File, handler http.Handler, log *slog.Logger) (*httpServer, error) {
	l, err := listenOn(address, inherited)
	if err != nil {
		var reason *net.OpError
		if errors.As(err, &reason) {
			err = reason.Err
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("http %s: %w (--http names another, --http \"\" turns it off)", address, inuse.TCP(address))
		}
		return nil, fmt.Errorf("http %s: %w", address, err)
	}
	h := &httpServer{
		listener: newSeats(l, httpMaxConns), bound: l,
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: httpHeaderTimeout,
			ReadTimeout:       httpReadTimeout,
			WriteTimeout:      httpTimeout,
			MaxHeaderBytes:    httpMaxHeader,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
	// One request a connection: idle ones could keep a probe from being heard.
	h.server.SetKeepAlivesEnabled(false)
	return h, nil
}

// listenOn binds an address, or goes on with a listener that another process has bound.
func listenOn(address string, inherited *os.File) (net.Listener, error) {
	if inherited != nil {
		return net.FileListener(inherited)
	}
	return net.Listen("tcp", address)
}

// file is a copy of the listener for another process.
func (h *httpServer) file() (*os.File, error) {
	l, ok := h.bound.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("http %s: its listener cannot be handed over", h.address())
	}
	return l.File()
}

func (h *httpServer) address() string { return h.listener.Addr().String() }

func (h *httpServer) serve() error {
	serve := h.server.Serve
	if h.gate != nil {
		serve = func(l net.Listener) error { return h.gate.Serve(l, h.server) }
	}
	if err := serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http %s: %w", h.address(), err)
	}
	return nil
}

// close lets an answer that is under way go out, for a moment.
func (h *httpServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if h.server.Shutdown(ctx) != nil {
		_ = h.server.Close() // cuts what is left; there is nobody to tell
	}
	_ = h.listener.Close() // when serve was never reached
}

func newHandler(s *server) http.Handler {
	sources := make([]metrics.Source, len(s.pools))
	for i, p := range s.pools {
		sources[i] = p
	}
	registry := metrics.NewRegistry(build(), sources...)
	registry.MustRegister(s.reloads, s.upgrades, metrics.NewFinderCollector(s.discoveryStats), metrics.NewSharedCollector(s.sharedStats),
		metrics.NewControlCollector(s.controlStats))
	if s.gate != nil {
		registry.MustRegister(metrics.NewWebCollector(s.webStats))
	}
	mux := newMux(registry, s.log, s.healthz, s.readyz)
	if s.told != nil {
		s.told.Register(mux)
		s.seen.Register(mux)
	}
	if s.gate != nil {
		return s.gate.Handler(mux, api.Refuse)
	}
	return mux
}

// newMux answers what every server of ours does.
func newMux(registry prometheus.Gatherer, log *slog.Logger, healthz, readyz http.HandlerFunc) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: httpMaxScrapes,
		Timeout:             httpTimeout,
	}))
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", readyz)
	return mux
}
