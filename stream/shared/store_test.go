package shared_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamq/streamq-proxy/internal/leaks"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/shared"
	"github.com/streamq/streamq-proxy/stream/shared/sharedtest"
)

// TestMain looks for goroutines that are left; one of the client library's ends by itself after a second.
func TestMain(m *testing.M) {
	leaks.Main(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// onBoth runs a test with the fake and with a real server.
func onBoth(t *testing.T, test func(t *testing.T, s sharedtest.Store)) {
	t.Run("fake", func(t *testing.T) { test(t, sharedtest.NewFake()) })
	t.Run("redis", func(t *testing.T) { test(t, sharedtest.NewRedis(t)) })
}

// proxy is a store as one proxy has it.
type proxy struct {
	t *testing.T
	*shared.Store
	*shared.Memory
	log *journal
}

// journal is what was logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), what)
}

// long is a bound that nobody meets whose store answers, however busy this machine is.
const long = time.Minute

// newProxy connects to a store, and waits until it is up.
func newProxy(t *testing.T, s sharedtest.Store, wait time.Duration) *proxy {
	t.Helper()
	log := &journal{}
	store := shared.Open(shared.Config{Dial: s.Dial(), Name: t.Name(), Where: "here", Wait: wait, Log: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(store.Close)
	p := &proxy{t, store, store.Memory(shared.OfPool("a")), log}
	p.becomes(shared.Up)
	return p
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, long)
		}
	}
}

func (p *proxy) becomes(state shared.State) {
	p.t.Helper()
	until(p.t, "the store is "+state.String(), func() bool { return p.Stats().State == state })
}

// flushed waits until nothing waits to be written.
func (p *proxy) flushed() {
	p.t.Helper()
	until(p.t, "all is written", func() bool { return p.Stats().Pending == 0 })
}

// recall is what is answered, now or later.
func (p *proxy) recall(who pairing.Who) pairing.Recollection {
	p.t.Helper()
	answer := make(chan pairing.Recollection, 1)
	now, asked := p.Recall(who, func(is pairing.Recollection) { answer <- is })
	if !asked {
		return now
	}
	select {
	case is := <-answer:
		return is
	case <-time.After(long):
		p.t.Fatal("no answer")
		return now
	}
}

func (p *proxy) knows(who pairing.Who, worker string) {
	p.t.Helper()
	if is := p.recall(who); is != (pairing.Recollection{Worker: worker, Known: true}) {
		p.t.Errorf("of %+v it knows %+v, not %s", who, is, worker)
	}
}

func (p *proxy) knowsNot(who pairing.Who) {
	p.t.Helper()
	if is := p.recall(who); is.Known {
		p.t.Errorf("of %+v it knows %+v", who, is)
	}
}

var (
	ann  = pairing.Who{Name: "ann"}
	bob  = pairing.Who{Name: "bob"}
	home = pairing.Who{ByAddress: true, Name: "10.0.0.1"}
)

// TestOneTellsAnother: what one proxy remembers another recalls, and the last counts, also where the
// other has asked before and keeps the answer.
func TestOneTellsAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		b.knowsNot(ann)
		for _, worker := range []string{"w1", "w2", "w1", ""} {
			a.Remember(ann, worker, time.Hour)
			a.knows(ann, worker) // also before it is written
			a.flushed()
			until(t, "the other knows "+worker, func() bool { return b.recall(ann) == pairing.Recollection{Worker: worker, Known: true} })
		}
		a.Remember(home, "w3", time.Hour)
		a.flushed()
		b.knows(home, "w3")
		b.knowsNot(pairing.Who{Name: home.Name})
		b.knowsNot(bob)
		a.Remember(bob, "w1", time.Millisecond)
		a.flushed()
		until(t, "it has expired", func() bool { return !b.recall(bob).Known })
	})
}

// TestSpared: what a look-up has just found is not written again, unless it is to be known for much longer.
func TestSpared(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newProxy(t, s, long)
		p.Remember(ann, "w1", time.Hour)
		p.flushed()
		p.knows(ann, "w1")
		p.Remember(ann, "w1", time.Hour)
		p.flushed()
		if w := p.Stats().Writes; w["stored"] != 1 || w["spared"] != 1 {
			t.Errorf("writes are %v", w)
		}
		p.Remember(ann, "w1", time.Hour) // nobody has looked since
		p.knows(ann, "w1")
		p.flushed()
		p.knows(ann, "w1")
		p.Remember(ann, "w1", 2*time.Hour)
		p.flushed()
		p.knows(ann, "w1")
		p.Remember(ann, "w2", time.Hour)
		p.flushed()
		if w := p.Stats().Writes; w["stored"] != 4 || w["spared"] != 1 {
			t.Errorf("writes are %v", w)
		}
	})
}

// TestStopped: nobody is answered later than the bound by a store that is stopped; soon nobody is asked
// any more, and what was remembered meanwhile is written when it goes on.
func TestStopped(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p, other := newProxy(t, s, 50*time.Millisecond), newProxy(t, s, 50*time.Millisecond)
		s.Stop()
		for range 8 { // they are answered, although it is stopped
			p.knowsNot(ann)
		}
		p.becomes(shared.Down)
		other.becomes(shared.Down) // whom nobody has asked for anything
		if _, asked := p.Recall(ann, func(pairing.Recollection) {}); asked {
			t.Error("a store is asked that is down")
		}
		p.Remember(ann, "w1", time.Hour)
		p.Remember(ann, "w2", time.Hour)
		p.knows(ann, "w2")
		if n := p.Stats().Pending; n != 1 {
			t.Errorf("%d keys wait to be written", n)
		}
		s.Go()
		p.becomes(shared.Up)
		p.flushed()
		until(t, "the other knows", func() bool { return other.recall(ann).Worker == "w2" })
		until(t, "it is said that it is back", func() bool { return p.log.count("is back") > 0 })
		if lost, back := p.log.count("does not answer"), p.log.count("is back"); lost > 3 || back > 3 || lost == 0 { // a busy machine may be late itself
			t.Errorf("it was said %d times that it does not answer, and %d times that it is back", lost, back)
		}
	})
}

// holder is a pool whose clients have workers.
type holder struct {
	mu  sync.Mutex
	has []pairing.Having
}

func (h *holder) HavingFor() time.Duration { return time.Hour }

func (h *holder) Having(_ context.Context, after pairing.PeerID, most int) (page []pairing.Having, last pairing.PeerID, more bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := min(int(after), len(h.has))
	to := min(from+most, len(h.has))
	return h.has[from:to], pairing.PeerID(to), to < len(h.has), nil
}

// keep has the pool's pairs be told until the test ends.
func (p *proxy) keep(h *holder) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { p.Keep(ctx, h); close(done) }()
	p.t.Cleanup(func() { stop(); <-done })
}

// TestKilled: a store that was killed and knows nothing any more is told who has a worker, and nothing
// that somebody else has told meanwhile is lost by that.
func TestKilled(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		a, b := newProxy(t, s, long), newProxy(t, s, long)
		h := &holder{}
		for i := range 1000 {
			h.has = append(h.has, pairing.Having{Who: pairing.Who{Name: fmt.Sprint("client", i)}, Worker: fmt.Sprint("w", i%7)})
		}
		a.keep(h)
		known := func(i int) bool {
			return b.recall(h.has[i].Who) == pairing.Recollection{Worker: h.has[i].Worker, Known: true}
		}
		until(t, "what was there at first is told", func() bool { return known(0) && known(999) })
		s.Kill()
		a.becomes(shared.Down)
		b.becomes(shared.Down)
		b.Remember(h.has[5].Who, "elsewhere", time.Hour)
		if is := a.recall(ann); is.Known {
			t.Errorf("it knows %+v by nobody", is)
		}
		s.Start()
		a.becomes(shared.Up)
		b.becomes(shared.Up)
		b.flushed()
		for i := range h.has {
			if i != 5 {
				until(t, "what is there is told again", func() bool { return known(i) })
			}
		}
		if is := b.recall(h.has[5].Who); is.Worker != "elsewhere" && is.Worker != h.has[5].Worker { // who was first is chance
			t.Errorf("it knows %+v", is)
		}
	})
}

// TestEmptied: a store that was emptied, which no connection notices, is told again.
func TestEmptied(t *testing.T) {
	r := sharedtest.NewRedis(t)
	p := newProxy(t, r, long)
	p.keep(&holder{has: []pairing.Having{{Who: ann, Worker: "w1"}}})
	until(t, "it is told", func() bool { return p.recall(ann).Known })
	if err := r.Do("FLUSHALL").Error(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is told again", func() bool { _, found := r.Get("streamq:p:a:i:ann"); return found })
	until(t, "it is said", func() bool { return p.log.count("has lost what it knew") == 1 })
}

// TestFull: a store whose memory is used up still answers, and what is new waits.
func TestFull(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p, other := newProxy(t, s, long), newProxy(t, s, long)
		p.Remember(ann, "w1", time.Hour)
		p.flushed()
		s.Fill()
		p.becomes(shared.Refusing)
		p.Remember(bob, "w2", time.Hour)
		p.knows(ann, "w1")
		other.knows(ann, "w1")
		p.knows(bob, "w2") // by what waits
		other.knowsNot(bob)
		s.Free()
		p.becomes(shared.Up)
		p.flushed()
		until(t, "the other knows", func() bool { return other.recall(bob).Worker == "w2" })
		until(t, "it is said", func() bool { return p.log.count("takes no writes") == 1 })
		if n := p.log.count("does not answer"); n != 0 {
			t.Errorf("that it does not answer is said %d times", n)
		}
	})
}

// TestNonsense: what no proxy writes is not believed, harms nothing, and is written over.
func TestNonsense(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newProxy(t, s, long)
		for i, text := range []string{"w1", "2 w1", "1", "1 " + strings.Repeat("x", 256), strings.Repeat("y", 1<<20), "1 a\nb", "1 \xff", "1 \x1b[31m", "\x00", " "} {
			who := pairing.Who{Name: fmt.Sprint("n", i)}
			s.Put("streamq:p:a:i:"+who.Name, text)
			p.knowsNot(who)
		}
		s.PutList("streamq:p:a:i:list")
		p.knowsNot(pairing.Who{Name: "list"})
		if n := p.Stats().Lookups["nonsense"]; n != 11 {
			t.Errorf("%d answers were nonsense: %v", n, p.Stats().Lookups)
		}
		until(t, "it is said", func() bool { return p.log.count("no proxy writes") == 1 })
		for _, name := range []string{"n4", "list"} {
			p.Remember(pairing.Who{Name: name}, "w1", time.Hour)
			p.flushed()
			p.knows(pairing.Who{Name: name}, "w1")
		}
		p.Remember(ann, "no\nworker", time.Hour)
		p.knowsNot(ann)
		if s := p.Stats(); s.State != shared.Up {
			t.Errorf("it is %v", s.State)
		}
	})
}

// TestKeptInPlaceOfAList: what is only to be kept replaces what is of another type, too, which would be kept in its place.
func TestKeptInPlaceOfAList(t *testing.T) {
	onBoth(t, func(t *testing.T, s sharedtest.Store) {
		p := newProxy(t, s, long)
		s.PutList("streamq:p:a:i:ann")
		p.keep(&holder{has: []pairing.Having{{Who: ann, Worker: "w1"}}})
		until(t, "it is there again", func() bool { return p.recall(ann).Worker == "w1" && p.Stats().Pending == 0 })
	})
}

// TestUnreachable: a store that is not there, and one of which nobody is told in time, ends nothing.
func TestUnreachable(t *testing.T) {
	s := sharedtest.NewFake()
	s.Kill()
	store := shared.Open(shared.Config{Dial: s.Dial(), Wait: long})
	defer store.Close()
	m := store.Memory(shared.OfGroup("g"))
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	store.Ready(ctx)
	if ctx.Err() != nil || store.Stats().State != shared.Down || store.Stats().Why == "" {
		t.Fatalf("it is %+v", store.Stats())
	}
	if _, asked := m.Recall(ann, nil); asked {
		t.Error("it is asked")
	}
	for i := range 1<<16 + 100 {
		m.Remember(pairing.Who{Name: fmt.Sprint(i)}, "w", time.Hour)
	}
	if s := store.Stats(); s.Pending != 1<<16 || s.Writes["dropped"] != 100 {
		t.Errorf("%d wait, and %v", s.Pending, s.Writes)
	}
	if is, _ := m.Recall(pairing.Who{Name: "0"}, nil); is.Known {
		t.Error("the oldest is not gone")
	}
	s.Start()
	until(t, "all is written", func() bool { return store.Stats().Pending == 0 })
}

// TestClosed: who has asked is answered when the store is closed meanwhile.
func TestClosed(t *testing.T) {
	s := sharedtest.NewFake()
	store := shared.Open(shared.Config{Dial: s.Dial(), Wait: long})
	until(t, "it is up", func() bool { return store.Stats().State == shared.Up })
	s.Stop()
	defer s.Go()
	var answers sync.WaitGroup
	for i := range 1000 {
		answers.Add(1)
		if _, asked := store.Memory("x").Recall(pairing.Who{Name: fmt.Sprint(i)}, func(pairing.Recollection) { answers.Done() }); !asked {
			answers.Done()
		}
	}
	store.Close()
	answers.Wait()
}

// TestRefusedAccess: a user who may not write is told why nothing works.
func TestRefusedAccess(t *testing.T) {
	r := sharedtest.NewRedis(t, "--user", "default", "on", "nopass", "~streamq:*", "+@all", "-set")
	store := shared.Open(shared.Config{Dial: r.Dial(), Wait: long})
	defer store.Close()
	until(t, "it is down", func() bool { return store.Stats().State == shared.Down })
	if why := store.Stats().Why; !strings.Contains(why, "NOPERM") {
		t.Errorf("it is down because of %q", why)
	}
}
