package pairing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// pin has an operator pin an identity here, to no worker end that.
func (r *rig) pin(identity, workers string) error {
	_, _, err := r.Steer(r.now, Steering{Identity: identity, Register: RegisterPin, Workers: workers, Said: Said{Stamp: Stamp{At: 1}}})
	return err
}

// pinned is a word that pins an identity everywhere.
func pinned(identity, workers string, at int64, by string) Steering {
	return Steering{Identity: identity, Register: RegisterPin, Workers: workers, Said: Said{Stamp: Stamp{at, by}, Everywhere: true}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// words are those that a table has about identities.
func (t *Table) words(now time.Duration) map[string]Steering {
	all := map[string]Steering{}
	page, _ := t.SaidOfIdentities(now, 0, 1000)
	for _, s := range page {
		all[s.Identity] = s
	}
	return all
}

// TestPinsAgree has operators at several tables pin who they like, everywhere and here, while each table hears of the others' words late,
// twice, in any order, and goes on as another process now and then: as [TestWordsAgree].
func TestPinsAgree(t *testing.T) {
	const tables, rounds = 3, 300
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 1))
		cfg := traceConfig()
		cfg.SharedWait, cfg.HintMax = time.Millisecond, 10
		all := make([]*Table, tables)
		for i := range all {
			all[i] = New(cfg)
		}
		var heard []Steering // everywhere
		for n := range rounds {
			i := random.IntN(tables)
			switch random.IntN(8) {
			case 0:
				saved := all[i].Save(0, func(*Peer) bool { return true })
				var read Saved
				must(t, through(saved, &read))
				all[i] = New(cfg)
				must(t, all[i].Restore(&read, nil))
			case 1, 2, 3:
				s := pinned(fmt.Sprint("c", random.IntN(4)), []string{"", "w1", "w2,w3"}[random.IntN(3)], int64(1+random.IntN(n+1)), fmt.Sprint("p", i))
				s.Everywhere = random.IntN(4) > 0
				said, _, err := all[i].Steer(0, s)
				if err == nil && said != all[i].words(0)[s.Identity] {
					t.Fatalf("%+v made %+v", said, all[i].words(0)[s.Identity])
				}
				if err == nil && s.Everywhere {
					heard = append(heard, said)
				}
			default:
				if len(heard) > 0 {
					s := heard[random.IntN(len(heard))]
					before := all[i].words(0)[s.Identity]
					all[i].Recalled(0, 1, Recollection{Pin: s})
					if is := all[i].words(0)[s.Identity]; is != before && (is != s || !is.After(before.Stamp)) {
						t.Fatalf("%+v made %+v of %+v", s, is, before)
					}
				}
			}
		}
		latest := map[string]Steering{}
		for _, s := range heard {
			for _, table := range all {
				if _, _, err := table.Heed(0, s); err != nil {
					t.Fatal(err)
				}
			}
			if s.After(latest[s.Identity].Stamp) {
				latest[s.Identity] = s
			}
		}
		for i, table := range all {
			for who, s := range table.words(0) {
				if want := latest[who]; s.Everywhere && s != want || !s.Everywhere && !s.After(want.Stamp) {
					t.Errorf("seed %d: at table %d %+v counts, and the last word is %+v", seed, i, s, want)
				}
			}
		}
	}
}

// TestPinElsewhere: a client is asked for although nothing is remembered of last workers, and has the worker that it is pinned to; so has one
// that waits, and the next one. What is known to be ended, and comes late, does not count.
func TestPinElsewhere(t *testing.T) {
	r := newSharedRig(t)
	for _, name := range []string{"w1", "w2", "w3"} {
		r.add(WorkerConfig{Name: name})
	}
	come := func() (id PeerID, actions []Action) {
		t.Helper()
		r.next++
		r.ClientNamed(r.now, r.next, Origin{Address: "10.0.0.1"}, nil, "ann")
		return r.next, r.ClientReady(r.now, r.next)
	}
	gets := func(actions []Action, worker string) {
		t.Helper()
		if len(actions) != 1 || actions[0].Op != Dial || actions[0].Worker != worker {
			t.Errorf("it has %v, not %s", actions, worker)
		}
	}
	for i, worker := range []string{"w2", "w3", "w1"} {
		id, asked := come()
		if !has(asked, Recall) {
			t.Fatalf("nobody is asked: %v", asked)
		}
		gets(r.Recalled(r.now, id, Recollection{Pin: pinned("ann", "nobody,"+worker, int64(i+1), "a")}), worker)
		r.End(r.now, id, Kicked)
	}
	id, _ := come()
	gets(r.Recalled(r.now, id, Recollection{}), "w1") // others do not answer
	r.End(r.now, id, Kicked)

	for _, name := range []string{"w1", "w2", "w3"} {
		r.set(name, Draining)
	}
	id, _ = come()
	if r.Recalled(r.now, id, Recollection{Pin: pinned("ann", "", 10, "a")}); r.Peer(id).State() != PeerWaiting {
		t.Fatalf("it is %v", r.Peer(id).State())
	}
	before := r.Revision()
	r.ClientNamed(r.now, 1, Origin{Address: "10.0.0.1"}, nil, "bob")
	r.ClientReady(r.now, 1)
	r.Recalled(r.now, 1, Recollection{})
	if is, known := r.words(r.now)["bob"]; !known || is.At != 0 || r.Revision() == before {
		t.Errorf("of who waits is told %+v", r.words(r.now))
	}
	for _, late := range []Steering{pinned("ann", "w2", 9, "z"), pinned("ann", "w2", 10, "A")} {
		if heeded, _, err := r.Heed(r.now, late); heeded || err != nil {
			t.Errorf("%+v is heeded, %v", late, err)
		}
	}
	if heeded, _, err := r.Heed(r.now, pinned("bob", "w3", 11, "b")); !heeded || err != nil {
		t.Errorf("it is not heeded, %v", err)
	}
	r.End(r.now, id, Kicked)
	r.set("w1", Ready) // for whom nobody waits who could not have it
	if p := r.Peer(1); p.State() != PeerDialling || p.rule != ByPolicy || !slices.ContainsFunc(p.passedOver(), func(x passed) bool { return x.worker == "w3" }) {
		t.Errorf("it is %v, by %v, passed over %v", p.State(), p.rule, p.passedOver())
	}
}

// TestPinsEndForADay: that an identity is pinned no more is known for a day, and where others say nothing, not at all.
func TestPinsEndForADay(t *testing.T) {
	for _, shares := range []bool{true, false} {
		r := newSharedRig(t)
		if !shares {
			r = newRig(t, nil)
		}
		must(t, r.pin("ann", "w1"))
		must(t, r.pin("ann", ""))
		if known := len(r.words(r.now)) == 1; known != shares {
			t.Errorf("shares: %v: it knows %v", shares, r.words(r.now))
		}
		r.now += unpinnedFor
		if len(r.words(r.now)) != 0 || r.Stats(r.now).Hints != 0 {
			t.Errorf("shares: %v: a day later it knows %v", shares, r.words(r.now))
		}
	}
}

// TestPinsAreBounded: what is said elsewhere pushes out nothing that was said here, and is bounded; so are pins that were ended.
func TestPinsAreBounded(t *testing.T) {
	r := newSharedRig(t)
	for i := range 100 {
		must(t, r.pin(fmt.Sprint("here", i), "w1"))
	}
	for i := range 1000 {
		if heeded, _, err := r.Heed(r.now, pinned(fmt.Sprint("there", i), "w1", int64(i+1), fmt.Sprint("p", i%7))); !heeded || err != nil {
			t.Fatalf("%d is not heeded, %v", i, err)
		}
		if _, known := r.words(r.now)[fmt.Sprint("there", i)]; !known {
			t.Fatalf("%d is not known", i)
		}
		_, _, _ = r.Heed(r.now, pinned(fmt.Sprint("ended", i), "", int64(i+1), "p"))
	}
	here, there, ended := 0, 0, 0
	for who, s := range r.words(r.now) {
		switch {
		case s.Workers == "":
			ended++
		case who[0] == 'h':
			here++
		default:
			there++
		}
	}
	if here != 100 || there != 100 || ended != 100 {
		t.Errorf("it knows %d that were said here, %d elsewhere, and %d that were ended", here, there, ended)
	}
	cfg := r.cfg
	cfg.HintMax = 10
	r.Reconfigure(r.now, cfg)
	if hints, _ := r.Hints(r.now, "", 0, 1000); len(hints) != 110 {
		t.Errorf("%d pins are left", len(hints))
	}
}

// TestPinsOfBefore: pins are taken over from a process that knew of no words about them.
func TestPinsOfBefore(t *testing.T) {
	r := newSharedRig(t)
	must(t, r.pin("ann", "w1,w2"))
	saved := r.Save(r.now, func(*Peer) bool { return true })
	saved.Pinned, saved.Unpinned = nil, nil
	next := New(Config{QueueTimeout: 1, FinishTimeout: 1, RetryMin: 1, RetryMax: 1})
	must(t, next.Restore(&saved, nil))
	if hints, _ := next.Hints(r.now, "ann", 0, 10); len(hints) != 1 || !hints[0].Pinned || !slices.Equal(hints[0].Prefer, []string{"w1", "w2"}) {
		t.Errorf("it is %+v", hints)
	}
}
