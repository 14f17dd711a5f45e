package shared_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// named is a proxy of a name.
func named(t *testing.T, s sharedtest.Store, name string) *proxy {
	t.Helper()
	store := shared.Open(shared.Config{Dial: s.Dial(), Name: name, Where: "here", Wait: long})
	t.Cleanup(store.Close)
	p := &proxy{t, store, store.Memory(shared.OfPool("a")), &journal{}}
	p.becomes(shared.Up)
	return p
}

// sees are the names of the proxies that one sees.
func (p *proxy) sees() (names []string) {
	p.t.Helper()
	all, err := p.Proxies(p.t.Context())
	if err != nil {
		p.t.Log(err)
	}
	for _, one := range all {
		names = append(names, one.Name)
	}
	return names
}

// TestWhoIsThere: each proxy sees all others and what they say of themselves, until they have been silent for a while.
func TestWhoIsThere(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := named(t, s, "a"), named(t, s, "b")
		a.Introduce(shared.Proxy{Version: "1.2", Up: time.Hour, Pools: []string{"orders", "quotes"}, Pairs: 7})
		until(t, "both see both, and what one says", func() bool {
			all, err := b.Proxies(t.Context())
			return err == nil && len(all) == 2 && all[0].Pairs == 7 && slices.Equal(a.sees(), []string{"a", "b"})
		})
		all, err := b.Proxies(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		is := all[0]
		if is.Version != "1.2" || is.Up < time.Hour || is.Up > time.Hour+long || !slices.Equal(is.Pools, []string{"orders", "quotes"}) {
			t.Errorf("one says %+v", is)
		}
		if _, isReal := s.(*sharedtest.Redis); isReal && is.Address != "127.0.0.1" {
			t.Errorf("its address is %q", is.Address)
		}
		s.Kill()
		b.becomes(shared.Down)
		if _, err := b.Proxies(t.Context()); !errors.Is(err, shared.ErrNotUp) {
			t.Errorf("of a store that is down: %v", err)
		}
		s.Start()
		until(t, "a store that was empty knows both", func() bool { return slices.Equal(b.sees(), []string{"a", "b"}) })
		a.Close()
		until(t, "who is silent is there no more", func() bool { return slices.Equal(b.sees(), []string{"b"}) })
	})
}

// TestProxiesLie: what somebody else has written as the word of a proxy is not believed, and the others are seen.
func TestProxiesLie(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newProxy(t, s, long)
		others := map[string]string{
			"huge": "1 " + strings.Repeat("x", 1<<20), "future": `2 {"name":"future"}`, "more": `1 {"name":"more","password":"x"}`,
			"another": `1 {"name":"other"}`, "none": "1 none", "minus": `1 {"name":"minus","pairs":-1}`, "twice": `1 {"name":"twice"} {}`,
			"closes": `1 {"name":"closes"}]`, "rings": `1 {"name":"rings","version":"\u0007"}`,
		}
		b, err := s.Dial()(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for name, text := range others {
			s.Put("streamq:proxy:"+name, text)
			if err := b.Enrol(t.Context(), "streamq:proxies", name, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		s.Put("streamq:proxy:honest", `1 {"name":"honest","pools":["a"],"pairs":3}`)
		for _, name := range []string{"honest", "bell\a", "gone", fmt.Sprint(strings.Repeat("long", 1000))} {
			if err := b.Enrol(t.Context(), "streamq:proxies", name, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		until(t, "those are seen that are there", func() bool { return slices.Equal(p.sees(), []string{t.Name(), "honest"}) })
		if n := p.Stats().Nonsense; n == 0 || n%uint64(len(others)) != 0 {
			t.Errorf("%d values were nonsense, not %d each time", n, len(others))
		}
		if n := p.log.count("no proxy writes"); n != 1 {
			t.Errorf("it was said %d times", n)
		}
		s.PutList("streamq:proxy:honest")
		if names := p.sees(); !slices.Equal(names, []string{t.Name()}) {
			t.Errorf("a list is seen as a proxy: %q", names)
		}
	})
}

// TestProxiesHeal: what is of another type, or of a far future, where proxies say that they are there is replaced, and does not keep them from each other.
func TestProxiesHeal(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := named(t, s, "a"), named(t, s, "b")
		bothSeen := func() bool {
			return slices.Equal(a.sees(), []string{"a", "b"}) && slices.Equal(b.sees(), []string{"a", "b"})
		}
		until(t, "both see both", bothSeen)
		r, isReal := s.(*sharedtest.Redis)
		if isReal {
			if err := r.Do("ZADD", "streamq:proxies", "1e15", "future").Error(); err != nil {
				t.Fatal(err)
			}
		}
		s.PutList("streamq:proxy:a")
		s.PutList("streamq:proxy:b")
		until(t, "both see both again", bothSeen)
		if isReal {
			until(t, "the future is gone", func() bool { return r.Do("ZSCORE", "streamq:proxies", "future").Error() != nil })
		}
		s.PutList("streamq:proxies")
		s.PutList("streamq:proxy:a") // so that they enrol at once
		s.PutList("streamq:proxy:b")
		until(t, "there is a list of proxies again", bothSeen)
		for _, p := range []*proxy{a, b} {
			if s := p.Stats(); s.State != shared.Up {
				t.Errorf("it is %+v", s)
			}
			if n := p.log.count("does not answer") + p.log.count("see its ACL"); n != 0 {
				t.Errorf("it was said %d times that something is wrong with the store", n)
			}
		}
	})
}
