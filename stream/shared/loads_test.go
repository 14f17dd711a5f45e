package shared_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// loaded is a pool with so many pairs.
type loaded struct {
	mu        sync.Mutex
	own, told map[string]int
}

func (l *loaded) Loads(context.Context) (map[string]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.own), nil
}

func (l *loaded) Elsewhere(_ context.Context, pairs map[string]int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = maps.Clone(pairs)
	return nil
}

func (l *loaded) has(pairs map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own = pairs
}

func (l *loaded) knows(pairs map[string]int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Equal(l.told, pairs)
}

// balanced has a pool of a proxy balance with others until it is stopped.
func (p *proxy) balanced(own map[string]int) (l *loaded, stop func()) {
	l = &loaded{own: own}
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Balance(ctx, shared.OfPool("a"), l)
	}()
	stop = func() { cancel(); <-done }
	p.t.Cleanup(stop)
	return l, stop
}

// TestLoads: each proxy knows how many pairs each worker has at all others, until these have gone, or the store has.
func TestLoads(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		pa := named(t, s, "a")
		a, _ := pa.balanced(map[string]int{"w1": 1})
		b, _ := named(t, s, "b").balanced(map[string]int{"w1": 10, "w2": 3})
		c, stop := named(t, s, "c").balanced(map[string]int{"w2": 100})
		until(t, "a knows", func() bool { return a.knows(map[string]int{"w1": 10, "w2": 103}) })
		until(t, "b knows", func() bool { return b.knows(map[string]int{"w1": 1, "w2": 100}) })
		until(t, "c knows", func() bool { return c.knows(map[string]int{"w1": 11, "w2": 3}) })
		c.has(map[string]int{"w2": 1, "w3": 1})
		until(t, "a knows what has changed", func() bool { return a.knows(map[string]int{"w1": 10, "w2": 4, "w3": 1}) })
		stop()
		if !c.knows(nil) {
			t.Error("who is stopped knows of others still")
		}
		until(t, "c counts no more", func() bool { return a.knows(map[string]int{"w1": 10, "w2": 3}) })
		for i, text := range []string{`1 {"w9":-1}`, `1 {"w9":99999999999}`, `1 {"":1}`, `1 []`, `{"w9":1}`, `1 {"w9":1} {}`, `1 {"a\nb":1}`, "1 " + strings.Repeat(" ", 1<<18)} {
			nonsense := pa.Stats().Nonsense
			until(t, fmt.Sprint(i, " is not believed"), func() bool {
				s.Put("streamq:p:a:l:b", text) // again and again, since b itself writes there
				return pa.Stats().Nonsense > nonsense
			})
			if a.mu.Lock(); a.told["w9"] != 0 {
				t.Errorf("%d is believed: %v", i, a.told)
			}
			a.mu.Unlock()
		}
		b.has(map[string]int{"w1": 2})
		until(t, "what b tells then counts", func() bool { return a.knows(map[string]int{"w1": 2}) })
		s.Kill()
		until(t, "own numbers only", func() bool { return a.knows(nil) })
		s.Start()
		until(t, "the store is back", func() bool { return a.knows(map[string]int{"w1": 2}) })
	})
}

// TestManyWorkers: the other proxies know of the most loaded workers, and it is said that they do not know of all.
func TestManyWorkers(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), named(t, s, "b")
		many := map[string]int{}
		for i := range 10_000 {
			many[fmt.Sprint(i, strings.Repeat("x", 200))] = i + 1
		}
		pool, stop := a.balanced(many)
		other, _ := b.balanced(nil)
		leftOut := func() int64 { return a.Stats().LeftOut["workers"] }
		until(t, "b knows of some", func() bool {
			other.mu.Lock()
			defer other.mu.Unlock()
			return leftOut() > 0 && len(other.told) == len(many)-int(leftOut())
		})
		const said = "more workers than there is room to tell of"
		if n := a.log.count(said); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
		pool.has(map[string]int{"w1": 1})
		until(t, "there is room again", func() bool { return leftOut() == 0 && other.knows(map[string]int{"w1": 1}) })
		pool.has(many)
		until(t, "there is none", func() bool { return leftOut() > 0 })
		if stop(); leftOut() != 0 {
			t.Errorf("of a pool that is not there %d workers are left out", leftOut())
		}
		if n := a.log.count(said); n != 1 {
			t.Errorf("it is logged %d times", n)
		}
	})
}

// talkative is a store that says of each key as much as is read of it, and lists more proxies than there are.
type talkative struct {
	shared.Backend
	mu            sync.Mutex
	rounds, bytes int
	most          int // of a round that has ended, in bytes
}

func (s *talkative) Enrolled(_ context.Context, _ string, most int) (names []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rounds, s.bytes, s.most = s.rounds+1, 0, max(s.most, s.bytes)
	for i := range most {
		names = append(names, fmt.Sprint("proxy-", i))
	}
	return names, nil
}

func (s *talkative) Look(_ context.Context, keys []string, most int) ([]shared.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := make([]shared.Value, len(keys))
	for i := range keys {
		values[i] = shared.Value{Text: "1 {}" + strings.Repeat(" ", most-len("1 {}")), Found: true}
		s.bytes += most
	}
	return values, nil
}

// TestStoreTellsTooMuch: of a store that tells far too much a bounded part is read at a time, and it is said that not all is.
func TestStoreTellsTooMuch(t *testing.T) {
	store := &talkative{}
	log := &journal{}
	s := shared.Open(shared.Config{Name: "a", Where: "here", Wait: long, Log: slog.New(slog.NewTextHandler(log, nil)), Dial: func(ctx context.Context) (b shared.Backend, err error) {
		store.Backend, err = sharedtest.NewFake().Dial()(ctx)
		return store, err
	}})
	t.Cleanup(s.Close)
	p := &proxy{t, s, s.Memory(shared.OfPool("a")), log}
	p.becomes(shared.Up)
	_, stop := p.balanced(nil)
	until(t, "a few rounds", func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.rounds > 3
	})
	if left := s.Stats().LeftOut["proxies"]; left < 900 {
		t.Errorf("%d proxies are not read", left)
	}
	stop()
	if store.most == 0 || store.most > 8<<20 {
		t.Errorf("%d bytes are read in a round", store.most)
	}
	if n := log.count("tell more of workers than is read"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}
