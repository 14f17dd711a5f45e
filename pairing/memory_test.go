package pairing

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// prefers is what HINTS tells that an identity prefers, nil for nothing.
func (r *rig) prefers(identity string) (workers []string) {
	page, _ := r.Hints(r.now, identity, 0, 10)
	for _, h := range page {
		if h.Endpoint == "" && h.Address == "" {
			workers = h.Prefer
		}
	}
	return workers
}

// flood has a source say hints for connections to come, all of identities of their own.
func (r *rig) flood(source string, n int) {
	for i := range n {
		r.Hint(r.now, Hint{
			Identity: fmt.Sprint(source, i), Endpoint: fmt.Sprint("10.9.9.9:", i), Prefer: []string{"w1"}, Source: source,
		})
	}
}

// A flood of one source pushes out nothing but its own.
func TestFloodOfOneSource(t *testing.T) {
	const flooder = "10.0.0.9"
	r := newRig(t, func(c *Config) { c.HintMax, c.AffinityMax, c.SourceMax = 1000, 1000, 100 })
	for _, name := range []string{"w1", "w2"} {
		r.add(WorkerConfig{Name: name})
	}
	w2 := []string{"w2"}
	r.Hint(0, Hint{Identity: "memo", Prefer: w2}) // an operator's
	r.Hint(0, Hint{Identity: "precious", Endpoint: "10.0.0.1:1", Prefer: w2})
	r.Hint(0, Hint{Identity: "other", Endpoint: "10.0.0.1:2", Prefer: w2, Source: "10.0.0.1"})
	// Of the flooder's own address: one that is there, and one that was.
	r.Hint(0, Hint{Identity: "learned", Endpoint: "10.0.0.1:3", Prefer: w2, Source: flooder})
	if _, w := r.join("10.0.0.1:3"); w != "w2" {
		t.Fatalf("learned has %s", w)
	}
	r.Hint(0, Hint{Identity: "gone", Endpoint: "10.0.0.1:4", Prefer: w2, Source: "10.0.0.2"})
	gone, _ := r.join("10.0.0.1:4")
	r.leave(gone, gone+1<<32)

	r.flood(flooder, 10_000)
	for _, name := range []string{"memo", "precious", "other", "learned", "gone"} {
		if got := r.prefers(name); !slices.Equal(got, w2) {
			t.Errorf("%s prefers %q", name, got)
		}
	}
	for _, name := range []string{"learned", "gone"} {
		if e, known := r.Explain(r.now, name); !known || e.Last != "w2" {
			t.Errorf("%s had %q last", name, e.Last)
		}
	}
	for i, name := range []string{"precious", "other"} {
		c, w := r.join(fmt.Sprint("10.0.0.1:", i+1))
		if w != "w2" || r.Peer(c).Identity() != name {
			t.Errorf("%s has %s", name, w)
		}
	}
	// Of the flood the last hundred are left, and the first of them goes next.
	page, _ := r.Hints(r.now, "", 0, 10_000)
	page = slices.DeleteFunc(page, func(h HintInfo) bool { return !strings.HasPrefix(h.Identity, flooder) })
	if len(page) != 200 || page[0].Identity != flooder+"9900" || page[199].Identity != flooder+"9999" {
		t.Errorf("%d are left, from %+v to %+v", len(page), page[0], page[len(page)-1])
	}
	r.sound()
}

// Last workers are as safe: who pairs many identities forgets its own.
func TestFloodOfPairs(t *testing.T) {
	r := newRig(t, func(c *Config) { c.AffinityMax, c.SourceMax = 1000, 2 })
	r.add(WorkerConfig{Name: "w1"})
	visit := func(identity, source string) {
		at := fmt.Sprint("10.0.0.1:", r.next)
		r.Hint(0, Hint{Identity: identity, Endpoint: at, Source: source})
		c, _ := r.join(at)
		r.leave(c, c+1<<32)
	}
	visit("operated", "")
	visit("other", "10.0.0.1")
	for i := range 100 {
		visit(fmt.Sprint("x", i), "10.0.0.9")
	}
	for name, want := range map[string]string{"operated": "w1", "other": "w1", "x97": "", "x98": "w1", "x99": "w1"} {
		if e, _ := r.Explain(0, name); e.Last != want {
			t.Errorf("%s had %q last, not %q", name, e.Last, want)
		}
	}
	r.sound()
}

// When all is full, room is made as [Config.SourceMax] says.
func TestFullMemory(t *testing.T) {
	var m memory[string, int]
	now := time.Duration(0)
	say := func(source string, names ...string) {
		for _, n := range names {
			m.put(n, 0, source, false, now)
		}
	}
	expect := func(when string, want ...string) {
		t.Helper()
		var got []string
		m.each(now, func(key string, _ int, _ time.Duration) bool { got = append(got, key); return true })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", when, got, want)
		}
		checkMemory(&m, t.Errorf)
	}
	m.configure(4, 3, time.Minute, 0)
	say("a", "a1", "a2")
	say("b", "b1", "b2")
	say("b", "b3")
	expect("who has some there makes room itself", "a1", "a2", "b2", "b3")
	say("c", "c1")
	expect("who has none takes the place of the oldest", "a2", "b2", "b3", "c1")
	m.put("b2", 0, "b", true, now)
	expect("what lives takes no room", "b2", "a2", "b3", "c1")
	say("", "o1", "o2", "o3")
	expect("operators go before sources", "b2", "o1", "o2", "o3", "c1")
	say("", "o4", "o5")
	expect("and push out each other last", "b2", "o2", "o3", "o4", "o5")
	say("a", "a3")
	expect("but nobody else pushes them out", "b2", "o2", "o3", "o4", "o5")
	now = 30 * time.Second
	m.setLive("b2", false, now)
	expect("what ceases to live is held where there is room", "o2", "o3", "o4", "o5")
	say("", "o2")
	now = time.Minute
	say("a", "a1", "a2", "a3", "a4")
	expect("what is out of date goes first", "o2", "a2", "a3", "a4")
	m.configure(2, 1, time.Minute, now)
	expect("less room", "o2", "a4")
	say("", "o6")
	now = 90 * time.Second
	say("b", "b4")
	now += time.Minute - 1
	say("", "o7")
	expect("room again", "o7", "b4")
	now += time.Minute - 2
	say("b", "b5")
	now += 2
	m.configure(1, 1, time.Minute, now)
	expect("less room, and what is out of date goes first", "b5")
	m.configure(0, 1, time.Minute, now)
	expect("no room")
}

// STATUS counts what HINTS lists, also when some of it is out of date.
func TestHintsAreCounted(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintMax, c.HintTTL = 1000, time.Minute })
	must(t, r.pin("pinned", "w"))
	for i := range 10 {
		r.now = time.Duration(i) * 10 * time.Second
		r.flood(fmt.Sprint("10.0.0.", i%3), 10*(i+1))
		r.Hint(r.now, Hint{Identity: fmt.Sprint("operated", i)})
		page, _ := r.Hints(r.now, "", 0, 10_000)
		if n := r.Stats(r.now).Hints; n != len(page) || n < 20 {
			t.Errorf("%d are counted, %d listed", n, len(page))
		}
	}
}

// maxHintBytes is what docs/control.md says of the memory that one hint, its
// identity's preference and its last worker need at most.
const maxHintBytes = 4 << 10

func TestMemoryOfHints(t *testing.T) {
	const n = 4096
	r := newRig(t, func(c *Config) { c.HintMax, c.AffinityMax, c.SourceMax = 100_000, 100_000, n })
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	for i := range 2 * n { // as package control reads them: each argument is a string of its own
		identity := fmt.Sprintf("%0255d", i)
		list := fmt.Sprintf("prefer=%s", strings.Repeat("w"+strings.Repeat("x", 62)+",", 16)[:1023])
		h := Hint{Identity: identity, Endpoint: fmt.Sprintf("[2001:db8:1111:2222:3333:4444:5555:%04x]:65535", i), Source: "2001:db8::/64"}
		h.Prefer = strings.Split(strings.TrimPrefix(list, "prefer="), ",")
		r.Hint(r.now, h)
		r.habits.own.put(affinityKey{name: strings.Clone(identity)}, fmt.Sprintf("%0255d", i), h.Source, false, r.now)
	}
	each := (held() - before) / n
	t.Logf("%d bytes each", each)
	if s := r.Stats(r.now); s.Hints != 2*n || s.Affinities != n || each > maxHintBytes {
		t.Errorf("%d hints and %d affinities of %d bytes", s.Hints, s.Affinities, each)
	}
	runtime.KeepAlive(r)
}
