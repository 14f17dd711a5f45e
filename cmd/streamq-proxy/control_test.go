//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Who says shutdown in the middle of an upgrade is told that another process has taken over, and does not end the
// pairs that stay in this one.
func TestShutdownOfWhatWasHandedOver(t *testing.T) {
	t.Parallel()
	s := &server{asked: make(chan func(context.Context)), ended: make(chan struct{}), succeeded: make(chan struct{})}
	close(s.succeeded)
	over := make(chan struct{})
	go func() { defer close(over); s.obey(context.Background(), nil, nil) }()
	if _, err := s.shutdownFor(time.Minute); !errors.Is(err, errHandedOver) {
		t.Errorf("it is %v", err)
	}
	if s.ending.Load() {
		t.Error("this process ends")
	}
	close(s.ended)
	<-over
}
