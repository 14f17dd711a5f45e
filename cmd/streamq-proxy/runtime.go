//go:build linux && cgo

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/streamq/streamq-proxy/stream"
)

// tuneRuntime sets Go's runtime, and malloc, up for this proxy, as far as the environment says
// nothing else (GOMAXPROCS, GOGC, MALLOC_ARENA_MAX).
func (s *server) tuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(s.processors())
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(s.garbagePercent())
	}
	if os.Getenv("MALLOC_ARENA_MAX") == "" && !s.relaysByStream() {
		stream.ShareHeap()
	}
}

// relaysByStream says whether a pool is to relay by its STREAM sockets alone.
func (s *server) relaysByStream() bool {
	return slices.ContainsFunc(s.plan.Pools, func(p stream.Config) bool { return p.Relay == stream.RelayStream })
}

// processors are what may run Go code at a time: one for each CPU, and one for
// each goroutine that mostly waits in the kernel, which are the relay's threads,
// the pools' loops and the control socket's server. With no more than there are
// CPUs, the waiting ones would hold them all: the runtime would look every 20
// microseconds whether to take one away (a quarter of a CPU), and a thread whose
// bytes are there would wait for up to 10 ms until one is free. Which of them run
// is the kernel's to decide. The garbage collector may take a quarter of them, which
// can be more than a quarter of the CPUs.
func (s *server) processors() int {
	n := s.plan.CPUs + s.plan.RelayThreads + len(s.plan.Pools)
	if s.operated() {
		n++
	}
	return n
}

// garbagePercent is how much garbage there may be beside what lives. What lives is
// some two kilobytes a pair, for as long as the pair, and moving bytes makes no
// garbage, so a quarter is paid for only when connections come and go. Requests on
// the control socket make garbage all the time, and a hundred thousand identities
// would be looked at again for each quarter.
func (s *server) garbagePercent() int {
	if s.operated() {
		return 100
	}
	return 25
}

// operated says whether there is a control socket.
func (s *server) operated() bool { return len(s.plan.Control.Endpoints) > 0 }
