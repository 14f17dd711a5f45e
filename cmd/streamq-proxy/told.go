//go:build linux && cgo

package main

import (
	"fmt"
	"net/http"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/webconfig"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/console"
	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/stream"
)

// openConsole makes what the HTTP server tells of the pools, which are open.
func (s *server) openConsole() (err error) {
	pools := make([]api.Pool, len(s.pools))
	for i, p := range s.pools {
		pools[i] = p
	}
	if s.steward, err = control.NewSteward(s.steered(), s.log); err != nil {
		return err
	}
	steering := &api.Steering{Admins: func() []string { return *s.admins.Load() }, Do: s.steward.Do}
	var admits func(*http.Request) bool
	if s.plan.WebConfig != "" {
		if s.gate, err = webconfig.Open(s.plan.WebConfig, s.log); err != nil {
			return fmt.Errorf("web-config %s: %w", s.plan.WebConfig, err)
		}
		steering.User, admits = s.gate.User, s.gate.Admits
	}
	s.admins.Store(&s.plan.HTTPAdmin)
	s.grafana.Store(&s.plan.GrafanaURL)
	s.told = api.New(api.Config{Pools: pools, Version: running(), Events: s.happened, Shared: s.sharedFor, Admits: admits, Steering: steering})
	s.seen, err = console.New(s.told, func() string { return *s.grafana.Load() })
	return err
}

// webStats are those of the web configuration.
func (s *server) webStats() metrics.WebStats {
	passwords := s.gate.Passwords()
	return metrics.WebStats{InForce: s.gate.InForce(), Right: passwords.Right, Wrong: passwords.Wrong, Limited: passwords.Limited}
}

// recorders is who is told of events, nil for nobody.
func (s *server) recorders() func(stream.Event) {
	switch {
	case s.feed != nil && s.happened != nil:
		return func(e stream.Event) {
			s.feed.Record(e)
			s.happened.Record(e)
		}
	case s.feed != nil:
		return s.feed.Record
	case s.happened != nil:
		return s.happened.Record
	}
	return nil
}
