//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"time"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/stream/libzmq"
)

// openControl binds the control socket, if there is to be one.
func (s *server) openControl() (err error) {
	if s.feed == nil {
		return nil
	}
	cfg := s.plan.Control
	cfg.Log = s.log
	if s.before != nil {
		cfg.Inherit = s.before.control
	}
	s.control, err = control.Open(cfg, s.steered(), s.feed)
	return err
}

// steered is what the control socket, and the console, steer.
func (s *server) steered() control.Proxy {
	return control.Proxy{
		Pools:      s.pools,
		Version:    running(),
		Reload:     s.reloadFor,
		Upgrade:    s.upgradeFor,
		Shutdown:   s.shutdownFor,
		Shared:     s.sharedFor,
		Proxies:    s.proxiesFor,
		Everywhere: s.everywhereFor,
		Ending:     s.ending.Load,
		Finders:    s.findersFor,
		Level:      s.level,
	}
}

// running is what is running.
func running() wire.Version {
	b := build()
	return wire.Version{Version: b.Version, Revision: b.Revision, GoVersion: b.GoVersion, Libzmq: libzmq.Version()}
}

// untilEnded is a context that ends when the pools have.
func (s *server) untilEnded() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-s.ended
		cancel()
	}()
	return ctx
}

// errEnding is what the control socket is told by a proxy that is at its end.
var errEnding = errors.New("the proxy is ending")

// ask has the goroutine of signals run f.
func (s *server) ask(ctx context.Context, f func(context.Context)) error {
	select {
	case s.asked <- f:
		return nil
	case <-s.ended:
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reloadFor is reload on behalf of a caller of the control socket.
func (s *server) reloadFor(ctx context.Context) error { return s.askFor(ctx, s.reload) }

// upgradeFor is upgrade likewise. The control socket, which ends with it, answers before.
func (s *server) upgradeFor(ctx context.Context) error {
	return s.askFor(context.WithoutCancel(ctx), s.upgrade)
}

// askFor has the goroutine of signals do something that may fail.
func (s *server) askFor(ctx context.Context, do func(context.Context) error) error {
	result := make(chan error, 1)
	if err := s.ask(ctx, func(context.Context) { result <- do(ctx) }); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shutdownFor ends the proxy on behalf of a caller of the control socket; a deadline
// below zero stands for the configuration's. It says what is left until the
// deadline that counts. Errors: errHandedOver, when it came in the middle of an upgrade and nothing was done.
func (s *server) shutdownFor(deadline time.Duration) (left time.Duration, err error) {
	err = s.askFor(context.Background(), func(context.Context) error {
		if s.handedOver() {
			return errHandedOver
		}
		delay, timeout := s.plan.DrainDelay, s.plan.DrainTimeout
		if deadline >= 0 { // of the whole
			delay = min(delay, deadline)
			timeout = deadline - delay
		}
		left = s.endAfter(delay, timeout, "by", "control")
		return nil
	})
	if errors.Is(err, errEnding) {
		return 0, nil
	}
	return left, err
}

// controlStats are the control socket's figures for a scrape, and what is asked for over HTTP beside it.
func (s *server) controlStats() metrics.ControlStats {
	var from control.Stats
	if s.control != nil {
		from = s.control.Stats()
	}
	if s.steward != nil {
		from.Requests = append(from.Requests, s.steward.Requests()...)
	}
	to := metrics.ControlStats{Refused: map[string]uint64{}, Unread: from.Unread, EventsLost: from.EventsLost}
	for r, n := range from.Refused {
		to.Refused[control.Refusal(r).String()] = n
	}
	for _, r := range from.Requests {
		to.Count(r.Verb, r.Code.String(), r.Count)
	}
	return to
}
