//go:build linux && cgo

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/config"
	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/shared"
)

// sharing is what this proxy remembers together with others. nil: nothing.
type sharing struct {
	store *shared.Store
	stop  context.CancelFunc
	tells sync.WaitGroup // that say who has a worker
	began time.Time      // of this process
	here  shared.Proxy   // what it says of itself at first
}

// firstAnswer is how long a proxy that starts waits for the store to be there: those who come at
// once had a worker at another proxy.
const firstAnswer = time.Second

// openSharing begins to connect the store.
func openSharing(all *config.Plan, log *slog.Logger, began time.Time) *sharing {
	plan := &all.Shared
	if !plan.On() {
		return nil
	}
	here := shared.Proxy{Version: running().Version, Up: time.Since(began)}
	for i := range all.Pools {
		here.Pools = append(here.Pools, all.Pools[i].Name)
	}
	return &sharing{here: here, began: began, store: shared.Open(shared.Config{
		Dial: shared.Redis(plan.Server), Where: plan.Server.String(), Name: nameHere(), Host: hostHere(), Here: here,
		Prefix: plan.Prefix, Wait: plan.Wait, Log: log,
	})}
}

// nameHere is by which other proxies know this one: also of two in containers that are alike.
func nameHere() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:6])
}

// hostHere tells apart where a loopback address means something else: machines, and on one its networks.
func hostHere() string {
	host, _ := os.Hostname()
	network, _ := os.Readlink("/proc/self/ns/net")
	return host + network
}

// share gives a pool's configuration what it shares.
func (s *sharing) share(cfg *stream.Config) {
	if s != nil {
		pool := shared.OfPool(cfg.Name)
		memory := s.store.Memory(spaceOf(cfg.Name, cfg.Group.Name())).WithPins(pool)
		cfg.Shared = remembered{memory, s.store.Names(pool, memory)}
	}
}

// remembered is what a pool remembers together with others: in a group who has which worker, and
// by itself what is said of its clients, and how identities are pinned.
type remembered struct {
	*shared.Memory
	*shared.Names
}

// spaceOf is whose keys those of a pool are: of a group the group's, since in it a client has one worker.
func spaceOf(pool, group string) shared.Space {
	if group != "" {
		return shared.OfGroup(group)
	}
	return shared.OfPool(pool)
}

// await waits a moment until it is known how the store is.
func (s *sharing) await() {
	if s != nil {
		ctx, cancel := context.WithTimeout(context.Background(), firstAnswer)
		defer cancel()
		s.store.Ready(ctx)
	}
}

// words are what is said of a pool's workers and identities everywhere: of that pool alone, also in a group.
func (s *sharing) words(pool string) *shared.Memory { return s.store.Memory(shared.OfPool(pool)) }

// learn has pools that do not run yet heed what was said everywhere before.
func (s *sharing) learn(pools []*stream.Pool) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), firstAnswer)
	defer cancel()
	for _, p := range pools {
		s.words(p.Name()).Learn(ctx, p.Idle())
	}
}

// tell has the store know, until close, who has a worker in the pools, which run, and what is said of workers everywhere.
func (s *sharing) tell(pools []*stream.Pool) {
	if s == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	for _, p := range pools {
		s.tells.Go(func() { s.store.Memory(spaceOf(p.Name(), p.Group())).Keep(ctx, p) })
		s.tells.Go(func() { s.words(p.Name()).Follow(ctx, p) })
		s.tells.Go(func() { s.store.Balance(ctx, shared.OfPool(p.Name()), p) })
	}
	s.tells.Go(func() { s.introduce(ctx, pools) })
}

// introduceEvery is how often others are told how many pairs this proxy has.
const introduceEvery = time.Second

// introduce says what this proxy is until ctx ends.
func (s *sharing) introduce(ctx context.Context, pools []*stream.Pool) {
	is := s.here
	next := time.NewTicker(introduceEvery)
	defer next.Stop()
	for ctx.Err() == nil {
		is.Pairs = 0
		for _, p := range pools {
			n, _ := p.Pairs(ctx) // of a pool that has ended there are none
			is.Pairs += n
		}
		is.Up = time.Since(s.began)
		s.store.Introduce(is)
		select {
		case <-ctx.Done():
		case <-next.C:
		}
	}
}

func (s *sharing) close() {
	if s == nil {
		return
	}
	if s.stop != nil {
		s.stop()
	}
	s.tells.Wait()
	s.store.Close()
}

// useSharing puts in force what the pools have been given.
func (s *server) useSharing(together *sharing) {
	if before := s.sharing.Swap(together); before != together {
		together.tell(s.pools)
		before.close()
	}
}

// sharedFor tells the control socket how the store is; nil where there is none.
func (s *server) sharedFor() *wire.SharedInfo {
	is, on := s.sharedStats()
	if !on {
		return nil
	}
	return &wire.SharedInfo{State: is.State.String(), Store: is.Where, Since: wire.InSeconds(time.Since(is.Since)), Pending: is.Pending, Error: is.Why}
}

// proxiesFor tells the control socket who shares the store.
func (s *server) proxiesFor(ctx context.Context) (all []wire.ProxyInfo, err error) {
	sharing := s.sharing.Load()
	if sharing == nil {
		return nil, control.ErrAlone
	}
	proxies, err := sharing.store.Proxies(ctx)
	if err != nil {
		return nil, wire.Errorf(wire.Conflict, "%v", err)
	}
	for _, p := range proxies {
		all = append(all, wire.ProxyInfo{
			Proxy: p.Name, Address: p.Address, Up: wire.InSeconds(p.Up), Version: p.Version,
			Pools: append([]string{}, p.Pools...), Pairs: p.Pairs, Here: p.Name == sharing.store.Name(),
		})
	}
	return all, nil
}

// everywhereFor has what the control socket was told of a worker, or an identity, count at all proxies that share the store.
func (s *server) everywhereFor(ctx context.Context, pool *stream.Pool, w pairing.Steering) (told bool, err error) {
	sharing := s.sharing.Load()
	if sharing == nil {
		return false, control.ErrAlone
	}
	words := sharing.words(pool.Name())
	w.By, w.Everywhere = words.By(), true
	said, err := pool.Steer(ctx, w)
	if err != nil {
		return false, err
	}
	if told, err = words.Tell(ctx, &said); err != nil {
		return false, wire.Errorf(wire.Failed, "it counts here, and no other proxy is told: %v", err)
	}
	return told, nil
}

// sharedStats tells how the store is, if there is to be one.
func (s *server) sharedStats() (shared.Stats, bool) {
	sharing := s.sharing.Load()
	if sharing == nil {
		return shared.Stats{}, false
	}
	return sharing.store.Stats(), true
}
