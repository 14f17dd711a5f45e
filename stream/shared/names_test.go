package shared_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// far is where a client comes from.
var far = pairing.Origin{Address: "10.0.0.1", Endpoint: "10.0.0.1:5000"}

func (p *proxy) names() *shared.Names { return p.Names(shared.OfPool("a"), p.Memory) }

// says has others know something.
func (p *proxy) says(said pairing.Saying) {
	p.t.Helper()
	p.names().Say(said, time.Hour)
	p.flushed()
}

// identify is who others say that a client is.
func (p *proxy) identify(from pairing.Origin) pairing.Heard {
	p.t.Helper()
	answer := make(chan pairing.Heard, 1)
	if !p.names().Identify(from, pairing.Who{}, func(is pairing.Heard, _ time.Time, _ *pairing.Recollection) { answer <- is }) {
		return pairing.Heard{}
	}
	select {
	case is := <-answer:
		return is
	case <-time.After(long):
		p.t.Fatal("no answer")
		return pairing.Heard{}
	}
}

// isKnown says that a client is somebody, "" for nobody.
func (p *proxy) isKnown(from pairing.Origin, identity string) {
	p.t.Helper()
	if is := p.identify(from); !is.Known || is.Identity != identity || is.Contested {
		p.t.Errorf("who comes from %+v is %+v, not %q", from, is, identity)
	}
}

// TestSaidElsewhere: what is said at one proxy of a client is known at another, to the first who asks.
func TestSaidElsewhere(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		b.isKnown(far, "")
		a.says(pairing.Saying{Endpoint: far.Endpoint, Identity: "ann", Prefer: []string{"w1", "w2"}, Hello: true})
		is := b.identify(far)
		if !is.Known || is.Identity != "ann" || is.Endpoint != far.Endpoint || is.Address != "" || !is.Hello || !slices.Equal(is.Prefer, []string{"w1", "w2"}) {
			t.Errorf("it is %+v", is)
		}
		a.isKnown(far, "")
		a.says(pairing.Saying{Address: far.Address, Identity: "ann"})
		a.says(pairing.Saying{Endpoint: far.Endpoint, Identity: "bob"})
		b.isKnown(pairing.Origin{Address: "10.0.0.2"}, "")
		b.isKnown(far, "bob") // more exactly
		if is := b.identify(far); is.Identity != "ann" || is.Address != far.Address || is.Hello {
			t.Errorf("it is %+v", is)
		}
		a.says(pairing.Saying{Address: far.Address, Identity: "ann"})
		if is, _ := b.names().Waiting(t.Context(), far.Address); !is.Known || is.Identity != "ann" {
			t.Errorf("%+v waits", is)
		}
		a.says(pairing.Saying{Address: far.Address})
		b.isKnown(far, "")
		other := b.Names(shared.OfPool("b"), b.Memory)
		a.says(pairing.Saying{Address: far.Address, Identity: "ann"})
		if is, _ := other.Waiting(t.Context(), far.Address); !is.Known || is.Identity != "" {
			t.Errorf("in another pool %+v waits", is)
		}
		a.names().Say(pairing.Saying{Address: "10.0.0.3", Identity: "ann"}, time.Millisecond)
		a.flushed()
		until(t, "it is out of date", func() bool {
			is, _ := b.names().Waiting(t.Context(), "10.0.0.3")
			return is.Known && is.Identity == ""
		})
	})
}

// TestOneTakesAName: of many that ask at once for the next client from an address, at two proxies, one has the name.
func TestOneTakesAName(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		all := []*proxy{newProxy(t, s, long), newProxy(t, s, long)}
		told := 0 // rounds in which the store has answered everybody
		for round := 0; told < 10; round++ {
			if round == 50 {
				t.Fatalf("the store has answered everybody in %d rounds of %d", told, round)
			}
			name := fmt.Sprint("client-", round)
			all[0].says(pairing.Saying{Address: far.Address}) // what is left of a round in which it has not
			all[0].says(pairing.Saying{Address: far.Address, Identity: name})
			have, untold := takersOf(t, all, name)
			if have > 1 || untold == 0 && have == 0 {
				t.Errorf("%d have it, and %d were not told", have, untold)
			}
			if untold == 0 {
				told++
			}
		}
	})
}

// takersOf has a hundred clients come at once, and is how many have that name, and to how many the store said nothing.
func takersOf(t *testing.T, all []*proxy, name string) (have, untold int) {
	t.Helper()
	var done sync.WaitGroup
	var mu sync.Mutex
	for i := range 100 {
		done.Add(1)
		if !all[i%2].names().Identify(far, pairing.Who{}, func(is pairing.Heard, _ time.Time, _ *pairing.Recollection) {
			defer done.Done()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case !is.Known:
				untold++
			case is.Identity == name:
				have++
			}
		}) {
			t.Fatal("nobody is asked")
		}
	}
	done.Wait()
	return have, untold
}

// TestContestedElsewhere: of different names for the next client from an address, wherever they are said, none is for anybody.
func TestContestedElsewhere(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		contested := func(where string) {
			t.Helper()
			for _, p := range []*proxy{a, b} {
				until(t, where+": it is contested", func() bool { is := p.identify(far); return is.Known && is.Contested && is.Identity == "" })
			}
		}
		said := func(identity string) pairing.Saying {
			return pairing.Saying{Address: far.Address, Identity: identity, Hello: true}
		}
		a.says(said("ann"))
		a.says(said("ann"))
		b.says(said("bob"))
		contested("two proxies")
		a.says(said("ann"))
		contested("again")
		a.says(pairing.Saying{Address: far.Address})
		a.isKnown(far, "")
		s.Stop()
		a.names().Say(said("ann"), time.Hour)
		a.names().Say(said("bob"), time.Hour)
		s.Go()
		a.flushed()
		contested("one proxy")
		a.says(pairing.Saying{Address: far.Address})
		b.says(said("bob"))
		a.isKnown(far, "bob")
	})
}

// TestNamesHere: what means one machine only is told to proxies of that machine only.
func TestNamesHere(t *testing.T) {
	s := sharedtest.NewFake()
	at := func(host string) *proxy {
		store := shared.Open(shared.Config{Dial: s.Dial(), Name: host, Host: host, Wait: long})
		t.Cleanup(store.Close)
		p := &proxy{t, store, store.Memory(shared.OfPool("a")), &journal{}}
		p.becomes(shared.Up)
		return p
	}
	a, beside, away := at("one"), at("one"), at("two")
	for _, from := range []pairing.Origin{{Address: "127.0.0.1"}, {Address: "localhost:1:1:1"}, {Endpoint: "127.0.0.1:1"}, {Address: "::/64"}, {Address: "::1"}, {Endpoint: "[::1]:1"}} {
		a.says(pairing.Saying{Address: from.Address, Endpoint: from.Endpoint, Identity: "ann"})
		away.isKnown(from, "")
		beside.isKnown(from, "ann")
	}
	for _, from := range []pairing.Origin{{Address: "10.0.0.1"}, {Address: "2001:db8::/64"}, {Endpoint: "[2001:db8::1]:1"}} {
		a.says(pairing.Saying{Address: from.Address, Endpoint: from.Endpoint, Identity: "ann"})
		away.isKnown(from, "ann")
	}
}

// TestNamesFail: with a store that is stopped, or dead, nobody is answered late, and nothing is known; what waits to be told
// is this proxy's own.
func TestNamesFail(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		const wait = 50 * time.Millisecond
		p := newProxy(t, s, wait)
		s.Stop()
		for range 8 {
			if is := p.identify(far); is.Known {
				t.Errorf("it is %+v", is)
			}
		}
		p.becomes(shared.Down)
		p.names().Say(pairing.Saying{Address: far.Address, Identity: "ann"}, time.Hour)
		p.names().Said(t.Context(), pairing.Saying{Address: far.Address}) // returns
		if is, _ := p.names().Waiting(t.Context(), far.Address); is.Known {
			t.Errorf("%+v waits", is)
		}
		s.Go()
		p.becomes(shared.Up)
		p.flushed()
		until(t, "it is known again", func() bool { return p.identify(far).Identity == "ann" })
		s.Kill()
		p.becomes(shared.Down)
		if p.names().Identify(far, pairing.Who{}, func(pairing.Heard, time.Time, *pairing.Recollection) { t.Error("a store is asked that is down") }) {
			t.Error("somebody is asked")
		}
		if n := p.Stats().Names; n["late"]+n["down"] < 2 || n["known"] != 1 {
			t.Errorf("names are %v", n)
		}
	})
}

// TestSaidWaits until others know it.
func TestSaidWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		for i := range 50 {
			from := pairing.Origin{Address: fmt.Sprint("10.0.1.", i)}
			said := pairing.Saying{Address: from.Address, Identity: "ann"}
			a.names().Say(said, time.Hour)
			a.names().Said(t.Context(), said)
			b.isKnown(from, "ann")
		}
		ended, end := context.WithCancel(t.Context())
		end()
		s.Stop()
		a.names().Say(pairing.Saying{Address: far.Address, Identity: "ann"}, time.Hour)
		a.names().Said(ended, pairing.Saying{Address: far.Address}) // returns
		s.Go()
	})
}

// TestNamesNonsense: what no proxy writes names nobody.
func TestNamesNonsense(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newProxy(t, s, long)
		key := "streamq:p:a:n:10.0.0.1"
		for i, text := range []string{
			"ann", "1 ann", "2 {}", "1 {}", `1 {"identity":"a\nn"}`, `1 {"identity":"ann","contested":true}`, `1 {"identity":"ann","more":1}`,
			`1 {"identity":"ann"} {}`, `1 {"identity":"` + strings.Repeat("a", 300) + `"}`, "1 " + strings.Repeat(" ", 1<<20),
			`1 {"identity":"ann","prefer":["` + strings.Repeat("w", 300) + `"]}`,
			`1 {"identity":"ann","prefer":["w"` + strings.Repeat(`,"w"`, pairing.MaxPrefer) + `]}`,
			`1 {"identity":"ann","prefer":["w"` + strings.Repeat(`,"`+strings.Repeat("w", 250)+`"`, 5) + `]}`,
			`1 {"identity":"ann","prefer":["w1,w2"]}`, `1 {"identity":"ann","prefer":[""]}`, `1 {"identity":"a,nn"}`, "1 {\"identity\":\"a\xff\"}",
			`1 {"contested":true,"prefer":["w1"]}`,
		} {
			s.Put(key, text)
			if is := p.identify(far); is.Known || is.Identity != "" {
				t.Errorf("%d: it is %+v", i, is)
			}
		}
		s.PutList(key)
		if is := p.identify(far); is.Known {
			t.Errorf("it is %+v", is)
		}
		p.names().Say(pairing.Saying{Address: "10.0.0.1", Identity: "ann"}, time.Hour)
		p.flushed()
		if is := p.identify(far); is.Identity != "ann" {
			t.Errorf("what is said in the place of a list is %+v", is)
		}
		p.names().Say(pairing.Saying{Address: "10.0.0.2", Identity: "a\x00"}, time.Hour)
		if n := p.Stats(); n.Pending != 0 || n.Nonsense == 0 {
			t.Errorf("%+v", n)
		}
	})
}

// TestNamesInPlaceOfALot: what is too long to be read is in nobody's way: the store stays up, and what is said there is contested.
func TestNamesInPlaceOfALot(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newProxy(t, s, long)
		s.Put("streamq:p:a:n:10.0.0.1", strings.Repeat("y", 2<<20))
		p.says(pairing.Saying{Address: far.Address, Identity: "ann"})
		if is := p.identify(far); !is.Contested {
			t.Errorf("it is %+v", is)
		}
		if p.log.count("no Redis and no Valkey") > 0 {
			t.Error("the connection was ended by what is there")
		}
	})
}

// TestLongestName: whatever HELLO may say of a client is told.
func TestLongestName(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		for _, letter := range []string{"a", `"`, "<", "&", "é"} {
			name := func(size int) string { return strings.Repeat(letter, size/len(letter)) }
			said := pairing.Saying{Endpoint: far.Endpoint, Identity: name(pairing.MaxName), Prefer: slices.Repeat([]string{name(pairing.MaxName)}, 4)}
			if err := pairing.CheckPrefer(said.Prefer); err != nil {
				t.Fatal(err)
			}
			a.says(said)
			if is := b.identify(far); is.Identity != said.Identity || !slices.Equal(is.Prefer, said.Prefer) {
				t.Errorf("of %q it is %+v", letter, is)
			}
		}
	})
}

// TestAskedAlong: with who a client is goes the question which worker it had last, and the answer is as good as one of its own:
// what it says again need not be written.
func TestAskedAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		who := pairing.Who{ByAddress: true, Name: far.Address}
		ask := func(p *proxy) (is pairing.Heard, had *pairing.Recollection) {
			t.Helper()
			answered := make(chan struct{})
			if !p.names().Identify(far, who, func(heard pairing.Heard, _ time.Time, along *pairing.Recollection) {
				is, had = heard, along
				close(answered)
			}) {
				return is, had
			}
			select {
			case <-answered:
			case <-time.After(long):
				t.Fatal("no answer")
			}
			return is, had
		}
		if is, had := ask(b); !is.Known || is.Identity != "" || had == nil || had.Known {
			t.Errorf("at first it is %+v, and had %+v", is, had)
		}
		a.Remember(who, "w1", time.Hour)
		a.flushed()
		if is, had := ask(b); !is.Known || is.Identity != "" || had == nil || *had != (pairing.Recollection{Worker: "w1", Known: true}) {
			t.Errorf("it is %+v, and had %+v", is, had)
		}
		b.Remember(who, "w1", time.Hour)
		if n := b.Stats(); n.Writes["spared"] != 1 || n.Lookups["known"] != 1 || n.Lookups["unknown"] != 1 {
			t.Errorf("%+v", n)
		}
		a.says(pairing.Saying{Address: far.Address, Identity: "ann"})
		if is, had := ask(b); is.Identity != "ann" || had == nil || had.Worker != "w1" {
			t.Errorf("with a name it is %+v, and had %+v", is, had)
		}
		s.Put("streamq:p:a:a:"+far.Address, "w1")
		if is, had := ask(b); !is.Known || had == nil || had.Known {
			t.Errorf("with nonsense it is %+v, and had %+v", is, had)
		}
		s.Stop()
		b.Remember(who, "w2", time.Hour)
		s.Go()
		until(t, "it is written, before which this proxy's own word counts and nobody is asked for it", func() bool {
			_, had := ask(b)
			if had != nil && had.Worker != "w2" {
				t.Errorf("it had %+v", had)
			}
			return had != nil
		})
	})
}
