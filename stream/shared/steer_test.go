package shared_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// steered is a pool with three workers, and its proxy.
type steered struct {
	t     *testing.T
	name  string
	store *shared.Store
	mem   *shared.Memory
	log   *journal
	mu    sync.Mutex
	table *pairing.Table
}

// newSteered is a proxy that follows what is said everywhere.
func newSteered(t *testing.T, s sharedtest.Store, name string) *steered {
	t.Helper()
	p := &steered{t: t, name: name, log: &journal{}, table: newTable()}
	p.store = shared.Open(shared.Config{Dial: s.Dial(), Name: name, Where: "here", Wait: long, Log: slog.New(slog.NewTextHandler(p.log, nil))})
	t.Cleanup(p.store.Close)
	p.mem = p.store.Memory(shared.OfPool("a"))
	for i := range 3 {
		p.add(fmt.Sprint("w", i))
	}
	return p
}

func newTable() *pairing.Table {
	return pairing.New(pairing.Config{QueueTimeout: 1, QueueMax: 1, FinishTimeout: 1, RetryMin: 1, RetryMax: 1, SharedWait: 1, HintMax: 100, HintTTL: 1})
}

func (p *steered) follow() *steered {
	ctx, stop := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() { p.mem.Follow(ctx, p); close(done) }()
	p.t.Cleanup(func() { stop(); <-done })
	return p
}

func (p *steered) add(worker string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.table.AddWorker(0, pairing.WorkerConfig{Name: worker, Endpoint: "tcp://10.0.0.1:1"}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *steered) Revision(context.Context) (uint64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.Revision(), nil
}

func (p *steered) Words(context.Context) ([]pairing.Steering, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	words, more := p.table.SaidOfIdentities(0, 0, 1000)
	if more {
		p.t.Error("there are too many words")
	}
	return append(words, p.table.Said(true)...), nil
}

func (p *steered) Heed(_ context.Context, words []pairing.Steering) (heeded []pairing.Steering, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range words {
		if is, _, err := p.table.Heed(0, w); err != nil {
			return nil, err
		} else if is {
			heeded = append(heeded, w)
		}
	}
	return heeded, nil
}

// say has its operator say something, everywhere or here.
func (p *steered) say(worker string, r pairing.Register, value int, everywhere bool) (told bool, err error) {
	p.t.Helper()
	return p.word(pairing.Steering{Worker: worker, Register: r, Said: pairing.Said{Value: value, Everywhere: everywhere}})
}

func (p *steered) word(w pairing.Steering) (told bool, err error) {
	p.t.Helper()
	w.At, w.By = time.Now().UnixMilli(), p.mem.By()
	p.mu.Lock()
	w, _, err = p.table.Steer(0, w)
	p.mu.Unlock()
	if err != nil {
		p.t.Fatal(err)
	}
	if w.Everywhere {
		return p.mem.Tell(p.t.Context(), &w)
	}
	return false, nil
}

// everywhere has its operator say something that the store has then.
func (p *steered) everywhere(worker string, r pairing.Register, value int) {
	p.t.Helper()
	told, err := p.say(worker, r, value, true)
	if err != nil {
		p.t.Errorf("%s says %s %v: %v", p.name, worker, r, err)
	}
	if !told { // in time, on a busy machine
		until(p.t, "it is told", func() bool { return p.store.Stats().Pending == 0 })
	}
}

// is says how a worker is, in a few words.
func (p *steered) is(worker string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.table.Workers() {
		if w.Name == worker {
			return fmt.Sprint(w.State, " ", w.Weight, " ", w.MaxPairs)
		}
	}
	return ""
}

func (p *steered) becomes(state shared.State) {
	p.t.Helper()
	until(p.t, "the store is "+state.String(), func() bool { return p.store.Stats().State == state })
}

func become(t *testing.T, worker, want string, all ...*steered) {
	t.Helper()
	for _, p := range all {
		until(t, p.name+" has "+worker+" be "+want, func() bool { return p.is(worker) == want })
	}
}

// three are proxies that follow, whose store is up.
func three(t *testing.T, s sharedtest.Store) (all []*steered) {
	t.Helper()
	for _, name := range []string{"a", "b", "c"} {
		p := newSteered(t, s, name)
		p.becomes(shared.Up)
		all = append(all, p.follow())
	}
	return all
}

// TestSteeredEverywhere: what is said everywhere counts at all, also at one that comes later and for a worker that comes later;
// what is said here counts here, until something later is said everywhere.
func TestSteeredEverywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		all := three(t, s)
		begun := time.Now()
		all[0].everywhere("w1", pairing.RegisterState, int(pairing.Draining))
		become(t, "w1", "draining 1 0", all...)
		t.Logf("all drain after %v", time.Since(begun))
		until(t, "the store has a word at once", func() bool {
			told, err := all[0].say("w0", pairing.RegisterMaxPairs, 1, true)
			return told && err == nil
		})
		all[1].everywhere("w1", pairing.RegisterWeight, 7)
		all[2].everywhere("w1", pairing.RegisterMaxPairs, 9)
		become(t, "w1", "draining 7 9", all...)
		all[1].everywhere("w1", pairing.RegisterState, int(pairing.Maintenance))
		become(t, "w1", "maintenance 7 9", all...)
		if text, found := s.Get("streamq:p:a:ws:w1"); !found || !strings.HasSuffix(text, " b maintenance") {
			t.Errorf("the store has %q, %v", text, found)
		}
		late := newSteered(t, s, "late")
		late.becomes(shared.Up)
		late.mem.Learn(t.Context(), late)
		if is := late.is("w1"); is != "maintenance 7 9" {
			t.Errorf("who comes later has it be %s", is)
		}
		all = append(all, late.follow())
		_, _ = all[0].say("w1", pairing.RegisterState, int(pairing.Ready), false)
		all[1].everywhere("w2", pairing.RegisterWeight, 2)
		become(t, "w2", "ready 2 0", all...) // and by then they have read the store again
		become(t, "w1", "maintenance 7 9", all[1:]...)
		become(t, "w1", "ready 7 9", all[0])
		all[3].everywhere("w1", pairing.RegisterState, int(pairing.Ready))
		become(t, "w1", "ready 7 9", all...)
		all[0].add("new")
		all[0].everywhere("new", pairing.RegisterState, int(pairing.Draining))
		all[1].add("new")
		become(t, "new", "draining 1 0", all[:2]...)
		if all[2].is("new") != "" {
			t.Error("a worker that nobody has added is there")
		}
		for _, p := range all {
			if n := p.store.Stats().Nonsense; n > 0 {
				t.Errorf("%s has read nonsense %d times", p.name, n)
			}
		}
		if n := all[2].log.count("steered at another proxy"); n == 0 {
			t.Error("it is not logged")
		}
	})
}

// TestSteeredWithoutStore: what is said while the store is away counts here at once, and at all when it is back, although it has come
// back empty; of what was said at several the last counts everywhere.
func TestSteeredWithoutStore(t *testing.T) {
	for _, failure := range []struct {
		name       string
		begin, end func(sharedtest.Store)
		state      shared.State
	}{
		{"killed", sharedtest.Store.Kill, sharedtest.Store.Start, shared.Down},
		{"stopped", sharedtest.Store.Stop, sharedtest.Store.Go, shared.Down},
		{"full", sharedtest.Store.Fill, sharedtest.Store.Free, shared.Refusing},
	} {
		t.Run(failure.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s sharedtest.Store) {
				all := three(t, s)
				all[0].everywhere("w0", pairing.RegisterWeight, 5)
				become(t, "w0", "ready 5 0", all...)
				failure.begin(s)
				for _, p := range all {
					p.becomes(failure.state)
				}
				for i, p := range all {
					told, err := p.say("w1", pairing.RegisterWeight, 10+i, true)
					if told || err != nil || p.is("w1") != fmt.Sprint("ready ", 10+i, " 0") {
						t.Errorf("%s: told: %v, %v: it is %s", p.name, told, err, p.is("w1"))
					}
					time.Sleep(2 * time.Millisecond) // so that their clocks differ
				}
				_, _ = all[0].say("w2", pairing.RegisterState, int(pairing.Draining), true)
				failure.end(s)
				become(t, "w1", "ready 12 0", all...)
				become(t, "w2", "draining 1 0", all...)
				until(t, "the store has all again", func() bool {
					weight, _ := s.Get("streamq:p:a:ww:w0")
					return strings.HasSuffix(weight, " a 5")
				})
			})
		})
	}
}

// TestSteeredAtOnce has operators of all proxies say something of the same worker at the same time, again and again: all agree,
// with each other and with the store.
func TestSteeredAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		all := three(t, s)
		var saying sync.WaitGroup
		for i, p := range all {
			saying.Go(func() {
				for n := range 20 {
					if _, err := p.say("w1", pairing.RegisterWeight, 1+3*n+i, true); err != nil {
						t.Error(err)
					}
				}
			})
		}
		saying.Wait()
		until(t, "all agree with the store", func() bool {
			text, _ := s.Get("streamq:p:a:ww:w1")
			for _, p := range all {
				if !strings.HasSuffix(text, " "+strings.Fields(p.is("w1"))[1]) {
					return false
				}
			}
			return true
		})
	})
}

// TestSteeredByNonsense: what no proxy writes is ignored, and counted, and what one says next counts.
func TestSteeredByNonsense(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newSteered(t, s, "a")
		p.becomes(shared.Up)
		p.follow()
		p.everywhere("w1", pairing.RegisterWeight, 3)
		now := time.Now().UnixMilli()
		count := p.store.Stats().Nonsense
		for _, text := range []string{
			"2 1 b draining", "1", "1 ", "1  b draining", "draining", "1 0 b draining", "1 -1 b draining", fmt.Sprintf("1 %d b draining ", now),
			fmt.Sprintf("1 %d b set-aside", now), fmt.Sprintf("1 %d b Draining", now), fmt.Sprintf("1 +%d b draining", now), fmt.Sprintf("1 0%d b draining", now),
			fmt.Sprintf("1 %d  draining", now), fmt.Sprintf("1 %d b draining\n", now), fmt.Sprintf("1 %d b c draining", now), fmt.Sprintf("1 %d b\x1b[2J draining", now),
			"1 99999999999999999999 b draining", fmt.Sprintf("1 %d b draining", now+2*time.Hour.Milliseconds()),
			fmt.Sprintf("1 %d %s draining", now, strings.Repeat("b", 129)), strings.Repeat("x", 1<<20),
		} {
			s.Put("streamq:p:a:ws:w1", text)
			count++
			until(t, fmt.Sprintf("%.40q is read", text), func() bool { return p.store.Stats().Nonsense >= count })
			count = p.store.Stats().Nonsense
		}
		for _, text := range []string{"0", "257", "-1", "1e1", "", "07"} {
			s.Put("streamq:p:a:ww:w1", fmt.Sprintf("1 %d b %s", now+1000, text))
			count++
			until(t, fmt.Sprintf("%q is read", text), func() bool { return p.store.Stats().Nonsense >= count })
			count = p.store.Stats().Nonsense
		}
		s.PutList("streamq:p:a:wm:w1")
		until(t, "a list is read", func() bool { return p.store.Stats().Nonsense > count })
		s.Put("streamq:p:a:ws:nobody", fmt.Sprintf("1 %d b draining", now))
		if is := p.is("w1"); is != "ready 3 0" {
			t.Errorf("it is %s", is)
		}
		s.Put("streamq:p:a:ws:w1", fmt.Sprintf("1 %d b draining", now))
		become(t, "w1", "draining 3 0", p)
		p.everywhere("w1", pairing.RegisterWeight, 4)
		s.Put("streamq:p:a:ww:w1", fmt.Sprintf("1 %d b 9", now-1)) // late
		until(t, "the later word is there again", func() bool { text, _ := s.Get("streamq:p:a:ww:w1"); return strings.HasSuffix(text, " a 4") })
		if is := p.is("w1"); is != "draining 4 0" {
			t.Errorf("it is %s", is)
		}
	})
}

// TestSteeredFlood: of a store in which something new is said all the time a proxy reads what it has time for, and logs no more than so much.
func TestSteeredFlood(t *testing.T) {
	s := sharedtest.NewFake()
	p := newSteered(t, s, "a")
	p.becomes(shared.Up)
	p.follow()
	heeded := func() int { return p.log.count("steered at another proxy") }
	begun := time.Now()
	for n := 0; time.Since(begun) < time.Second || heeded() == 0 && time.Since(begun) < long; n++ {
		s.Put("streamq:p:a:ww:w1", fmt.Sprintf("1 %d b %d", time.Now().UnixMilli(), 1+n%200))
	}
	took := time.Since(begun)
	if n := heeded(); n < 1 || float64(n) > 40*took.Seconds() {
		t.Errorf("%d of the words of %v were heeded", n, took)
	}
}

// TestFloodIsLoggedInSum: of more words than are logged in a minute it is said how many are not, also when no more come.
func TestFloodIsLoggedInSum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharedtest.NewFake()
		p := newSteered(t, s, "a")
		p.becomes(shared.Up)
		p.follow()
		for n := range 700 {
			s.Put("streamq:p:a:ww:w1", fmt.Sprintf("1 %d b %d", time.Now().UnixMilli(), 1+n%200))
			time.Sleep(60 * time.Millisecond)
		}
		if n := p.log.count("steered at another proxy"); n != 600 {
			t.Errorf("%d are logged", n)
		}
		time.Sleep(time.Minute)
		if n := p.log.count("not all are logged"); n != 1 || p.log.count("unlogged=100") != 1 {
			t.Errorf("it is said %d times that not all are logged, and how many are not %d times", n, p.log.count("unlogged="))
		}
		s.Put("streamq:p:a:ww:w1", fmt.Sprintf("1 %d b 7", time.Now().UnixMilli()))
		time.Sleep(2 * time.Minute)
		if p.log.count("steered at another proxy") != 601 || p.log.count("not all are logged") != 1 {
			t.Error("what comes later is not logged, or what is logged is said to be not")
		}
	})
}

// TestSteeringRefused: a store that does not take it is told of.
func TestSteeringRefused(t *testing.T) {
	r := sharedtest.NewRedis(t)
	if err := r.Do("ACL", "SETUSER", "default", "resetkeys", "~streamq:prox*").Error(); err != nil {
		t.Fatal(err)
	}
	p := newSteered(t, r, "a")
	p.becomes(shared.Up)
	if told, err := p.say("w1", pairing.RegisterWeight, 3, true); told || !errors.Is(err, shared.ErrRefused) {
		t.Errorf("told: %v, %v", told, err)
	}
	unsigned := newSteered(t, r, "has a blank")
	if _, err := unsigned.say("w1", pairing.RegisterWeight, 3, true); !errors.Is(err, shared.ErrRefused) {
		t.Errorf("who cannot sign: %v", err)
	}
}
