package main

import (
	"runtime"
	"testing"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
)

// The relay's threads run beside the others, unless the environment says how many may.
func TestMakeRoom(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for env, want := range map[string]int{"": config.CPUs + 3, "1": 7} {
		t.Setenv("GOMAXPROCS", env)
		runtime.GOMAXPROCS(7)
		makeRoom(3)
		if got := runtime.GOMAXPROCS(0); got != want {
			t.Errorf("with %q in the environment: %d, want %d", env, got, want)
		}
	}
}
