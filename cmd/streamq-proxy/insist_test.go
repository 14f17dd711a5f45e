//go:build linux && cgo

package main

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A successor that is told to end in the middle of an upgrade, and again by its predecessor, drains; who says so
// later once more means it.
func TestSuccessorIsToldToEndOnce(t *testing.T) {
	t.Parallel()
	s := &server{before: new(predecessor), closed: make(chan struct{}), log: newLogger(io.Discard, false, new(slog.LevelVar)), force: patience}
	signals, first := make(chan os.Signal), make(chan os.Signal, 1)
	atOnce, over := make(chan struct{}), make(chan struct{})
	begun := time.Now()
	end := sync.OnceFunc(func() { close(atOnce) }) // which each further signal calls again
	go func() { defer close(over); s.insist(signals, first, end) }()
	signals <- syscall.SIGTERM
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for ended := false; !ended; {
		signals <- syscall.SIGTERM
		select {
		case <-atOnce:
			ended = true
		case <-again.C:
		}
	}
	if took := time.Since(begun); took < oneSignal {
		t.Errorf("it ends at once, %v after it has begun", took)
	}
	if len(first) != 1 {
		t.Error("it was not told to drain")
	}
	close(s.closed)
	<-over
}
