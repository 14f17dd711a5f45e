package discovery

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Pool is what a [stream.Pool] is here.
type Pool interface {
	Name() string
	AddWorker(context.Context, pairing.WorkerConfig) error
	RemoveWorker(context.Context, string) error
	SetWorkerState(context.Context, string, pairing.State) error
	SetWeight(context.Context, string, int) error
	SetMaxPairs(context.Context, string, int) error
	SetMaxHandshakes(context.Context, string, int) error
	SetSource(context.Context, string, string) error
	Snapshot(context.Context) (stream.Snapshot, error)
}

const (
	// callTimeout bounds one call of a pool, whose loop may be busy.
	callTimeout = 5 * time.Second
	// emptyInterval is how often a pool is asked whether those that are named no more
	// have lost their last pair, and what has failed is tried again.
	emptyInterval = time.Second
)

// keeper keeps one pool to what its finders say. Run's goroutine owns it, but for
// what is atomic.
type keeper struct {
	pool   Pool
	log    *slog.Logger
	lookup func(Spec) lookup
	specs  chan []Spec
	found  chan found
	status atomic.Pointer[[]Status]
	told   atomic.Pointer[[]Kept]
	asked  sync.WaitGroup

	finders []*finder // in the order of the configuration
	kept    map[string]*kept
	undone  bool            // a change that failed is to be tried again
	clashes map[string]bool // names that others have, of which the log knows
	again   time.Time
}

// kept is a worker that is in the pool because a finder has named it.
type kept struct {
	cfg     pairing.WorkerConfig
	finder  *finder       // that named it last
	leaving bool          // named no more: it is removed when its last pair has ended
	was     pairing.State // of one that is leaving: before it was
}

// found is what a look-up of a finder has brought.
type found struct {
	finder *finder
	answer answer
	err    error
}

func newKeeper(p Pool, log *slog.Logger, of func(Spec) lookup) *keeper {
	k := &keeper{
		pool: p, log: log.With("pool", p.Name()), lookup: of, specs: make(chan []Spec, 1), found: make(chan found),
		kept: map[string]*kept{}, clashes: map[string]bool{},
	}
	k.status.Store(new([]Status))
	k.told.Store(new([]Kept))
	return k
}

// run keeps the pool until ctx ends or the pool has stopped.
func (k *keeper) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer k.asked.Wait()
	defer cancel()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for ctx.Err() == nil {
		dirty := k.undone
		select {
		case <-ctx.Done():
			return
		case specs := <-k.specs:
			k.configure(specs)
			dirty = true
		case f := <-k.found:
			dirty = k.learn(f) || dirty
		case <-wake.C:
		}
		now := time.Now()
		k.ask(ctx, now)
		if due := k.leaving() && !now.Before(k.again); dirty || due {
			if stopped := k.settle(ctx); stopped {
				return
			}
			k.again = now.Add(emptyInterval)
		}
		k.publish(now)
		wake.Reset(k.patience(now))
	}
}

// configure puts other finders in the place of those that there are; one that is in
// both goes on.
func (k *keeper) configure(specs []Spec) {
	var all []*finder
	for _, spec := range specs {
		i := slices.IndexFunc(k.finders, func(s *finder) bool { return s.spec == spec })
		if i >= 0 {
			all = append(all, k.finders[i])
			continue
		}
		all = append(all, &finder{spec: spec, ask: k.lookup(spec), made: time.Now(), cancel: func() {}})
	}
	for _, s := range k.finders {
		if !slices.Contains(all, s) {
			s.cancel()
		}
	}
	k.finders = all
}

// learn takes in what a look-up has brought, and says whether that is news.
func (k *keeper) learn(f found) bool {
	s := f.finder
	if !slices.Contains(k.finders, s) { // it was taken out meanwhile
		return false
	}
	before := s.err
	news := s.learn(time.Now(), f.answer, f.err)
	log := k.log.With("finder", s.spec.Kind.String(), "of", s.spec.what())
	switch {
	case f.err != nil && (before == nil || firstLine(before) != firstLine(f.err)):
		log.Warn("workers cannot be looked up: those that are known stay", "error", firstLine(f.err))
	case f.err == nil && before != nil:
		log.Info("workers are looked up again", "workers", len(f.answer.workers))
	}
	return news
}

// ask starts the look-ups that are due.
func (k *keeper) ask(ctx context.Context, now time.Time) {
	for _, s := range k.finders {
		if s.asking || now.Before(s.next) {
			continue
		}
		s.asking = true
		asking, cancel := context.WithTimeout(ctx, lookupTimeout)
		s.cancel = cancel
		k.asked.Go(func() {
			defer cancel()
			a, err := s.ask(asking)
			select {
			case k.found <- found{s, a, err}:
			case <-ctx.Done():
			}
		})
	}
}

// patience is how long nothing is to be done.
func (k *keeper) patience(now time.Time) time.Duration {
	wait := time.Hour
	for _, s := range k.finders {
		if !s.asking {
			wait = min(wait, s.next.Sub(now))
		}
	}
	if k.leaving() || k.undone {
		wait = min(wait, k.again.Sub(now))
	}
	return max(wait, 0)
}

func (k *keeper) leaving() bool {
	for _, w := range k.kept {
		if w.leaving {
			return true
		}
	}
	return false
}

// wanted are the workers that the finders name, each once.
func (k *keeper) wanted() map[string]kept {
	all := map[string]kept{}
	for _, s := range k.finders {
		for _, w := range s.last.workers {
			if _, twice := all[w.Name]; !twice {
				all[w.Name] = kept{cfg: w, finder: s}
			}
		}
	}
	return all
}

// spoken says whether what is not named by now has gone: its finder, which is still
// there, has not named it, or another has come in that one's place and has answered.
func (k *keeper) spoken(w *kept) bool {
	return slices.Contains(k.finders, w.finder) ||
		!slices.ContainsFunc(k.finders, func(s *finder) bool { return s.lastAt.IsZero() })
}

// settle has the pool be what is wanted. It says whether the pool has stopped.
func (k *keeper) settle(ctx context.Context) (stopped bool) {
	k.undone = false
	defer k.tell()
	wanted := k.wanted()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if stopped = k.check(name, k.keep(ctx, wanted[name])); stopped {
			return true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.kept)) {
		_, named := wanted[name]
		if w := k.kept[name]; named || w.leaving || !k.spoken(w) {
			continue
		}
		if stopped = k.check(name, k.leave(ctx, k.kept[name])); stopped {
			return true
		}
	}
	return k.check("", k.bury(ctx))
}

// check notes an error that is to be tried again, and says whether the pool has stopped.
func (k *keeper) check(name string, err error) (stopped bool) {
	switch {
	case err == nil:
	case errors.Is(err, stream.ErrStopped):
		return true
	case errors.Is(err, pairing.ErrWorkerExists): // an operator's, or the configuration's
		if !k.clashes[name] {
			k.clashes[name] = true
			k.log.Warn("a worker that was found has the name of another, which stays", "worker", name)
		}
	default:
		k.undone = true
		k.log.Warn("a worker could not be changed, which is tried again", "worker", name, "error", err)
	}
	return false
}

func (k *keeper) publish(now time.Time) {
	all := make([]Status, len(k.finders))
	for i, s := range k.finders {
		all[i] = s.status(now)
		all[i].asOf = now
	}
	k.status.Store(&all)
}

func byName(a, b pairing.WorkerConfig) int { return strings.Compare(a.Name, b.Name) }

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
