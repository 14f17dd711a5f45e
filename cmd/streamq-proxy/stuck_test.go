package main

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/streamq/streamq-proxy/pairing"
)

// A proxy whose loop is stuck ends all the same, a while after the second
// signal, and says so.
func TestStuckLoopIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := flags{cpus: 2}
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse([]string{"--frontend", "tcp://127.0.0.1:0", "--backend", "tcp://127.0.0.1:0", "--http", ""}); err != nil {
		t.Fatal(err)
	}
	plan, err := f.plan()
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(plan, f.again, io.Discard, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.force = 10 * time.Millisecond
	signals := make(chan os.Signal, 2)
	result := make(chan error, 1)
	go func() { result <- s.run(t.Context(), signals, nil) }()

	if silent := s.silentPool(t.Context(), patience); silent != "" {
		t.Errorf("the watchdog finds pool %s silent", silent)
	}
	stuck, release, answered := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(answered)
		_ = s.pools[0].Hello(t.Context(), pairing.Hint{Identity: "a"}, func(*pairing.IdentityInfo, bool) error {
			close(stuck)
			<-release
			return nil
		})
	}()
	<-stuck
	if silent := s.silentPool(t.Context(), time.Millisecond); silent != s.pools[0].Name() {
		t.Errorf("the watchdog does not find it, but %q", silent)
	}
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM
	select {
	case err := <-result:
		if err == nil || !strings.HasPrefix(err.Error(), "ended by force: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it has not ended")
	}
	close(release)
	<-answered
	<-s.closed
}
