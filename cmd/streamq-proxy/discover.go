//go:build linux && cgo

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/discovery"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/metrics"
	"github.com/streamq/streamq-proxy/stream"
)

// openDiscovery has the workers of all pools be found that are named by finders.
func (s *server) openDiscovery() {
	pools := make([]discovery.Pool, len(s.pools))
	for i, p := range s.pools {
		pools[i] = p
	}
	s.discovery = discovery.New(discovery.Config{Nameservers: s.plan.Nameservers, ReadFile: config.ReadWorkers, Log: s.log}, pools...)
	s.useFinders(s.plan)
}

// useFinders puts the finders of a plan in force, whatever the order of its pools is.
func (s *server) useFinders(plan *config.Plan) {
	for i, p := range s.pools {
		at := slices.IndexFunc(plan.Pools, func(c stream.Config) bool { return c.Name == p.Name() })
		s.discovery.Use(i, plan.Finders[at])
	}
}

// discover finds workers until the pools have ended.
func (s *server) discover(ctx context.Context) error {
	s.discovery.Run(ctx)
	return nil
}

// discoveryStats are the figures of all finders for a scrape.
func (s *server) discoveryStats() (all []metrics.FinderStats) {
	for i, p := range s.pools {
		for _, st := range s.discovery.Status(i) {
			all = append(all, metrics.FinderStats{
				Pool: p.Name(), Kind: st.Kind.String(), Name: st.Name, Workers: st.Workers,
				Age: st.Age, Interval: st.Interval, Good: st.Good, Failed: st.Failed,
			})
		}
	}
	return all
}

// findersFor tells the control socket of the finders of a pool.
func (s *server) findersFor(pool string) (all []wire.FinderInfo) {
	for i, p := range s.pools {
		if p.Name() != pool {
			continue
		}
		for _, st := range s.discovery.Status(i) {
			info := wire.FinderInfo{
				Finder: st.Name, Kind: st.Kind.String(), Of: st.What, Workers: st.Workers,
				Interval: wire.InSeconds(st.Interval), Failed: st.Failed, Error: firstLine(st.Err),
			}
			if st.Answered {
				age := wire.InSeconds(st.Age)
				info.Age = &age
			}
			all = append(all, info)
		}
	}
	return all
}

// sought says in what way a pool's workers are found, for people.
func sought(s *discovery.Spec) string {
	switch s.Kind {
	case discovery.Addresses:
		return fmt.Sprintf("one for each address of %s, port %d, looked up every %v or when the DNS's TTL is over", s.Host, s.Port, s.Interval)
	case discovery.Services:
		return fmt.Sprintf("one for each SRV record of %s, looked up every %v or when the DNS's TTL is over", s.Host, s.Interval)
	}
	return fmt.Sprintf("those that %s lists, looked at every %v", s.Path, s.Interval)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
