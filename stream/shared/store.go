package shared

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Defaults and bounds of a [Config].
const (
	DefaultWait   = 20 * time.Millisecond
	DefaultPrefix = "streamq"
	// beatEvery is how often a store that is up is asked for how it is.
	beatEvery = time.Second
	// beatTTL is for how long a proxy counts as there after its last beat.
	beatTTL = 10 * time.Second
	// slowest is how long a beat, or a write, may take as long as look-ups are answered in time.
	slowest = time.Second
	// retryMin and retryMax are between two attempts to reach a store that is down.
	retryMin = 100 * time.Millisecond
	retryMax = 2 * time.Second
	// redialAfter so many attempts it is connected anew, by a name that may have moved.
	redialAfter = 4
	// steady is how long a store must have been up for its next failure to be retried soon.
	steady = 10 * time.Second
	// lateInARow look-ups say that the store is down: one may be unlucky.
	lateInARow = 2
)

// Config is everything about a [Store] that can be chosen.
type Config struct {
	Dial Dial
	// Name of this proxy among those that are there.
	Name string
	// Host is of what means this machine only, such as a loopback address.
	Host string
	// Where it is, for the log: without a password.
	Where string
	// Here is what it says of itself until [Store.Introduce].
	Here Proxy
	// Prefix of all keys.
	Prefix string
	// Wait bounds a look-up, above 0.
	Wait time.Duration
	// Log gets what an operator should know; nil discards it.
	Log *slog.Logger
}

// State is how a store is.
type State uint8

// The states of a store, see the package's documentation.
const (
	Connecting State = iota
	Up
	Refusing
	Down
	states
)

var stateNames = [states]string{"connecting", "up", "refusing", "down"}

// String is the state in lower case.
func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// StateNames are all states, in their words.
func StateNames() []string { return append([]string(nil), stateNames[:]...) }

// Store is the store of one process. It is safe for concurrent use.
type Store struct {
	cfg      Config
	asks     chan ask
	nameAsks chan nameAsk
	stop     context.CancelFunc
	all      sync.WaitGroup
	failed   chan error    // what was noticed while it is up
	ready    chan struct{} // closed when it was up, or has failed, for the first time
	first    sync.Once

	watchers watchers

	// What is said once, whatever comes after.
	nonsense, refused, untold, unread sync.Once

	mu      sync.Mutex
	backend Backend // nil until there is one
	state   State
	why     error // of Refusing and Down
	since   time.Time
	late    int // look-ups in a row
	pending pending
	fresh   *fresh
	here    here
	told    chan struct{} // closed, and replaced, when the store is to be told again
	whole   time.Time     // since when it knows all that it is told
	stats   counters
}

// Open begins to keep a store. It waits for nothing: see [Store.Ready].
func Open(cfg Config) *Store {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Prefix = cmp.Or(cfg.Prefix, DefaultPrefix)
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		cfg: cfg, stop: stop, asks: make(chan ask, asksMax), nameAsks: make(chan nameAsk, asksMax), failed: make(chan error, 1), ready: make(chan struct{}),
		since: time.Now(), told: make(chan struct{}), pending: newPending(), fresh: newFresh(),
	}
	s.Introduce(cfg.Here)
	s.all.Go(func() { s.keep(ctx) })
	s.all.Go(func() { s.write(ctx) })
	for range lookers {
		s.all.Go(func() { s.look(ctx) })
		s.all.Go(func() { s.lookNames(ctx) })
	}
	return s
}

// Name is by which the others know this proxy.
func (s *Store) Name() string { return s.cfg.Name }

// Close ends it. What waits to be written is lost.
func (s *Store) Close() {
	s.stop()
	s.all.Wait()
}

// Ready waits until the store has answered for the first time, or has failed to, or ctx ends:
// clients that come before would be served without it.
func (s *Store) Ready(ctx context.Context) {
	select {
	case <-s.ready:
	case <-ctx.Done():
	}
}

// keep connects the store, and sees how it is.
func (s *Store) keep(ctx context.Context) {
	wait := retryMin
	for ctx.Err() == nil {
		dialling, cancel := context.WithTimeout(ctx, slowest)
		b, err := s.cfg.Dial(dialling)
		cancel()
		if err != nil {
			s.lose(err)
			pause(ctx, wait)
			wait = min(2*wait, retryMax)
			continue
		}
		s.use(b)
		wait = s.attend(ctx, wait)
		s.use(nil)
		b.Close()
	}
}

// attend beats until the store has to be connected anew. wait is how long it is left alone
// after a failure, and so it returns how long after the next.
func (s *Store) attend(ctx context.Context, wait time.Duration) time.Duration {
	var seen, enrolled time.Time
	failures := 0
	for ctx.Err() == nil && failures < redialAfter {
		was, err := s.beat(ctx)
		if err != nil && !errors.Is(err, ErrFull) {
			failures++
			s.lose(err)
			pause(ctx, wait)
			wait = min(2*wait, retryMax)
			continue
		}
		failures = 0
		lost := err == nil && !was && time.Since(seen) < beatTTL-beatEvery
		if err == nil {
			seen = time.Now()
		}
		began := time.Now()
		s.find(err, lost)
		if err == nil && (!was || time.Since(enrolled) > enrolEvery) {
			if b, _ := s.current(); b != nil {
				s.enrol(ctx, b)
			}
			enrolled = time.Now()
		}
		if err := s.undisturbed(ctx); err != nil {
			s.lose(err)
			pause(ctx, wait)
			wait = min(2*wait, retryMax)
		} else if s.upFor(began) > steady {
			wait = retryMin
		}
	}
	return wait
}

// upFor is for how long the store has been as it is.
func (s *Store) upFor(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.since)
}

// undisturbed waits until the next beat, or for what somebody else has noticed.
func (s *Store) undisturbed(ctx context.Context) error {
	next := time.NewTimer(beatEvery)
	defer next.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-next.C:
		return nil
	case err := <-s.failed:
		return err
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// beat says that this proxy is there. A store that was down must answer as fast as look-ups need it.
func (s *Store) beat(ctx context.Context) (was bool, err error) {
	b, state := s.current()
	patience := slowest
	if state == Down || state == Connecting {
		patience = max(s.cfg.Wait, retryMin/2)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return b.Beat(ctx, Write{Key: s.proxyKey(s.cfg.Name), Text: s.introduction(b.Address()), TTL: beatTTL})
}

func (s *Store) use(b Backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backend = b; b != nil {
		b.Watch(s.watchers.change)
	}
}

// current is the backend, nil for none, and how the store is.
func (s *Store) current() (Backend, State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.backend, s.state
}

// find notes that the store has answered; with lost, that it does not know what it knew.
func (s *Store) find(refused error, lost bool) {
	to := Up
	if refused != nil {
		to = Refusing
	}
	was := s.turn(to, refused)
	if to == Up && was != Up || lost {
		s.tellAgain()
	}
	switch {
	case was == to && lost:
		s.cfg.Log.Info("shared: the store has lost what it knew, and is told again", "store", s.cfg.Where)
	case was == to:
	case to == Refusing:
		s.cfg.Log.Warn("shared: the store takes no writes, what is new waits", "store", s.cfg.Where, "error", refused)
	case was != Connecting:
		s.cfg.Log.Info("shared: the store is back", "store", s.cfg.Where)
	default:
		s.cfg.Log.Info("shared: the store is there", "store", s.cfg.Where)
	}
}

// lose notes that the store does not answer.
func (s *Store) lose(err error) {
	if errors.Is(err, context.Canceled) { // it was closed
		return
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("no answer in time")
	}
	if was := s.turn(Down, err); was != Down {
		s.cfg.Log.Warn("shared: the store does not answer, this proxy goes on by its own memory", "store", s.cfg.Where, "error", err)
	}
}

// disbelieve notes that what the store has said is nothing that a proxy writes.
func (s *Store) disbelieve(key string) {
	s.stats.nonsense.Add(1)
	s.nonsense.Do(func() {
		s.cfg.Log.Warn("shared: the store has said what no proxy writes, and is not believed", "store", s.cfg.Where, "key", key)
	})
}

// refuse notes that the store does not take what it is told, as a rule because of its ACL.
func (s *Store) refuse(err error) {
	s.refused.Do(func() {
		s.cfg.Log.Warn("shared: the store has refused a write, see its ACL", "store", s.cfg.Where, "error", err)
	})
}

// turn puts a state in force, and says which was.
func (s *Store) turn(to State, why error) (was State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was = s.state
	s.why, s.late = why, 0
	select {
	case old := <-s.failed: // of the state before
		_ = old
	default:
	}
	if was != to {
		s.state, s.since = to, time.Now()
		s.stats.changes++
	}
	if to != Connecting {
		s.first.Do(func() { close(s.ready) })
	}
	s.pending.wake()
	return was
}

// notice has keep see what somebody has found out about a store that is up.
func (s *Store) notice(err error) {
	select {
	case s.failed <- err:
	default: // it knows that already
	}
}

// tellAgain has each [Memory.Keep] tell the store who has a worker.
func (s *Store) tellAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = time.Now()
	close(s.told)
	s.told = make(chan struct{})
}
