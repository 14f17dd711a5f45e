//go:build linux && cgo

package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// accessLog logs one line for each client that ended. It may be used by the
// loops of all pools, which it never holds up: see logQueue.
type accessLog struct {
	log *slog.Logger
	on  atomic.Bool
}

func newAccessLog(log *slog.Logger, on bool) *accessLog {
	a := &accessLog{log: log}
	a.on.Store(on)
	return a
}

// turn turns the log on or off.
func (a *accessLog) turn(on bool) { a.on.Store(on) }

// record logs one client, of which it keeps nothing.
func (a *accessLog) record(one *stream.Access) {
	if !a.on.Load() {
		return
	}
	level := slog.LevelInfo
	if one.Reason == pairing.ProbeOnly || one.Summed { // a balancer, or a crowd, makes them all day
		level = slog.LevelDebug
	}
	if a.log.Enabled(context.Background(), level) {
		a.log.LogAttrs(context.Background(), level, "client ended", attributes(one)...)
	}
}

// attributes are the line's words, in an order that reads well.
func attributes(a *stream.Access) []slog.Attr {
	all := []slog.Attr{
		slog.String("pool", a.Pool),
		slog.String("reason", a.Reason.String()),
		slog.String("client", a.Origin.Whence()),
		slog.String("identity", a.Identity),
		slog.String("worker", a.Worker),
		slog.String("worker-endpoint", a.WorkerOrigin.Whence()),
		slog.String("mechanism", a.Mechanism),
		slog.String("zmtp", a.Version),
		slog.Uint64("bytes-in", a.BytesIn),
		slog.Uint64("bytes-out", a.BytesOut),
		slog.Duration("waited", a.Waited),
		slog.Duration("handshake", a.Handshake),
		slog.Duration("total", a.Total),
		slog.Int("dials", a.Dials),
	}
	if a.Shown.IsValid() {
		all = append(all, slog.String("shown", a.Shown.String()))
	}
	if h := a.Unopened; h != nil {
		all = append(all, handshakeAttributes(h)...)
	}
	if a.Hint != "" {
		all = append(all, slog.String("hint", a.Hint))
	}
	if b := a.Balancer; b != nil {
		all = append(all, slog.String("balancer", b.Endpoint))
		if b.UniqueID != "" {
			all = append(all, slog.String("unique-id", b.UniqueID))
		}
		if b.TLS != nil {
			all = append(all, slog.String("tls", b.TLS.Version), slog.String("tls-cipher", b.TLS.Cipher), slog.String("tls-name", b.TLS.CommonName), slog.Bool("tls-verified", b.TLS.Verified))
		}
	}
	return all
}

// handshakeAttributes are the words of a handshake that was not through.
func handshakeAttributes(h *stream.Handshake) []slog.Attr {
	all := []slog.Attr{
		slog.String("client-stage", h.ClientStage.String()),
		slog.String("worker-stage", h.WorkerStage.String()),
		slog.String("closed-by", h.ClosedBy),
	}
	if h.Error != "" {
		all = append(all, slog.String("error", h.Error))
	}
	if h.AsServer != "" {
		all = append(all, slog.String("as-server", h.AsServer))
	}
	var steps []string
	for _, s := range h.Steps {
		steps = append(steps, fmt.Sprintf("%v %v %v", s.Side, s.Stage, s.After))
	}
	return append(all, slog.String("steps", strings.Join(steps, ", ")))
}
