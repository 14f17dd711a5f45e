//go:build linux && cgo

package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logQueueSize is how many bytes of lines may wait to be written.
	logQueueSize = 4 << 20
	// logFlushTimeout is how long the end of the process waits for them.
	logFlushTimeout = time.Second
)

// logQueue stands before stderr, so that nothing that logs ever waits for a slow
// disk or for a pipe that nobody reads: neither a pool's loop, which would hold
// up every client, nor the goroutine that obeys signals. What does not fit is
// dropped and counted. One goroutine writes.
type logQueue struct {
	out     io.Writer
	direct  *slog.Logger // writes to out itself, what the queue has to say
	wake    chan struct{}
	written chan struct{} // closed when nothing more will be written

	mu      sync.Mutex
	lines   []byte // whole ones
	dropped uint64
	closed  bool
}

func newLogQueue(out io.Writer, direct *slog.Logger) *logQueue {
	q := &logQueue{out: out, direct: direct, wake: make(chan struct{}, 1), written: make(chan struct{})}
	go q.write()
	return q
}

// Write takes a copy of one line, or drops it; it never blocks or fails.
func (q *logQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.lines)+len(line) > logQueueSize {
		q.dropped++
	} else {
		q.lines = append(q.lines, line...)
	}
	q.mu.Unlock()
	q.rouse()
	return len(line), nil
}

func (q *logQueue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// close writes what is left, for logFlushTimeout at most. What is logged
// afterwards is dropped.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.rouse()
	late := time.NewTimer(logFlushTimeout)
	defer late.Stop()
	select {
	case <-q.written:
	case <-late.C:
	}
}

func (q *logQueue) write() {
	defer close(q.written)
	var spare []byte
	for range q.wake {
		q.mu.Lock()
		lines, dropped, closed := q.lines, q.dropped, q.closed
		q.lines, q.dropped = spare[:0], 0
		q.mu.Unlock()
		_, _ = q.out.Write(lines) // there is nowhere to say that it failed
		if dropped > 0 {
			q.direct.Warn("log lines dropped: the log is read or written too slowly", "lines", dropped)
		}
		if closed {
			return
		}
		spare = lines
	}
}
