package pairing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// join has a client come from an endpoint and be paired with the worker that is
// dialled for it.
func (r *rig) join(endpoint string) (client PeerID, worker string) {
	r.t.Helper()
	r.next++
	client = r.next
	r.ClientConnected(r.now, client, Origin{Address: "10.0.0.1", Endpoint: endpoint}, nil)
	for _, a := range r.ClientReady(r.now, client) {
		if a.Op == Dial {
			worker = a.Worker
			r.Dialled(r.now, client, client+1<<32, nil)
			r.Opened(r.now, client)
		}
	}
	return client, worker
}

// dialIn has a worker dial in and greet, and returns its connection.
func (r *rig) dialIn(worker, endpoint string) PeerID {
	r.t.Helper()
	r.next++
	id := r.next + 2<<32
	r.WorkerConnected(r.now, id, worker, Origin{Address: worker, Endpoint: endpoint}, nil)
	r.WorkerReady(r.now, id)
	return id
}

func (r *rig) sound() {
	r.t.Helper()
	if err := r.check(); err != nil {
		r.t.Fatal(err)
	}
}

// Pages name every peer that matches once, in order, whatever its id and however
// the ids lie.
func TestPages(t *testing.T) {
	r := newRig(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	var clients, workers []PeerID
	for i := range 3000 {
		id := PeerID(random.Uint32N(1<<22)) | PeerID(i%6)<<32
		if id == 0 || r.Peer(id) != nil {
			continue
		}
		if i%3 == 0 {
			r.WorkerConnected(0, id, fmt.Sprint("w", i%7), Origin{}, nil)
			workers = append(workers, id)
		} else {
			r.ClientConnected(0, id, Origin{Address: fmt.Sprint(i % 2)}, nil)
			clients = append(clients, id)
		}
	}
	slices.Sort(clients)
	slices.Sort(workers)
	list := func(s Selection) (ids []PeerID) {
		for range 100_000 {
			page, last, more := r.Page(0, s)
			if len(page) > s.Max {
				t.Fatalf("%d in a page of %d", len(page), s.Max)
			}
			for _, p := range page {
				ids = append(ids, p.ID)
			}
			if !more {
				return ids
			}
			s.After = last
		}
		t.Fatal("the pages have no end")
		return nil
	}
	for _, size := range []int{1, 7, 10_000} {
		if got := list(Selection{Max: size}); !slices.Equal(got, clients) {
			t.Errorf("pages of %d have %d clients of %d", size, len(got), len(clients))
		}
	}
	if got := list(Selection{Workers: true, Max: 100}); !slices.Equal(got, workers) {
		t.Errorf("%d connections of workers of %d", len(got), len(workers))
	}
	if got := list(Selection{Who: "1", Max: 100}); len(got) == 0 || len(got) == len(clients) {
		t.Errorf("%d of one address", len(got))
	}
	if got := list(Selection{Paired: true, Max: 100}); len(got) != 0 {
		t.Errorf("%d pairs", len(got))
	}
}

func TestExplain(t *testing.T) {
	r := newRig(t, func(c *Config) { c.AffinityMax = 100 })
	for _, name := range []string{"w1", "w2", "w3", "w4"} {
		r.add(WorkerConfig{Name: name, MaxPairs: 1})
	}
	r.set("w1", Draining)
	r.Hint(0, Hint{Identity: "ann", Endpoint: "10.0.0.1:1", Prefer: []string{"w0", "w1", "w2", "w3"}})
	r.Hint(0, Hint{Identity: "bob", Endpoint: "10.0.0.1:2", Prefer: []string{"w2"}})
	if _, w := r.join("10.0.0.1:2"); w != "w2" {
		t.Fatalf("bob has %s", w)
	}
	if _, w := r.join("10.0.0.1:1"); w != "w3" {
		t.Fatalf("ann has %s", w)
	}
	e, known := r.Explain(0, "ann")
	var why []string
	for _, p := range e.Passed {
		why = append(why, p.Worker+" "+p.Unfit.String())
	}
	if !known || e.Rule != ByPreference || !slices.Equal(why, []string{"w0 unknown", "w1 draining", "w2 full"}) || e.Last != "w3" {
		t.Errorf("%+v", e)
	}
	// A client of nobody, by its endpoint, got what the policy chose.
	if _, w := r.join("10.0.0.1:3"); w != "w4" {
		t.Fatalf("it has %s", w)
	}
	if e, _ := r.Explain(0, "10.0.0.1:3"); e.Rule != ByPolicy || e.Identity != "" || len(e.Candidates) != 4 || len(e.Peers) != 1 {
		t.Errorf("%+v", e)
	}
	if _, known := r.Explain(0, "nobody"); known {
		t.Error("nobody is known")
	}
	r.Bye(0, "ann")
	if e, known := r.Explain(0, "ann"); !known || len(e.Peers)+len(e.Prefer) > 0 || e.Last != "w3" {
		t.Errorf("after BYE, of what it has said nothing is known: %+v", e)
	}
	r.now += r.cfg.AffinityTTL
	if e, known := r.Explain(r.now, "ann"); known {
		t.Errorf("when it is forgotten: %+v", e)
	}
	r.sound()
}

// Slots that said their name are one worker, also when they said it before or in a pair.
func TestWorkersAreNamed(t *testing.T) {
	r := newRig(t, nil)
	r.Hint(0, Hint{Identity: "w2", Endpoint: "10.0.0.5:2", Worker: true, Weight: 4})
	first := r.dialIn("10.0.0.5", "10.0.0.5:1")
	r.dialIn("10.0.0.5", "10.0.0.5:2")
	named := func() (s string) {
		for _, w := range r.Workers() {
			s += fmt.Sprintf("%s:%d/%d ", w.Name, w.Slots, w.Weight)
		}
		return s
	}
	if got := named(); got != "10.0.0.5:1/1 w2:1/4 " {
		t.Errorf("by endpoint: %s", got)
	}
	r.Hint(0, Hint{Identity: "w1", Address: "10.0.0.5", Worker: true})
	r.dialIn("10.0.0.5", "10.0.0.5:3")
	if got := named(); got != "w1:2/1 w2:1/4 " {
		t.Errorf("by address: %s", got)
	}
	// A pair stays where it is.
	r.ClientConnected(0, 1<<32|1<<20, Origin{}, nil)
	r.ClientReady(0, 1<<32|1<<20)
	served := r.Peer(1<<32 | 1<<20).Partner()
	r.Hint(0, Hint{Identity: "w9", Endpoint: served.Origin().Endpoint, Worker: true})
	if served.Worker() == "w9" || served.Identity() != "w9" {
		t.Errorf("%s of %s", served.Identity(), served.Worker())
	}
	r.sound()
	r.Unhint(0, "w1")
	r.Gone(0, first, Closed)
	r.dialIn("10.0.0.5", "10.0.0.5:4")
	if got := named(); got == "" || r.Workers()[0].Name != "10.0.0.5" {
		t.Errorf("after UNHINT: %s", got)
	}
	r.sound()
}

// A client and a worker's connection that share an endpoint are not taken for each
// other, whichever of them is there when something is said of it.
func TestSharedEndpoint(t *testing.T) {
	const at = "10.0.0.1:1"
	ofClient := Hint{Identity: "ann", Endpoint: at, Prefer: []string{"w2"}}
	ofWorker := Hint{Identity: "w9", Endpoint: at, Worker: true}
	for _, first := range []string{"worker", "client", "hints"} {
		t.Run(first+" first", func(t *testing.T) {
			r := newRig(t, nil)
			r.add(WorkerConfig{Name: "w1"})
			r.add(WorkerConfig{Name: "w2"})
			var client, worker PeerID
			switch first {
			case "worker":
				worker = r.dialIn("10.0.0.1", at)
				r.Hint(0, ofClient)
				client, _ = r.join(at)
				r.Hint(0, ofWorker)
			case "client":
				client, _ = r.join(at)
				r.Hint(0, ofWorker)
				worker = r.dialIn("10.0.0.1", at)
				r.Hint(0, ofClient)
			case "hints":
				r.Hint(0, ofClient)
				r.Hint(0, ofWorker)
				worker = r.dialIn("10.0.0.1", at)
				client, _ = r.join(at)
			}
			c, w := r.Peer(client), r.Peer(worker)
			if c.Identity() != "ann" || first != "client" && c.Worker() != "w2" {
				t.Errorf("the client is %q and has %q", c.Identity(), c.Worker())
			}
			if w.Identity() != "w9" || w.Worker() != "w9" {
				t.Errorf("the worker is %q, its connection one of %q", w.Identity(), w.Worker())
			}
			if r.PeerAt(at, true) != c || r.PeerAt(at, false) != w {
				t.Error("one is found for the other")
			}
			if p, _ := r.Find(0, at); p.ID != client {
				t.Errorf("%d is found, not the client", p.ID)
			}
			r.sound()
		})
	}
}

func TestHeldForItsHint(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintWait = time.Second })
	r.add(WorkerConfig{Name: "w1"})
	r.add(WorkerConfig{Name: "w2"})
	held, w := r.join("10.0.0.1:1")
	if w != "" {
		t.Fatal("it was not held")
	}
	r.ClientReady(0, held) // told twice
	acts := r.Hint(r.now, Hint{Identity: "ann", Endpoint: "10.0.0.1:1", Prefer: []string{"w2"}})
	if len(acts) != 1 || acts[0].Op != Dial || acts[0].Worker != "w2" {
		t.Errorf("%v", acts)
	}
	r.join("10.0.0.1:2")
	if at, ok := r.Deadline(); !ok || at != time.Second {
		t.Errorf("deadline %v %v", at, ok)
	}
	r.now = time.Second
	if acts := r.Tick(r.now); len(acts) != 1 || acts[0].Op != Dial {
		t.Errorf("%v", acts)
	}
	// One that leaves while it is held leaves nothing.
	gone, _ := r.join("10.0.0.1:3")
	if acts := r.Gone(r.now, gone, Closed); len(acts) != 1 || acts[0].Reason != ClientClosed {
		t.Errorf("%v", acts)
	}
	r.sound()
}

func TestHelloRequired(t *testing.T) {
	r := newRig(t, func(c *Config) { c.RequireHello = true })
	r.add(WorkerConfig{Name: "w1"})
	r.join("10.0.0.1:1")
	r.now = DefaultHello
	acts := r.Tick(r.now)
	if len(acts) != 2 || acts[0].Op != Abort || acts[1].Reason != HeartbeatExpired {
		t.Errorf("%v", acts)
	}
	r.sound()
}

// Of the addresses that are a worker's, the one that has been of no use for longest makes room.
func TestAliasesMakeRoom(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintMax = 2 })
	named := func(address, want string) {
		t.Helper()
		if got := r.Peer(r.dialIn(address, address+":1")).Worker(); got != want {
			t.Errorf("who dials in from %s is %q, want %q", address, got, want)
		}
	}
	r.Hint(0, Hint{Identity: "w1", Address: "10.0.0.1", Worker: true})
	r.Hint(0, Hint{Identity: "w2", Address: "10.0.0.2", Worker: true})
	named("10.0.0.1", "w1")
	r.Hint(0, Hint{Identity: "w3", Address: "10.0.0.3", Worker: true})
	named("10.0.0.1", "w1")
	named("10.0.0.2", "10.0.0.2")
	named("10.0.0.3", "w3")
	r.sound()
}

func TestPins(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintMax = 2 })
	for _, name := range []string{"w1", "w2"} {
		r.add(WorkerConfig{Name: name})
	}
	for i, name := range []string{"ann", "bob", "cyd", "ann"} {
		if err := r.pin(name, "w2"); (err == nil) != (name != "cyd") || err != nil && !errors.Is(err, ErrPinsFull) {
			t.Errorf("pin %d, of %s: %v", i, name, err)
		}
	}
	for i := range 3 {
		at := fmt.Sprint("10.0.0.1:", i+1)
		r.Hint(0, Hint{Identity: "ann", Endpoint: at, Prefer: []string{"w1"}})
		if _, w := r.join(at); w != "w2" {
			t.Errorf("pinned, and it has %s", w)
		}
	}
	if first, again := r.pin("ann", ""), r.pin("ann", ""); first != nil || !errors.Is(again, ErrNotPinned) {
		t.Errorf("unpinned: %v, and again: %v", first, again)
	}
}

func TestChanges(t *testing.T) {
	r := newRig(t, nil)
	r.Watch()
	expect := func(want ...Change) {
		t.Helper()
		var got []Change
		for _, c := range r.Changes() {
			if c.Worker != "w1" {
				t.Errorf("%+v", c)
			}
			got = append(got, c.Change)
		}
		if !slices.Equal(got, want) {
			t.Errorf("changes %v, want %v", got, want)
		}
	}
	r.add(WorkerConfig{Name: "w1"})
	expect(WorkerUp)
	client, _ := r.join("10.0.0.1:1")
	expect()
	r.set("w1", Draining)
	expect(WorkerDown)
	r.Gone(0, client, Closed)
	expect()
	r.Gone(0, client+1<<32, Closed)
	expect(WorkerEmpty)
	r.set("w1", Ready)
	expect(WorkerUp)
	if _, err := r.RemoveWorker(0, "w1"); err != nil {
		t.Fatal(err)
	}
	expect(WorkerDown, WorkerEmpty)
}

func TestPairsOf(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w1"})
	a, _, _ := r.pairUp()
	b, _, _ := r.pairUp()
	if clients, err := r.PairsOf("w1"); err != nil || !slices.Equal(clients, []PeerID{a, b}) {
		t.Errorf("%v %v", clients, err)
	}
	if _, err := r.PairsOf("w2"); !errors.Is(err, ErrNoWorker) {
		t.Errorf("w2 is no worker: %v", err)
	}
	r.sound()
}

// What is out of date takes no place in a page, so that none is shown twice.
func TestPagesOfHints(t *testing.T) {
	r := newRig(t, func(c *Config) { c.HintTTL = time.Minute })
	for i := range 3 {
		r.Hint(r.now, Hint{Identity: fmt.Sprint("old", i)})
	}
	r.now += time.Minute
	must(t, r.pin("new0", "w"))
	for i := range 4 {
		r.Hint(r.now, Hint{Identity: fmt.Sprint("new", i)})
	}
	var names []string
	for skip, more := 0, true; more; {
		var page []HintInfo
		page, more = r.Hints(r.now, "", skip, 2)
		skip += len(page)
		for _, h := range page {
			names = append(names, h.Identity)
		}
	}
	if got := fmt.Sprint(names); got != "[new0 new0 new1 new2 new3]" { // a pin and what it has said itself
		t.Errorf("%s", got)
	}
}
