//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/agent"
	"github.com/streamq/streamq-proxy/pairing"
)

// usualSlots is how many idle connections are kept for a worker of which nothing else is said.
const usualSlots = 16

// agentWorker is a worker for which an agent dials in.
type agentWorker struct {
	Name     string `yaml:"name"`
	Worker   string `yaml:"worker"`    // where it listens
	Slots    int    `yaml:"slots"`     // usualSlots if nothing is said
	SlotsMax int    `yaml:"slots-max"` // 0: four times as many
	Weight   int    `yaml:"weight"`    // 0: as it is
	Max      int    `yaml:"max"`       // likewise
}

// UnmarshalYAML is of a worker in the file.
func (w *agentWorker) UnmarshalYAML(unmarshal func(any) error) error {
	type plain agentWorker
	w.Slots = usualSlots
	return unmarshal((*plain)(w))
}

// agents are those of one process.
type agents struct {
	agents    []*namedAgent
	name      *namer           // nil without a control socket
	addresses *agent.Addresses // nil where workers see this machine's own
}

type namedAgent struct {
	*agent.Agent
	worker agentWorker
}

// workers are those of the file, or the one of the flags.
func (f *agentFlags) workers() ([]agentWorker, error) {
	if f.file == "" {
		return []agentWorker{f.only}, nil
	}
	text, err := os.ReadFile(f.file)
	if err != nil {
		return nil, err
	}
	var said struct {
		Workers []agentWorker `yaml:"workers"`
	}
	if err := yaml.UnmarshalWithOptions(text, &said, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", f.file, yaml.FormatError(err, false, false))
	}
	if len(said.Workers) == 0 {
		return nil, fmt.Errorf("%s: no workers", f.file)
	}
	names := map[string]bool{}
	for _, w := range said.Workers {
		switch {
		case w.Name == "":
			return nil, fmt.Errorf("%s: worker %q has no name", f.file, w.Worker)
		case names[w.Name]:
			return nil, fmt.Errorf("%s: two workers are named %s", f.file, w.Name)
		}
		names[w.Name] = true
	}
	return said.Workers, nil
}

// threadsEach are those of the relay of each of so many agents, which has a loop beside them.
func (f *agentFlags) threadsEach(agents int) int { return max(1, f.threads/agents) }

// ownDescriptors are for the log, HTTP and the control socket, and agentDescriptors for an agent's loop and relay.
const ownDescriptors, agentDescriptors = 48, 16

// descriptorsEach is how many each of so many agents may take for its connections.
func descriptorsEach(agents int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	return max(0, (int(min(limit.Cur, math.MaxInt32))-ownDescriptors)/agents-agentDescriptors), nil
}

// agents makes an agent for each worker.
func (f *agentFlags) agents(log *slog.Logger) (*agents, error) {
	workers, err := f.workers()
	if err != nil {
		return nil, err
	}
	descriptors, err := descriptorsEach(len(workers))
	if err != nil {
		return nil, err
	}
	all := &agents{}
	if all.name, err = f.tell.namer(len(workers) == 1); err != nil {
		return nil, err
	}
	if all.addresses, err = f.clientAddresses(); err != nil {
		all.close()
		return nil, err
	}
	for _, w := range workers {
		if err := w.check(all.name != nil); err != nil {
			all.close()
			return nil, err
		}
		if w.SlotsMax == 0 {
			w.SlotsMax = min(agent.MaxSlots, max(w.Slots, 4*w.Slots))
		}
		cfg := agent.Config{
			Proxy: f.proxy, Worker: w.Worker, Slots: w.Slots, SlotsMax: w.SlotsMax, Threads: f.threadsEach(len(workers)), Log: log,
			Descriptors: descriptors, Label: w.Name, Addresses: all.addresses,
		}
		if cfg.Label == "" {
			cfg.Label = w.Worker
		}
		if len(workers) > 1 {
			cfg.Log = log.With("name", w.Name)
		}
		if all.name != nil {
			cfg.Name = func(ctx context.Context, endpoint string, anew bool) error {
				return all.name.explained(all.name.tell(ctx, w, endpoint, anew))
			}
		}
		a, err := agent.New(cfg)
		if err != nil {
			all.close()
			return nil, err
		}
		all.agents = append(all.agents, &namedAgent{a, w})
	}
	return all, nil
}

// check finds what is wrong with what the control socket is told.
func (w *agentWorker) check(told bool) error {
	switch {
	case told && w.Name == "":
		return errors.New("control: the worker needs a name (--name)")
	case !told && w.Weight != 0, !told && w.Max != 0:
		return errors.New("weight and max are told by the control socket (--control)")
	case w.Weight < 0 || w.Weight > pairing.MaxWeight:
		return fmt.Errorf("weight: %d is not from 1 to %d", w.Weight, pairing.MaxWeight)
	case w.Max < 0:
		return fmt.Errorf("max: %d is below zero", w.Max)
	}
	return nil
}

func (all *agents) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, a := range all.agents {
		running.Go(func() { a.Run(ctx) })
		if all.name != nil {
			running.Go(func() { all.name.renew(ctx, a.worker) })
		}
	}
	running.Wait()
}

// drain says whether all pairs have ended before ctx did.
func (all *agents) drain(ctx context.Context) bool {
	over := true
	for _, a := range all.agents {
		over = a.Drain(ctx) && over
	}
	return over
}

func (all *agents) pairs() (n int) {
	for _, a := range all.agents {
		n += a.State().Pairs
	}
	return n
}

// readiness has a line for each worker; ready are they when each is.
func (all *agents) readiness() (text string, ready bool) {
	ready = true
	var b strings.Builder
	for _, a := range all.agents {
		s := a.State()
		ready = ready && s.Ready()
		if len(all.agents) > 1 {
			fmt.Fprintf(&b, "%s: ", a.worker.Name)
		}
		fmt.Fprintf(&b, "worker %t, slots %d of %d, draining %t", s.Worker, s.Idle, s.Wanted, s.Over)
		if s.Refused != nil {
			fmt.Fprintf(&b, ", its name: %v", s.Refused)
		}
		b.WriteByte('\n')
	}
	return b.String(), ready
}

func (all *agents) close() {
	for _, a := range all.agents {
		a.Close()
	}
	if all.name != nil {
		all.name.close()
	}
}
