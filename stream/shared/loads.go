package shared

import (
	"context"
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
	// loadsMax bounds what a proxy tells, in bytes: some thousand workers. One with more tells nothing.
	loadsMax = 64 << 10
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
}

// key is what a proxy tells of a pool's workers.
func (b *balance) key(proxy string) string { return b.space.named(b.store.cfg.Prefix, "l", proxy) }

func (b *balance) tell(ctx context.Context) {
	loads, err := b.pool.Loads(ctx)
	if err != nil {
		return
	}
	text := encodeJSON(loads)
	if len(text) > loadsMax || text == b.text && time.Since(b.told) < loadsAgain {
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
	err = s.readProxies(ctx, backend, names, b.key, loadsMax, func(_, text string) error {
		loads, err := decodeLoads(text)
		add(sum, loads)
		return err
	})
	return sum, err
}

// add adds loads to a sum, in which there is room for so many workers.
func add(sum, loads map[string]int) {
	for worker, n := range loads {
		if _, is := sum[worker]; is || len(sum) < loadsWorkers {
			sum[worker] += n
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
