package shared

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

const (
	// loadsEvery is how often a proxy tells how many pairs each worker has there, if that has
	// changed, and asks the others.
	loadsEvery = 500 * time.Millisecond
	// loadsAgain is when it tells what has not changed, and loadsTTL how long it counts.
	loadsAgain = 2 * time.Second
	loadsTTL   = 5 * time.Second
	// loadsMax bounds what a proxy tells of a pool, in bytes: 10,000 workers with names of forty. Of more it
	// tells of those that have most pairs.
	loadsMax = 512 << 10
	// roundMax bounds what the others of a pool are heard of at a time, in bytes.
	roundMax = 8 << 20
	// loadsWorkers bounds the workers of a pool that are counted: a store that lies could name any number.
	loadsWorkers = 1 << 16
)

// Loaded is a pool, as far as it is about how many pairs its workers have.
type Loaded interface {
	// Loads are those of its own, of each worker that has some.
	Loads(ctx context.Context) (map[string]int, error)
	// Elsewhere tells it of those at other proxies; of a worker that is not named there are none.
	Elsewhere(ctx context.Context, pairs map[string]int) error
}

// balance is how far a pool and others know of each other's pairs.
type balance struct {
	store *Store
	space Space
	pool  Loaded
	text  string    // that was told last
	told  time.Time // when that was
	heard time.Time // when the others were heard last, zero for never, or too long ago
	left  [leftOuts]int
}

// Balance has a pool of a space know how many pairs its workers have at other proxies, and these
// know of its own, until ctx ends. While the store does not answer, what others have told counts for a few seconds.
func (s *Store) Balance(ctx context.Context, space Space, pool Loaded) {
	b := balance{store: s, space: space, pool: pool}
	next := time.NewTicker(loadsEvery)
	defer next.Stop()
	for ctx.Err() == nil {
		b.tell(ctx)
		b.hear(ctx)
		select {
		case <-ctx.Done():
		case <-next.C:
		}
	}
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowest)
	defer cancel()
	_ = pool.Elsewhere(done, nil) // of a pool that has ended it does not matter
	b.leave(leftWorkers, 0)
	b.leave(leftProxies, 0)
}

// key is what a proxy tells of a pool's workers.
func (b *balance) key(proxy string) string { return b.space.named(b.store.cfg.Prefix, "l", proxy) }

func (b *balance) tell(ctx context.Context) {
	loads, err := b.pool.Loads(ctx)
	if err != nil {
		return
	}
	text, untold := encodeLoads(loads)
	if b.leave(leftWorkers, untold); untold > 0 {
		b.store.untold.Do(func() {
			b.store.cfg.Log.Warn("shared: a pool has more workers than there is room to tell of, the others do not know of the pairs of those that have the fewest", "space", string(b.space), "workers", untold)
		})
	}
	if text == b.text && time.Since(b.told) < loadsAgain {
		return
	}
	b.text, b.told = text, time.Now()
	b.store.put(Write{Key: b.key(b.store.cfg.Name), Text: text, TTL: loadsTTL})
}

// hear adds up what the others tell.
func (b *balance) hear(ctx context.Context) {
	sum, err := b.others(ctx)
	switch {
	case err == nil:
		b.heard = time.Now()
	case b.heard.IsZero() || time.Since(b.heard) < loadsTTL:
		return
	default:
		sum, b.heard = nil, time.Time{}
	}
	_ = b.pool.Elsewhere(ctx, sum) // a pool that has ended needs nothing
}

func (b *balance) others(ctx context.Context) (map[string]int, error) {
	s := b.store
	backend, state := s.current()
	if backend == nil || !state.answers() {
		return nil, ErrNotUp
	}
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	names, err := s.otherProxies(ctx, backend)
	if err != nil {
		return nil, err
	}
	sum := map[string]int{}
	unread, err := s.readProxies(ctx, backend, names, b.key, loadsMax, func(_, text string) error {
		loads, err := decodeLoads(text)
		add(sum, loads)
		return err
	})
	if b.leave(leftProxies, unread); unread > 0 {
		s.unread.Do(func() {
			s.cfg.Log.Warn("shared: the other proxies tell more of workers than is read, the pairs of some do not count", "space", string(b.space), "proxies", unread)
		})
	}
	return sum, err
}

// leave notes how many are left out of what the proxies know of each other's pairs in this pool.
func (b *balance) leave(what leftOut, n int) {
	b.store.stats.leftOut[what].Add(int64(n - b.left[what]))
	b.left[what] = n
}

// add adds loads to a sum, in which there is room for so many workers.
func add(sum, loads map[string]int) {
	for worker, n := range loads {
		if _, is := sum[worker]; is || len(sum) < loadsWorkers {
			sum[worker] += n
		}
	}
}

// encodeLoads writes what a proxy tells of workers. Of so many, with the fewest pairs, there is no room to tell, or
// nobody would believe their names.
func encodeLoads(loads map[string]int) (text string, untold int) {
	told := make(map[string]int, len(loads))
	for worker, n := range loads {
		if worker != "" && readable(worker) {
			told[worker] = n
		}
	}
	if text = encodeJSON(told); len(text) > loadsMax {
		shorten(told)
		text = encodeJSON(told)
	}
	return text, len(loads) - len(told)
}

// shorten leaves those with most pairs for whom there is room.
func shorten(loads map[string]int) {
	workers := slices.SortedFunc(maps.Keys(loads), func(a, b string) int {
		return cmp.Or(cmp.Compare(loads[b], loads[a]), cmp.Compare(a, b))
	})
	size := len(version + "{}")
	for _, worker := range workers {
		size += len(encodeJSON(worker)) - len(version) + len(":,") + len(strconv.Itoa(loads[worker]))
		if size > loadsMax {
			delete(loads, worker)
		}
	}
}

// decodeLoads reads what a proxy tells of workers, and refuses all else.
func decodeLoads(text string) (loads map[string]int, err error) {
	if err := decodeJSON(text, loadsMax, &loads); err != nil {
		return nil, err
	}
	for worker, n := range loads {
		if worker == "" || !readable(worker) || n < 0 || n > pairing.MostPairs {
			return nil, errNonsense
		}
	}
	return loads, nil
}
