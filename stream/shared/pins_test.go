package shared_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// pin has its operator pin an identity everywhere, to no worker end that.
func (p *steered) pin(identity, workers string) (told bool, err error) {
	p.t.Helper()
	return p.word(pairing.Steering{Identity: identity, Register: pairing.RegisterPin, Workers: workers, Said: pairing.Said{Everywhere: true}})
}

// pinned waits until the store has a pin that its operator says.
func (p *steered) pinned(identity, workers string) {
	p.t.Helper()
	if told, err := p.pin(identity, workers); err != nil {
		p.t.Errorf("%s pins %s: %v", p.name, identity, err)
	} else if !told {
		until(p.t, "it is told", func() bool { return p.store.Stats().Pending == 0 })
	}
}

// come has a client of an identity come, and says to which workers that is pinned then.
func (p *steered) come(identity string) string {
	p.t.Helper()
	is := (&proxy{p.t, p.store, p.mem, p.log}).recall(pairing.Who{Name: identity})
	p.mu.Lock()
	p.table.Recalled(0, 0, is)
	p.mu.Unlock()
	return p.pinOf(identity)
}

// pinOf is how it knows an identity to be pinned.
func (p *steered) pinOf(identity string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	hints, _ := p.table.Hints(0, identity, 0, 1)
	if len(hints) == 0 {
		return ""
	}
	return strings.Join(hints[0].Prefer, ",")
}

// TestPinsEverywhere: a pin counts at all proxies from when it was said on, the last of several; one that was found anywhere is followed
// there, and so are those of whoever waits. One that was said here counts here.
func TestPinsEverywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		all := three(t, s)
		for round := range 4 {
			all[round%3].pinned("ann", fmt.Sprint("w1,w", round))
			for _, p := range all {
				if is := p.come("ann"); is != fmt.Sprint("w1,w", round) {
					t.Errorf("round %d: at %s it is %q", round, p.name, is)
				}
			}
			all[(round+1)%3].pinned("ann", "")
			for _, p := range all {
				if is := p.come("ann"); is != "" {
					t.Errorf("round %d: at %s it is %q, and was ended", round, p.name, is)
				}
			}
		}
		all[0].pinned("ann", "w1")
		for _, p := range all {
			p.come("ann")
		}
		all[1].pinned("ann", "w2")
		for _, p := range all {
			until(t, "it is followed", func() bool { return p.pinOf("ann") == "w2" })
		}
		if _, err := all[0].word(pairing.Steering{Identity: "ann", Register: pairing.RegisterPin, Workers: "w0"}); err != nil {
			t.Error(err)
		}
		if here, there := all[0].come("ann"), all[1].come("ann"); here != "w0" || there != "w2" {
			t.Errorf("it is %q where it was said, and %q elsewhere", here, there)
		}
		if all[2].pinOf("bob") != "" {
			t.Error("bob is pinned")
		}
		for _, p := range all {
			if n := p.store.Stats().Nonsense; n > 0 {
				t.Errorf("%s has read nonsense %d times", p.name, n)
			}
		}
	})
}

// TestPinsFollowed: a client waits, and is pinned elsewhere.
func TestPinsFollowed(t *testing.T) {
	s := sharedtest.NewFake()
	all := three(t, s)
	p := all[0]
	p.mu.Lock()
	for i := range 3 {
		if _, err := p.table.SetWorkerState(0, fmt.Sprint("w", i), pairing.Draining); err != nil {
			t.Error(err)
		}
	}
	p.table.ClientNamed(0, 1, pairing.Origin{Address: "10.0.0.1"}, nil, "ann")
	p.table.ClientReady(0, 1)
	p.table.Recalled(0, 1, pairing.Recollection{})
	if is := p.table.Peer(1).State(); is != pairing.PeerWaiting {
		t.Errorf("it is %v", is)
	}
	p.mu.Unlock()
	all[1].pinned("ann", "w2")
	until(t, "it is known", func() bool { return p.pinOf("ann") == "w2" })
	all[2].pinned("ann", "")
	until(t, "it is known that it is pinned no more", func() bool { return p.pinOf("ann") == "" })
}

// TestPinsWithoutStore: what is said while the store is away counts here, and at all when it is back, although it is empty then; of
// what was said at several the last counts.
func TestPinsWithoutStore(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		all := three(t, s)
		all[0].pinned("before", "w1")
		all[0].pinned("ended", "w1")
		s.Kill()
		for _, p := range all {
			p.becomes(shared.Down)
		}
		if is := all[0].come("before"); is != "w1" {
			t.Errorf("it is %q", is)
		}
		for i, p := range all {
			if told, err := p.pin("ann", fmt.Sprint("w", i)); told || err != nil || p.come("ann") != fmt.Sprint("w", i) {
				t.Errorf("%s: told: %v, %v: it is %q", p.name, told, err, p.pinOf("ann"))
			}
			time.Sleep(2 * time.Millisecond) // so that their clocks differ
		}
		if _, err := all[0].pin("ended", ""); err != nil {
			t.Error(err)
		}
		s.Start()
		for _, p := range all {
			p.becomes(shared.Up)
			until(t, "the last counts", func() bool { return p.come("ann") == "w2" })
			until(t, "it is told again", func() bool { return p.come("before") == "w1" })
			until(t, "it is ended", func() bool { return p.come("ended") == "" })
		}
	})
}

// TestPinsByNonsense: what no proxy writes about a pin is ignored, and counted, also where a client comes.
func TestPinsByNonsense(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newSteered(t, s, "a")
		p.becomes(shared.Up)
		now, many := time.Now().UnixMilli(), strings.Repeat("w,", 16)+"w"
		for _, text := range []string{
			"2 1 b w1", "1", "1 ", "1  b w1", "w1", "1 0 b w1", fmt.Sprintf("1 %d b", now), fmt.Sprintf("1 %d b ,", now), fmt.Sprintf("1 %d b w1,", now),
			fmt.Sprintf("1 %d b w1\n", now), fmt.Sprintf("1 %d b w1,\x1b[2J", now), fmt.Sprintf("1 %d b %s", now, many), fmt.Sprintf("1 0%d b w1", now),
			fmt.Sprintf("1 %d b %s", now, strings.Repeat("w", pairing.MaxName+1)), fmt.Sprintf("1 %d b w1", now+2*time.Hour.Milliseconds()),
			fmt.Sprintf("1 %d b %s", now, strings.Repeat(strings.Repeat("w", 200)+",", 6)), strings.Repeat("x", 1<<20),
		} {
			s.Put("streamq:p:a:ip:ann", text)
			before := p.store.Stats().Nonsense
			until(t, fmt.Sprintf("%.60q is read", text), func() bool { return p.come("ann") == "" && p.store.Stats().Nonsense > before })
		}
		s.PutList("streamq:p:a:ip:ann")
		before := p.store.Stats().Nonsense
		until(t, "a list is read", func() bool { return p.come("ann") == "" && p.store.Stats().Nonsense > before })
		longest := strings.Repeat(strings.Repeat("w", 255)+",", 4)
		longest = longest[:len(longest)-1]
		s.Put("streamq:p:a:ip:ann", fmt.Sprintf("1 %d %s %s", now, strings.Repeat("b", 128), longest))
		until(t, "the longest that may be is", func() bool { return p.come("ann") == longest })
		s.Put("streamq:p:a:ip:bob", fmt.Sprintf("1 %d b nobody", now))
		if is := p.come("bob"); is != "nobody" {
			t.Errorf("it is %q", is)
		}
	})
}

// TestPinWithPending: while it has yet to be written which worker somebody has, that counts, and how he is pinned is asked all the same.
func TestPinWithPending(t *testing.T) {
	s := sharedtest.NewFake()
	a, b := newSteered(t, s, "a"), newSteered(t, s, "b")
	a.becomes(shared.Up)
	b.becomes(shared.Up)
	a.pinned("ann", "w2")
	s.Fill()
	b.becomes(shared.Refusing)
	b.mem.Remember(ann, "w1", time.Hour)
	is := (&proxy{t, b.store, b.mem, b.log}).recall(ann)
	if !is.Known || is.Worker != "w1" || is.Pin.Workers != "w2" || is.Pin.By != "a" || is.Pin.Identity != "ann" {
		t.Errorf("it is %+v", is)
	}
}

// TestPinsOfPools: two pools of a group remember workers together, and have each its pins.
func TestPinsOfPools(t *testing.T) {
	s := sharedtest.NewFake()
	p := newSteered(t, s, "a")
	p.becomes(shared.Up)
	p.pinned("ann", "w2")
	of := func(pool string) string {
		m := p.store.Memory(shared.OfGroup("g")).WithPins(shared.OfPool(pool))
		return (&proxy{t, p.store, m, p.log}).recall(ann).Pin.Workers
	}
	if one, other := of("a"), of("b"); one != "w2" || other != "" {
		t.Errorf("it is %q, and %q in the other pool", one, other)
	}
}
