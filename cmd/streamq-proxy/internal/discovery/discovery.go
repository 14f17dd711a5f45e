package discovery

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Config is what [New] needs.
type Config struct {
	// Nameservers are asked, HOST:PORT, in place of those of the system.
	Nameservers []string
	// ReadFile reads the workers of a [File].
	ReadFile func(path string) ([]pairing.WorkerConfig, error)
	Log      *slog.Logger
}

// Discovery keeps pools to what their finders say. Its methods may be called from
// any goroutine.
type Discovery struct {
	keepers []*keeper
}

// New is for these pools, without any finder.
func New(c Config, pools ...Pool) *Discovery {
	r := &resolver{servers: c.Nameservers}
	d := &Discovery{}
	for _, p := range pools {
		d.keepers = append(d.keepers, newKeeper(p, c.Log, func(s Spec) lookup {
			switch s.Kind {
			case Addresses:
				return r.addresses(s)
			case Services:
				return r.services(s)
			}
			return fileLookup(s.Path, c.ReadFile)
		}))
	}
	return d
}

// Use puts the finders of a pool in force, by its place in [New]. Workers of finders
// that are there no more are drained, once the new ones have answered. It does not wait.
func (d *Discovery) Use(pool int, specs []Spec) {
	k := d.keepers[pool]
	for {
		select {
		case k.specs <- specs:
			return
		case <-k.specs: // which nobody has looked at yet
		}
	}
}

// Run keeps all pools until ctx ends.
func (d *Discovery) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, k := range d.keepers {
		all.Go(func() { k.run(ctx) })
	}
	all.Wait()
}

// Status of the finders of a pool, by its place in [New], in the order of the
// configuration.
func (d *Discovery) Status(pool int) []Status {
	now := time.Now()
	all := append([]Status(nil), *d.keepers[pool].status.Load()...)
	for i := range all {
		all[i].Age += now.Sub(all[i].asOf)
	}
	return all
}
