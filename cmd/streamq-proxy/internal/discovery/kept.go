package discovery

import "github.com/streamq/streamq-proxy/pairing"

// Kept is a worker that is in a pool because a finder has named it.
type Kept struct {
	Pool   string
	Worker pairing.WorkerConfig
	Spec   Spec // of the finder that named it last
	// Leaving: it is named no more, and was in state Was before.
	Leaving bool
	Was     string
}

// Kept are the workers of all pools that are there because of finders.
func (d *Discovery) Kept() (all []Kept) {
	for _, k := range d.keepers {
		all = append(all, *k.told.Load()...)
	}
	return all
}

// tell notes what Kept says, on the goroutine that owns k.
func (k *keeper) tell() {
	all := make([]Kept, 0, len(k.kept))
	for _, w := range k.kept {
		all = append(all, Kept{Pool: k.pool.Name(), Worker: w.cfg, Spec: w.finder.spec, Leaving: w.leaving, Was: w.was.String()})
	}
	k.told.Store(&all)
}

// Keep has the pools have workers because of finders that have them so already, in the place of
// another process's Discovery. It is called before Run. Those of finders that are there no more
// leave when the others have answered.
func (d *Discovery) Keep(all []Kept) {
	for _, k := range d.keepers {
		gone := map[Spec]*finder{}
		for _, one := range all {
			if one.Pool != k.pool.Name() {
				continue
			}
			f := gone[one.Spec]
			if f == nil {
				f = &finder{spec: one.Spec, cancel: func() {}}
				gone[one.Spec] = f
			}
			w := &kept{cfg: one.Worker, finder: f, leaving: one.Leaving}
			if one.Was == pairing.Draining.String() {
				w.was = pairing.Draining
			} else if one.Was == pairing.Maintenance.String() {
				w.was = pairing.Maintenance
			}
			k.kept[one.Worker.Name] = w
		}
		k.tell()
	}
}
