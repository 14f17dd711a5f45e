package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/stream"
)

// What waits in the kernel has processors beside the CPUs', and garbage is bounded
// by what lives, unless the environment says otherwise.
func TestTuneRuntime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	plain := &config.Plan{CPUs: 4, RelayThreads: 3, Pools: make([]stream.Config, 2)}
	operated := *plain
	operated.Control.Endpoints = []string{"ipc://@control"}
	for name, c := range map[string]struct {
		plan                *config.Plan
		environment         string
		processors, percent int
	}{
		"plain":              {plain, "", 9, 25},
		"operated":           {&operated, "", 10, 100},
		"by the environment": {&operated, "1", 77, 55},
	} {
		t.Setenv("GOMAXPROCS", c.environment)
		t.Setenv("GOGC", c.environment)
		runtime.GOMAXPROCS(77)
		debug.SetGCPercent(55)
		(&server{plan: c.plan}).tuneRuntime()
		if got := runtime.GOMAXPROCS(0); got != c.processors {
			t.Errorf("%s: %d processors, want %d", name, got, c.processors)
		}
		if got := debug.SetGCPercent(55); got != c.percent {
			t.Errorf("%s: %d %% of garbage, want %d", name, got, c.percent)
		}
	}
}

// One heap is for those who do not relay by STREAM sockets.
func TestRelaysByStream(t *testing.T) {
	for relay, want := range map[stream.Relay]bool{stream.RelayAuto: false, stream.RelaySplice: false, stream.RelayStream: true} {
		s := &server{plan: &config.Plan{Pools: []stream.Config{{}, {Relay: relay}}}}
		if got := s.relaysByStream(); got != want {
			t.Errorf("%v: %v", relay, got)
		}
	}
}
