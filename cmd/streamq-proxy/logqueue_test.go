package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// stuck is a place to write to that takes nothing until it is freed.
type stuck struct {
	free  chan struct{}
	mutex sync.Mutex
	text  bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.Write(b)
}

// Who logs is never held up: what cannot be written in time is dropped, and the
// number of it is logged.
func TestLogQueueNeverBlocks(t *testing.T) {
	t.Parallel()
	w := &stuck{free: make(chan struct{})}
	q := newLogQueue(w, slog.New(slog.NewTextHandler(w, nil)))
	log := slog.New(slog.NewTextHandler(q, nil))
	const recorded = 10_000
	filler := strings.Repeat("x", 3*logQueueSize/recorded)
	for range recorded {
		log.Info("line", "filler", filler)
	}
	close(w.free)
	q.close()
	written := strings.Count(w.text.String(), "msg=line")
	if written == 0 || written >= recorded {
		t.Errorf("%d lines of %d were written", written, recorded)
	}
	if want := fmt.Sprintf("lines=%d\n", recorded-written); !strings.Contains(w.text.String(), "log lines dropped") || !strings.HasSuffix(w.text.String(), want) {
		t.Errorf("the last words are not %q", want)
	}
}

// The end waits for a moment only, and then does not block who still logs.
func TestLogQueueEndsWhileStuck(t *testing.T) {
	t.Parallel()
	w := &stuck{free: make(chan struct{})}
	q := newLogQueue(w, slog.New(slog.DiscardHandler))
	_, _ = q.Write([]byte("line\n"))
	start := time.Now()
	q.close()
	if took := time.Since(start); took < logFlushTimeout {
		t.Errorf("gave up after %v", took)
	}
	_, _ = q.Write([]byte("late\n"))
	close(w.free)
	<-q.written
	if got := w.text.String(); got != "line\n" {
		t.Errorf("%q was written", got)
	}
}
