//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/stream"
)

// reloadTimeout bounds how long all pools together may take to take over a
// configuration, which is a matter of milliseconds.
const reloadTimeout = 10 * time.Second

// reload reads the configuration again and puts it in force: all of it, or
// nothing. It says which, and why.
func (s *server) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	err := s.tryReload(ctx)
	s.reloads.Done(time.Now(), err)
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		s.log.Error("not reloaded, nothing has changed", "error", line)
	} else {
		s.log.Info("reloaded")
		doubtMechanisms(s.log, s.plan.Pools)
	}
	return err
}

func (s *server) tryReload(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("the proxy is draining")
	}
	if s.handedOver() {
		return errHandedOver
	}
	plan, err := s.replan()
	if err != nil {
		return err
	}
	if err := s.fixed(plan); err != nil {
		return err
	}
	together := s.sharing.Load()
	if !plan.Shared.Equal(&s.plan.Shared) {
		together = openSharing(plan, s.log, s.began)
		defer func() {
			if s.sharing.Load() != together { // it has not come into force
				together.close()
			}
		}()
	}
	configs := map[string]stream.Config{}
	for _, cfg := range plan.Pools {
		configs[cfg.Name] = s.equip(cfg, together)
	}
	var changes []*stream.Change
	for _, p := range s.pools {
		cfg, found := configs[p.Name()]
		if !found || len(configs) != len(s.pools) {
			return errors.New("pools cannot be added, removed or renamed while the proxy runs")
		}
		change, err := p.Prepare(ctx, cfg)
		if err != nil {
			return s.ofPool(p.Name(), err)
		}
		changes = append(changes, change)
		defer change.Drop() // of none that was applied
	}
	for i, p := range s.pools {
		if err := changes[i].Apply(ctx); err != nil {
			return s.ofPool(p.Name(), err)
		}
	}
	s.useSharing(together)
	s.useFinders(plan)
	s.level.Set(plan.LogLevel)
	s.readyAll.Store(plan.ReadyAll)
	s.admins.Store(&plan.HTTPAdmin)
	s.grafana.Store(&plan.GrafanaURL)
	s.access.turn(plan.Access)
	s.plan = plan
	return nil
}

// fixed says what plan has changed that cannot change.
func (s *server) fixed(plan *config.Plan) error {
	for _, one := range []struct {
		setting string
		same    bool
	}{
		{"http", s.plan.HTTP == plan.HTTP},
		{"web-config", s.plan.WebConfig == plan.WebConfig},
		{"io-threads", s.plan.IOThreads == plan.IOThreads},
		{"relay-threads", s.plan.RelayThreads == plan.RelayThreads},
		{"log.format", s.plan.LogJSON == plan.LogJSON},
		{"nameservers", slices.Equal(s.plan.Nameservers, plan.Nameservers)},
		{"control", s.plan.Control.Equal(&plan.Control)},
	} {
		if !one.same {
			return fmt.Errorf("%s cannot change while the proxy runs", one.setting)
		}
	}
	return nil
}
