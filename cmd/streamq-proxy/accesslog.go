package main

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/streamq/streamq-proxy/stream"
)

// accessQueue is how many lines may wait to be written. A loop that met a slow
// disk or a pipe that nobody reads would delay every client of its pool, so
// what does not fit is dropped, and counted.
const accessQueue = 8192

// accessLog writes one line for each client that ended. The loops of all pools
// record, one goroutine writes.
type accessLog struct {
	log     *slog.Logger
	on      atomic.Bool
	dropped atomic.Uint64
	lines   chan stream.Access
	written chan struct{}
}

func newAccessLog(log *slog.Logger, on bool) *accessLog {
	a := &accessLog{log: log, lines: make(chan stream.Access, accessQueue), written: make(chan struct{})}
	a.on.Store(on)
	go a.write()
	return a
}

// turn turns the log on or off.
func (a *accessLog) turn(on bool) { a.on.Store(on) }

// record never blocks. It keeps a copy of what one has to say.
func (a *accessLog) record(one *stream.Access) {
	if !a.on.Load() {
		return
	}
	line := *one
	line.ClientConn, line.WorkerConn = nil, nil // of the loop's, which may go on to use them
	select {
	case a.lines <- line:
	default:
		a.dropped.Add(1)
	}
}

// close writes what is left. Nothing may be recorded any more.
func (a *accessLog) close() {
	close(a.lines)
	<-a.written
}

func (a *accessLog) write() {
	defer close(a.written)
	for line := range a.lines {
		a.log.LogAttrs(context.Background(), slog.LevelInfo, "client ended", attributes(&line)...)
		if n := a.dropped.Swap(0); n > 0 {
			a.log.Warn("access log lines dropped: the log is written too slowly", "lines", n)
		}
	}
}

// attributes are the line's words, in an order that reads well.
func attributes(a *stream.Access) []slog.Attr {
	return []slog.Attr{
		slog.String("pool", a.Pool),
		slog.String("reason", a.Reason.String()),
		slog.String("client", whence(a.Origin.Endpoint, a.Origin.Address)),
		slog.String("identity", a.Identity),
		slog.String("worker", a.Worker),
		slog.String("worker-endpoint", whence(a.WorkerOrigin.Endpoint, a.WorkerOrigin.Address)),
		slog.String("mechanism", a.Mechanism),
		slog.Uint64("bytes-in", a.BytesIn),
		slog.Uint64("bytes-out", a.BytesOut),
		slog.Duration("waited", a.Waited),
		slog.Duration("handshake", a.Handshake),
		slog.Duration("total", a.Total),
		slog.Int("dials", a.Dials),
	}
}

// whence is where a connection comes from, as exactly as it is known: a peer
// over ipc has no endpoint, but an address of uid, gid and pid.
func whence(endpoint, address string) string {
	if endpoint != "" {
		return endpoint
	}
	return address
}
