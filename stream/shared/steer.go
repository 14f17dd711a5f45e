package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// What an operator says of a worker everywhere is in the store, a key for each register of each worker, as long as some
// proxy has the worker, and wordTTL after that. Each proxy knows by itself what was said last, with its stamp. So
// nothing is lost with the store, and of two words it does not matter which comes to the store first: who finds
// an earlier one there than its own, or none, writes its own again, and who finds a later one heeds it. Of identities
// likewise; but a proxy knows of those pins only that were said there, or that it has found for a client ([Memory.Recall]), and follows
// these, and those of clients that wait. That one is pinned no more needs to be known as long only as
// somebody may tell what was before.

const (
	// wordTTL is for how long a word is known that no proxy keeps, because none has the worker, or knows of the pin, any more.
	wordTTL = 24 * time.Hour
	// renewEvery is between two times that a proxy has the words be kept that it knows.
	renewEvery = time.Hour
	// wordsEvery is between two times that all words are read, although the store says which have changed.
	wordsEvery = 30 * time.Second
	// workersEvery is between two times that it is looked for workers, pins, and identities of clients that wait, that are new.
	workersEvery = time.Second
	// wordsGap is what passes at least between two readings, so that a store that says something new all the time
	// keeps nobody busy.
	wordsGap = 50 * time.Millisecond
	// tellWait is how long somebody who says something waits at most for the store to have it.
	tellWait = 250 * time.Millisecond
	// wordsLogged are how many words of others are logged a minute.
	wordsLogged = 600
)

// Steered is a pool whose workers are steered, and identities pinned, everywhere, see [pairing.Table.Heed]. It may be slow.
type Steered interface {
	// Revision is another one when there is something of which others may have said something.
	Revision(ctx context.Context) (uint64, error)
	// Words are the last about each register of all workers, and of identities of which others may have said something.
	Words(ctx context.Context) ([]pairing.Steering, error)
	// Heed has words of others count, and returns those that do.
	Heed(ctx context.Context, words []pairing.Steering) (heeded []pairing.Steering, err error)
}

// By is how this proxy signs words.
func (m *Memory) By() string { return m.store.cfg.Name }

// Tell tells all proxies of a word that counts here. told says that the store has it; else it waits for the store, and
// is not lost as long as this proxy is there, or the one that has taken over from it. An error says that the store
// does not take it, and will not. It waits for a quarter of a second at most.
func (m *Memory) Tell(ctx context.Context, w *pairing.Steering) (told bool, err error) {
	write, ok := m.writeOf(w)
	if !ok {
		return false, fmt.Errorf("%w: no other proxy would believe what %q says", ErrRefused, w.By)
	}
	s := m.store
	s.mu.Lock()
	_, waits := s.pending.get(write.Key)
	b := s.backend
	if s.state != Up || b == nil || waits {
		defer s.mu.Unlock()
		s.add(write)
		return false, nil
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, tellWait)
	defer cancel()
	switch err := b.Set(ctx, []Write{write})[0]; {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrRefused):
		s.refuse(err)
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(write) // it may be there already, and may be there twice
	return false, nil
}

func (m *Memory) writeOf(w *pairing.Steering) (Write, bool) {
	text, ok := encodeWord(w)
	return Write{Key: m.space.wordKey(m.store.cfg.Prefix, w), Text: text, TTL: wordTTL}, ok
}

// Learn has a pool heed what was said everywhere before, as far as the store is up. It waits, until ctx ends at most.
func (m *Memory) Learn(ctx context.Context, pool Steered) {
	f := m.newFollower(pool)
	defer f.watcher.close()
	f.round(ctx)
}

// Follow has a pool heed what is said everywhere, and tells others what it has heard, until ctx ends.
func (m *Memory) Follow(ctx context.Context, pool Steered) {
	f := m.newFollower(pool)
	defer f.watcher.close()
	next := time.NewTicker(workersEvery)
	defer next.Stop()
	for ctx.Err() == nil {
		f.round(ctx)
		f.log(nil) // a flood may be over
		pause(ctx, wordsGap)
		select {
		case <-ctx.Done():
		case <-next.C:
		case <-f.watcher.woken:
		case <-f.again:
		}
	}
}

// follower is what is known of a pool's words in the store.
type follower struct {
	*Memory
	pool     Steered
	watcher  *watcher
	revision uint64          // of the pool
	known    bool            // that is
	again    <-chan struct{} // closed when the store has forgotten, or is back
	read     time.Time       // all words
	renewed  time.Time
	unlogged int
	logged   int
	minute   time.Time // of which these are
}

func (m *Memory) newFollower(pool Steered) *follower {
	return &follower{Memory: m, pool: pool, watcher: m.store.watchers.newWatcher(), renewed: time.Now()}
}

// round reads what may have changed, and does what follows.
func (f *follower) round(ctx context.Context) {
	s := f.store
	b, state := s.current()
	if b == nil || !state.answers() {
		return
	}
	s.mu.Lock()
	again := s.told
	s.mu.Unlock()
	if f.again != again {
		s.watchers.changeOf(f.watcher)
		f.again = again
	}
	revision, err := f.pool.Revision(ctx)
	all := !f.read.IsZero() && time.Since(f.read) > wordsEvery
	if err != nil || f.known && revision == f.revision && !all && !f.watcher.some() {
		return
	}
	words, err := f.pool.Words(ctx)
	if err != nil {
		return
	}
	f.revision, f.known = revision, true
	of := make(map[string]int, len(words))
	for i := range words {
		of[f.space.wordKey(s.cfg.Prefix, &words[i])] = i
	}
	f.watcher.watch(of)
	f.compare(ctx, words, of, f.watcher.take(), b.Get)
	if all || f.read.IsZero() {
		f.read = time.Now()
	}
	if all {
		keys := make([]string, 0, len(of))
		for key := range of {
			keys = append(keys, key)
		}
		f.compare(ctx, words, of, keys, func(ctx context.Context, keys []string) ([]Value, error) { return b.Look(ctx, keys, int(last)) })
	}
	if time.Since(f.renewed) > renewEvery {
		f.renewed = time.Now()
		f.renew(words)
	}
}

// reads is how keys are read.
type reads func(ctx context.Context, keys []string) ([]Value, error)

// compare reads keys: later words are heeded, and where an earlier one is, or none, this proxy's is written. That an identity is
// pinned no more is what nothing says as well.
func (f *follower) compare(ctx context.Context, words []pairing.Steering, of map[string]int, keys []string, read reads) {
	s := f.store
	var later []pairing.Steering
	for some := range slices.Chunk(keys, asksAtOnce) {
		asking, cancel := context.WithTimeout(ctx, slowest)
		values, err := read(asking, some)
		cancel()
		if err != nil {
			s.watchers.changeOf(f.watcher) // they are read again a moment later
			break
		}
		for i, key := range some {
			own := &words[of[key]]
			is, known := s.believe(key, own, &values[i])
			switch {
			case known && is.After(own.Stamp):
				later = append(later, is)
			case own.Everywhere && own.After(is.Stamp) && (known || !values[i].Found && values[i].Err == nil && !ended(own)):
				f.write(own, false)
			}
		}
	}
	if len(later) == 0 {
		return
	}
	heeded, err := f.pool.Heed(ctx, later)
	if err == nil {
		f.log(heeded)
	}
}

// ended says whether a word is that an identity is pinned no more.
func ended(w *pairing.Steering) bool { return w.Register == pairing.RegisterPin && w.Workers == "" }

// believe is what a value says, unless it is nonsense.
func (s *Store) believe(key string, about *pairing.Steering, v *Value) (is pairing.Steering, known bool) {
	if !v.Found && v.Err == nil {
		return is, false
	}
	is, err := decodeWord(v.Text, about, time.Now())
	if err != nil || v.Err != nil {
		s.disbelieve(key)
		return pairing.Steering{}, false
	}
	return is, true
}

// renew has the words that count everywhere be kept in the store.
func (f *follower) renew(words []pairing.Steering) {
	for i := range words {
		if words[i].Everywhere && !ended(&words[i]) {
			f.write(&words[i], true)
		}
	}
}

func (f *follower) write(w *pairing.Steering, renew bool) {
	write, ok := f.writeOf(w)
	if write.Renew = renew; !ok {
		return
	}
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	f.store.add(write)
}

// log tells of words of others that count here, so many a minute at most.
func (f *follower) log(heeded []pairing.Steering) {
	s := f.store
	if now := time.Now(); now.Sub(f.minute) > time.Minute {
		if f.unlogged > 0 {
			s.cfg.Log.Warn("shared: so many words of other proxies that not all are logged", "space", string(f.space), "unlogged", f.unlogged)
		}
		f.minute, f.logged, f.unlogged = now, 0, 0
	}
	for i := range heeded {
		w := &heeded[i]
		if f.logged++; f.logged > wordsLogged {
			f.unlogged++
			continue
		}
		switch said := time.UnixMilli(w.At); {
		case ended(w):
			s.cfg.Log.Info("shared: a pin was ended at another proxy", "space", string(f.space), "identity", w.Identity, "proxy", w.By, "said", said)
		case w.Register == pairing.RegisterPin:
			s.cfg.Log.Info("shared: an identity was pinned at another proxy",
				"space", string(f.space), "identity", w.Identity, "workers", w.Workers, "proxy", w.By, "said", said)
		default:
			s.cfg.Log.Info("shared: a worker was steered at another proxy",
				"space", string(f.space), "worker", w.Worker, "what", w.Register.String(), "value", w.Text(), "proxy", w.By, "said", said)
		}
	}
}
