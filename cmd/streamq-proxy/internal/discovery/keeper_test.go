package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// fakePool knows workers and what was done with them.
type fakePool struct {
	mutex   sync.Mutex
	workers map[string]pairing.WorkerInfo
	done    []string
	err     error // of every call
}

func (p *fakePool) Name() string { return "orders" }

func (p *fakePool) call(what string, f func() error) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.err != nil {
		return p.err
	}
	err := f()
	if err == nil {
		p.done = append(p.done, what)
	}
	return err
}

func (p *fakePool) AddWorker(_ context.Context, w pairing.WorkerConfig) error {
	return p.call("add "+w.Name+" "+w.Endpoint, func() error {
		if _, exists := p.workers[w.Name]; exists {
			return fmt.Errorf("%w: %s", pairing.ErrWorkerExists, w.Name)
		}
		p.workers[w.Name] = pairing.WorkerInfo{Name: w.Name, Endpoint: w.Endpoint, Weight: w.Weight, MaxPairs: w.MaxPairs}
		return nil
	})
}

func (p *fakePool) RemoveWorker(_ context.Context, name string) error {
	return p.change(name, "remove "+name, func(*pairing.WorkerInfo) { delete(p.workers, name) })
}

func (p *fakePool) SetWorkerState(_ context.Context, name string, s pairing.State) error {
	return p.change(name, s.String()+" "+name, func(w *pairing.WorkerInfo) { w.State = s })
}

func (p *fakePool) SetWeight(_ context.Context, name string, n int) error {
	return p.change(name, fmt.Sprintf("weight %s %d", name, n), func(w *pairing.WorkerInfo) { w.Weight = n })
}

func (p *fakePool) SetSource(_ context.Context, name, source string) error {
	return p.change(name, fmt.Sprintf("source %s %s", name, source), func(w *pairing.WorkerInfo) { w.Source = source })
}

func (p *fakePool) SetMaxHandshakes(_ context.Context, name string, n int) error {
	return p.change(name, fmt.Sprintf("max-handshakes %s %d", name, n), func(w *pairing.WorkerInfo) { w.MaxHandshakes = n })
}

func (p *fakePool) SetMaxPairs(_ context.Context, name string, n int) error {
	return p.change(name, fmt.Sprintf("max %s %d", name, n), func(w *pairing.WorkerInfo) { w.MaxPairs = n })
}

func (p *fakePool) change(name, what string, f func(*pairing.WorkerInfo)) error {
	return p.call(what, func() error {
		w, known := p.workers[name]
		if !known {
			return fmt.Errorf("%w: %s", pairing.ErrNoWorker, name)
		}
		p.workers[name] = w
		if f(&w); p.workers[name].Name != "" {
			p.workers[name] = w
		}
		return nil
	})
}

func (p *fakePool) Snapshot(context.Context) (stream.Snapshot, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return stream.Snapshot{Workers: slices.Collect(maps.Values(p.workers))}, p.err
}

// fakeFinders answer what they are told.
type fakeFinders struct {
	mutex   sync.Mutex
	answers map[string]string // by host: names of workers, NAME*WEIGHT@PORT%SOURCE, "!" for an error
	ttl     time.Duration
	asked   map[string]int
	delay   time.Duration
}

func (f *fakeFinders) lookup(s Spec) lookup {
	return func(ctx context.Context) (a answer, err error) {
		f.mutex.Lock()
		said, delay := f.answers[s.Host], f.delay
		f.asked[s.Host]++
		a.ttl = f.ttl
		f.mutex.Unlock()
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
		if said == "!" {
			return answer{}, errors.New("dead\nand more")
		}
		for _, one := range strings.Fields(said) {
			w := pairing.WorkerConfig{Weight: 1}
			one, w.Source, _ = strings.Cut(one, "%")
			name, port, _ := strings.Cut(one, "@")
			w.Name, _, _ = strings.Cut(name, "*")
			_, _ = fmt.Sscanf(name[len(w.Name):], "*%d", &w.Weight)
			w.Endpoint = "tcp://h:" + max(port, "1")
			a.workers = append(a.workers, w)
		}
		return a, nil
	}
}

// rig is a keeper of a fake pool, in a bubble of time.
type rig struct {
	*fakePool
	*fakeFinders
	t    *testing.T
	k    *keeper
	d    *Discovery
	stop func()
}

func inBubble(t *testing.T, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{
			t: t, fakePool: &fakePool{workers: map[string]pairing.WorkerInfo{}},
			fakeFinders: &fakeFinders{answers: map[string]string{}, asked: map[string]int{}, ttl: time.Second},
		}
		r.k = newKeeper(r.fakePool, slog.New(slog.DiscardHandler), r.lookup)
		r.d = &Discovery{keepers: []*keeper{r.k}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.d.Run(ctx) }()
		r.stop = func() { cancel(); <-done }
		f(r)
		r.stop()
	})
}

func spec(host string) Spec {
	return Spec{Kind: Addresses, Name: host, Host: host, Interval: 10 * time.Second}
}

// say has a finder answer this from now on, and waits until it has been heard.
func (r *rig) say(host, workers string) {
	r.fakeFinders.mutex.Lock()
	r.answers[host] = workers
	r.fakeFinders.mutex.Unlock()
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// did is what was done since it was called last, in any order: what cannot be done
// before something else has failed in the fake.
func (r *rig) did(want ...string) {
	r.t.Helper()
	r.fakePool.mutex.Lock()
	defer r.fakePool.mutex.Unlock()
	slices.Sort(want)
	if slices.Sort(r.done); !slices.Equal(r.done, want) {
		r.t.Errorf("%q, not %q", r.done, want)
	}
	r.done = nil
}

// set changes what the pool says of a worker, as time or an operator does.
func (r *rig) set(name string, f func(*pairing.WorkerInfo)) {
	r.fakePool.mutex.Lock()
	defer r.fakePool.mutex.Unlock()
	w := r.workers[name]
	f(&w)
	r.workers[name] = w
}

func pairs(n int) func(*pairing.WorkerInfo) {
	return func(w *pairing.WorkerInfo) { w.Pairs = n }
}

func TestWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.d.Use(0, []Spec{spec("a")})
		r.say("a", "w1 w2*5")
		r.did("add w1 tcp://h:1", "add w2 tcp://h:1")
		r.say("a", "w1*3 w2*5")
		r.did("weight w1 3")
		r.set("w2", pairs(2))
		r.say("a", "w1*3")
		r.did("draining w2")
		time.Sleep(time.Minute)
		r.did() // it has pairs
		r.set("w2", pairs(0))
		time.Sleep(2 * emptyInterval)
		r.did("remove w2")
		r.say("a", "w1*3@2")
		r.did("remove w1", "add w1 tcp://h:2")
		r.say("a", "w1*3@2%127.0.0.2")
		r.did("source w1 127.0.0.2")
	})
}

// A worker that is named again before its last pair has ended takes clients again.
func TestWorkerComesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.d.Use(0, []Spec{spec("a")})
		r.say("a", "w1 w2")
		r.did("add w1 tcp://h:1", "add w2 tcp://h:1")
		r.set("w2", pairs(1))
		r.say("a", "w1")
		r.say("a", "w1 w2*2")
		r.did("draining w2", "ready w2", "weight w2 2")
	})
}

// Nothing that a finder leaves unsaid, says wrongly or too late changes anything.
func TestBadFindersChangeNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.d.Use(0, []Spec{spec("a")})
		r.say("a", "w1 w2")
		r.did("add w1 tcp://h:1", "add w2 tcp://h:1")
		r.say("a", "!")
		time.Sleep(10 * time.Minute)
		r.did()
		st := r.d.Status(0)[0]
		if st.Err != "dead\nand more" || st.Workers != 2 || st.Age < 10*time.Minute || st.Failed < 50 || st.Failed > 80 || !st.Answered {
			t.Errorf("%+v", st)
		}
		r.say("a", "w1 w2")
		time.Sleep(10 * time.Second)
		r.did()
		if st := r.d.Status(0)[0]; st.Err != "" || st.Age > 2*time.Second {
			t.Errorf("%+v", st)
		}
		r.fakeFinders.mutex.Lock()
		r.delay = time.Hour // which nobody waits for
		r.fakeFinders.mutex.Unlock()
		time.Sleep(10 * time.Minute)
		r.did()
		if st := r.d.Status(0)[0]; st.Err != context.DeadlineExceeded.Error() || st.Age < 9*time.Minute {
			t.Errorf("%+v", st)
		}
	})
}

// A look-up follows when the answer is over, but not later than the interval and not
// sooner than a second.
func TestWhenFindersAreAsked(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[time.Duration][2]int{
		0: {100, 112}, time.Millisecond: {1000, 1120}, 5 * time.Second: {200, 225}, time.Hour: {100, 112},
	} {
		inBubble(t, func(r *rig) {
			r.ttl, r.answers["a"] = ttl, "w1"
			r.d.Use(0, []Spec{spec("a")})
			time.Sleep(1000 * time.Second)
			synctest.Wait()
			r.stop()
			if n := r.asked["a"]; n < want[0] || n > want[1] {
				t.Errorf("by a ttl of %v it was asked %d times in 1000 s", ttl, n)
			}
		})
	}
}

// What an operator has done stays.
func TestOperatorsAreHeeded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.d.Use(0, []Spec{spec("a")})
		r.say("a", "w1 w2 w3")
		r.set("w1", func(w *pairing.WorkerInfo) { w.State = pairing.Draining })
		r.set("w2", func(w *pairing.WorkerInfo) { w.Weight = 9 })
		r.fakePool.mutex.Lock()
		delete(r.workers, "w3")
		r.fakePool.mutex.Unlock()
		time.Sleep(time.Minute)
		r.did("add w1 tcp://h:1", "add w2 tcp://h:1", "add w3 tcp://h:1")
		r.say("a", "w1*2 w2")
		r.did("weight w1 2") // and w3, which is gone, is not removed again
		r.set("w1", pairs(1))
		r.say("a", "w2")
		r.say("a", "w1*2 w2 w3")
		r.did("add w3 tcp://h:1") // w1 stays as the operator has it
		r.fakePool.mutex.Lock()
		r.workers["w4"] = pairing.WorkerInfo{Name: "w4"}
		r.fakePool.mutex.Unlock()
		r.say("a", "w1*2 w2 w3 w4")
		r.say("a", "w1*2 w2 w3")
		r.did() // w4 is not ours
	})
}

// A configuration that is read again keeps what is named before and after it; what is
// named no more goes when those in its place have answered.
func TestFindersChange(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		r.d.Use(0, []Spec{spec("a"), spec("b")})
		r.answers["b"] = "w2 w3"
		r.say("a", "w1 w2")
		r.did("add w1 tcp://h:1", "add w2 tcp://h:1", "add w3 tcp://h:1")
		r.say("c", "!")
		r.d.Use(0, []Spec{spec("a"), spec("c")})
		time.Sleep(time.Minute)
		r.did()
		r.say("a", "w2") // whom a has named it may still name no more
		r.did("draining w1", "remove w1")
		r.say("c", "w4")
		time.Sleep(20 * time.Second)
		r.did("add w4 tcp://h:1", "draining w3", "remove w3")
		r.d.Use(0, nil)
		time.Sleep(2 * emptyInterval)
		r.did("draining w2", "draining w4", "remove w2", "remove w4")
		if st := r.d.Status(0); len(st) != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A pool that cannot be changed just now is changed later, and one that has stopped is left.
func TestPoolFails(t *testing.T) {
	t.Parallel()
	inBubble(t, func(r *rig) {
		fail := func(err error) {
			r.fakePool.mutex.Lock()
			defer r.fakePool.mutex.Unlock()
			r.err = err
		}
		fail(context.DeadlineExceeded)
		r.ttl = time.Hour
		r.d.Use(0, []Spec{spec("a")})
		r.say("a", "w1")
		r.did()
		fail(nil)
		time.Sleep(2 * emptyInterval)
		r.did("add w1 tcp://h:1")
		fail(stream.ErrStopped)
		r.say("a", "w2")
		time.Sleep(20 * time.Second)
		r.stop() // it has ended by itself, or a look-up that is under way would hold it
		r.did()
	})
}
