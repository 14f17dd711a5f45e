package shared_test

import (
	"context"
	"fmt"
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
