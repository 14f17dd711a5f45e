//go:build linux && cgo

package main

import (
	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/console"
	"github.com/streamq/streamq-proxy/stream"
)

// openConsole makes what the HTTP server tells of the pools, which are open.
func (s *server) openConsole() (err error) {
	pools := make([]api.Pool, len(s.pools))
	for i, p := range s.pools {
		pools[i] = p
	}
	s.told = api.New(api.Config{Pools: pools, Version: running(), Events: s.happened})
	s.seen, err = console.New(s.told)
	return err
}

// recorders is who is told of events, nil for nobody.
func (s *server) recorders() func(stream.Event) {
	switch {
	case s.feed != nil && s.happened != nil:
		return func(e stream.Event) {
			s.feed.Record(e)
			s.happened.Record(e)
		}
	case s.feed != nil:
		return s.feed.Record
	case s.happened != nil:
		return s.happened.Record
	}
	return nil
}
