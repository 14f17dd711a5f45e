package pairing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// standing is what counts of a worker at a table.
func standing(t *Table, name string) (at [NumRegisters]int) {
	for _, w := range t.Workers() {
		if w.Name == name {
			return [NumRegisters]int{int(w.State), w.Weight, w.MaxPairs}
		}
	}
	return at
}

// TestWordsAgree has operators at several tables say what they like, everywhere and here, while each table hears of the others'
// words late, twice, in any order, and goes on as another process now and then: in the end all agree on all that was said
// everywhere last, and what was said here later than that counts here.
func TestWordsAgree(t *testing.T) {
	const tables, rounds = 3, 150
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		all := make([]*Table, tables)
		for i := range all {
			all[i] = New(traceConfig())
			for w := range 3 {
				if _, err := all[i].AddWorker(0, WorkerConfig{Name: fmt.Sprint("w", w), Endpoint: "tcp://10.0.0.1:1"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var heard []Steering // everywhere
		hear := func(to *Table, s Steering) {
			before := standing(to, s.Worker)
			heeded, _, err := to.Heed(0, s)
			if err != nil {
				t.Fatal(err)
			}
			if after := standing(to, s.Worker); heeded && after[s.Register] != s.Value || !heeded && after != before {
				t.Fatalf("heeded: %v: %+v made %v of %v", heeded, s, after, before)
			}
		}
		for range rounds {
			i := random.IntN(tables)
			switch random.IntN(8) {
			case 0:
				saved := all[i].Save(0, func(*Peer) bool { return true })
				var read Saved
				if err := through(saved, &read); err != nil {
					t.Fatal(err)
				}
				all[i] = New(traceConfig())
				if err := all[i].Restore(&read, nil); err != nil {
					t.Fatal(err)
				}
			case 1, 2, 3:
				s := Steering{Worker: fmt.Sprint("w", random.IntN(3)), Register: Register(random.IntN(NumRegisters)), Said: Said{Stamp{int64(random.IntN(100)), fmt.Sprint("p", i)}, 1 + random.IntN(2), random.IntN(4) > 0}}
				said, _, err := all[i].Steer(0, s)
				if err != nil {
					t.Fatal(err)
				}
				if is := standing(all[i], s.Worker); is[s.Register] != s.Value {
					t.Fatalf("%+v made %v", s, is)
				}
				if s.Everywhere {
					heard = append(heard, said)
				}
			default:
				if len(heard) > 0 {
					hear(all[i], heard[random.IntN(len(heard))])
				}
			}
		}
		latest := map[string]Steering{}
		for _, s := range heard {
			for _, table := range all {
				hear(table, s)
			}
			if key := s.Worker + s.Register.String(); s.After(latest[key].Stamp) {
				latest[key] = s
			}
		}
		for i, table := range all {
			for _, s := range table.Said(false) {
				want := latest[s.Worker+s.Register.String()]
				if s.Everywhere && s != want || !s.Everywhere && !s.After(want.Stamp) {
					t.Errorf("seed %d: at table %d %+v counts, and the last word is %+v", seed, i, s, want)
				}
				if is := standing(table, s.Worker); is[s.Register] != s.Value {
					t.Errorf("seed %d: at table %d %+v counts, and it is %v", seed, i, s, is)
				}
			}
		}
	}
}

// TestWordsOfOneMoment: of two words of the same millisecond the one of the later name counts, whichever was heard first, and who
// says something after having heard of it is later whatever the clock says.
func TestWordsOfOneMoment(t *testing.T) {
	a := Steering{Worker: "w", Register: RegisterWeight, Said: Said{Stamp{1000, "a"}, 5, true}}
	b := Steering{Worker: "w", Register: RegisterWeight, Said: Said{Stamp{1000, "b"}, 7, true}}
	for _, order := range [][]Steering{{a, b}, {b, a}} {
		r := newRig(t, nil)
		r.add(WorkerConfig{Name: "w", Endpoint: "tcp://10.0.0.9:1"})
		for _, s := range order {
			if _, _, err := r.Heed(0, s); err != nil {
				t.Fatal(err)
			}
		}
		if is := standing(r.Table, "w"); is[RegisterWeight] != 7 {
			t.Errorf("%v makes %v", order, is)
		}
		said, _, err := r.Steer(0, Steering{Worker: "w", Register: RegisterWeight, Said: Said{Stamp{3, "a"}, 9, true}})
		if err != nil || !said.After(b.Stamp) {
			t.Errorf("it said %+v, %v", said, err)
		}
	}
}

// TestImpossibleWords changes nothing.
func TestImpossibleWords(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w", Endpoint: "tcp://10.0.0.9:1"})
	before := r.Save(0, func(*Peer) bool { return true })
	for _, c := range []struct {
		s    Steering
		want error
	}{
		{Steering{Worker: "nobody", Register: RegisterState, Said: Said{Stamp{1, "a"}, 0, true}}, ErrNoWorker},
		{Steering{Worker: "w", Register: RegisterState, Said: Said{Stamp{1, "a"}, int(SetAside), true}}, ErrWorkerConfig},
		{Steering{Worker: "w", Register: RegisterState, Said: Said{Stamp{1, "a"}, 256, true}}, ErrWorkerConfig},
		{Steering{Worker: "w", Register: RegisterState, Said: Said{Stamp{1, "a"}, -1, true}}, ErrWorkerConfig},
		{Steering{Worker: "w", Register: RegisterWeight, Said: Said{Stamp{1, "a"}, MaxWeight + 1, true}}, ErrWorkerConfig},
		{Steering{Worker: "w", Register: RegisterMaxPairs, Said: Said{Stamp{1, "a"}, -1, true}}, ErrWorkerConfig},
		{Steering{Worker: "w", Register: RegisterPin + 1, Said: Said{Stamp{1, "a"}, 1, true}}, ErrWorkerConfig},
	} {
		if heeded, _, err := r.Heed(0, c.s); heeded || !errors.Is(err, c.want) {
			t.Errorf("%+v: heeded: %v, %v, not %v", c.s, heeded, err, c.want)
		}
		if _, _, err := r.Steer(0, c.s); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, not %v", c.s, err, c.want)
		}
	}
	var was, is Saved
	_ = through(before, &was)
	_ = through(r.Save(0, func(*Peer) bool { return true }), &is)
	if w, i := fmt.Sprintf("%+v", was.Workers), fmt.Sprintf("%+v", is.Workers); w != i {
		t.Errorf("it was %s and is %s", w, i)
	}
}

// TestWordOutlivesItsWorker: a worker that dials in, was drained everywhere and enabled here, is not drained again by the old word when
// it is back; one of which nothing was said here is forgotten, and hears again.
func TestWordOutlivesItsWorker(t *testing.T) {
	drain := Steering{Worker: "w", Register: RegisterState, Said: Said{Stamp{1000, "a"}, int(Draining), true}}
	for _, here := range []bool{true, false} {
		r := newRig(t, nil)
		first := r.dialIn(drain.Worker, "")
		made := r.Revision()
		if _, _, err := r.Heed(r.now, drain); err != nil {
			t.Fatal(err)
		}
		enable := Steering{Worker: "w", Register: RegisterState, Said: Said{Stamp{2000, "b"}, int(Ready), !here}}
		if _, _, err := r.Steer(r.now, enable); err != nil {
			t.Fatal(err)
		}
		r.leave(first)
		r.now += time.Hour
		r.Tick(r.now)
		r.dialIn(drain.Worker, "")
		if again := r.Revision() > made; again == here {
			t.Errorf("said here: %v: it was made again: %v", here, again)
		}
		heeded, _, err := r.Heed(r.now, drain)
		if err != nil || heeded == here {
			t.Errorf("said here: %v: it heeds what was said before: %v, %v", here, heeded, err)
		}
	}
}

// TestRemovedWorkerBeginsAnew: of one that an operator took out and added again nothing is known that was said before.
func TestRemovedWorkerBeginsAnew(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w", Endpoint: "tcp://10.0.0.9:1"})
	if _, _, err := r.Steer(0, Steering{Worker: "w", Register: RegisterState, Said: Said{Stamp{1, "a"}, int(Draining), true}}); err != nil {
		t.Fatal(err)
	}
	if all := r.Said(true); len(all) != NumRegisters || len(r.Said(false)) != 1 {
		t.Errorf("of it is known %+v", all)
	}
	if _, err := r.RemoveWorker(0, "w"); err != nil {
		t.Fatal(err)
	}
	r.add(WorkerConfig{Name: "w", Endpoint: "tcp://10.0.0.9:1"})
	if slices.ContainsFunc(r.Said(true), func(s Steering) bool { return s.At != 0 }) {
		t.Errorf("of it is known %+v", r.Said(true))
	}
}

// TestOperatorBeforeWorker: what a worker says of itself counts until an operator says something else, here or everywhere.
func TestOperatorBeforeWorker(t *testing.T) {
	for _, everywhere := range []bool{false, true} {
		table, next := New(traceConfig()), PeerID(0)
		dialsIn := func(weight, most int) {
			next++
			from := fmt.Sprint("10.0.0.1:", next)
			table.Hint(0, Hint{Identity: "w", Endpoint: from, Worker: true, Weight: weight, MaxPairs: most})
			table.WorkerConnected(0, next, from, Origin{Address: "10.0.0.1", Endpoint: from}, nil)
		}
		is := func(what string, want ...int) {
			t.Helper()
			if at := standing(table, "w"); !slices.Equal(at[1:], want) {
				t.Errorf("everywhere: %v: %s: %v, not %v", everywhere, what, at[1:], want)
			}
		}
		says := func(r Register, value int) {
			t.Helper()
			if _, _, err := table.Steer(0, Steering{Worker: "w", Register: r, Said: Said{Stamp{1, "a"}, value, everywhere}}); err != nil {
				t.Fatal(err)
			}
		}
		dialsIn(3, 30)
		is("a worker has said it", 3, 30)
		dialsIn(4, 40)
		is("it has said something else", 4, 40)
		says(RegisterWeight, 7)
		dialsIn(5, 50)
		is("an operator has said its weight", 7, 50)
		says(RegisterMaxPairs, 70)
		dialsIn(6, 60)
		is("an operator has said both", 7, 70)
	}
}
