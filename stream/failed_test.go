package stream

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// said is what a log has been told.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), text)
}

// Who fails is one line a minute, with reasons and the worst addresses; a minute without is none.
func TestFailedAreSummedUp(t *testing.T) {
	var log said
	r := newRig(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	for range 5 {
		send(t, r.client(), []byte("GET / HTTP/1.1\r\n"))
	}
	r.expectReasons(5, pairing.NotZMTP)
	minute := func() {
		r.onLoop(func(l *loop) { l.failedAt = 0 })
		eventually(t, "a minute is over", func() (is bool) {
			r.onLoop(func(l *loop) { is = l.failedAt > l.clock+failedEvery-time.Minute && l.failedAt > 0 })
			return is
		})
	}
	minute()
	minute()
	if n := log.count(`clients=5 reasons="not-zmtp=5" addresses=1 worst="127.0.0.1=5"`); n != 1 || log.count("clients were not served") != 1 {
		t.Errorf("%d lines: %s", n, log.text.String())
	}
}
