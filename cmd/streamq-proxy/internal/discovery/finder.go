package discovery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Kind is how a finder finds workers.
type Kind uint8

// The kinds.
const (
	Addresses Kind = iota // the addresses of a name, and one port
	Services              // SRV records (RFC 2782), which have names, ports and weights
	File                  // a list of workers
)

// String is the kind as a configuration has it.
func (k Kind) String() string { return [...]string{"a", "srv", "file"}[k] }

// Bounds and defaults.
const (
	DefaultInterval = 30 * time.Second
	MinInterval     = time.Second
	MaxInterval     = 24 * time.Hour
	// FileInterval is how often a file is looked at.
	FileInterval = time.Second
	// lookupTimeout bounds one look-up. A datagram that is lost costs no more than that,
	// for the next look-up follows at once.
	lookupTimeout = 5 * time.Second
	// maxWorkers of one answer; what is beyond is left out, and that is an error.
	maxWorkers = 1024
)

// Spec is what an operator says of a finder. Equal ones are the same finder.
type Spec struct {
	Kind Kind
	// Name is what the workers' names begin with: NAME-ADDRESS, of [Services]
	// NAME-ADDRESS:PORT. Not of [File], whose workers have names.
	Name string
	// Host is the name that is looked up; Port is that of [Addresses].
	Host string
	Port uint16
	// Path of a [File].
	Path string
	// Interval is the longest time between two look-ups, MinInterval to
	// MaxInterval. The DNS's TTL makes it shorter, to MinInterval at the least.
	Interval time.Duration
	// Weight of each worker; not of [Services]. MaxPairs and MaxHandshakes of each worker.
	Weight, MaxPairs, MaxHandshakes int
	// Source of each worker, see [pairing.WorkerConfig].
	Source string
}

// what is looked up or read.
func (s *Spec) what() string {
	switch s.Kind {
	case Addresses:
		return fmt.Sprintf("%s:%d", s.Host, s.Port)
	case Services:
		return s.Host
	}
	return s.Path
}

// Status is how a finder is doing.
type Status struct {
	Kind    Kind
	Name    string // of the entry; of a file its path
	What    string // HOST:PORT, the name of SRV records, or the path
	Workers int    // in the last good answer
	// Age of that answer; of a finder that has never had one, since it was made.
	Age      time.Duration
	Answered bool // there was one
	Interval time.Duration
	// Good and Failed answers since the finder was made.
	Good, Failed uint64
	Err          string // of the last answer, "" when it was good

	asOf time.Time // when this was so
}

// answer is what a finder says.
type answer struct {
	workers []pairing.WorkerConfig
	ttl     time.Duration // for how long it holds, 0 when that is not known
}

// lookup asks a finder once.
type lookup func(context.Context) (answer, error)

// finder is a finder at work. The goroutine of its keeper owns it.
type finder struct {
	spec    Spec
	ask     lookup
	made    time.Time
	last    answer
	lastAt  time.Time // zero before the first good answer
	err     error     // of the last answer
	asking  bool
	next    time.Time
	backoff time.Duration
	good    uint64
	failed  uint64
	cancel  context.CancelFunc // of what is under way
}

// learn takes in what a look-up has brought, and says whether that is news.
func (s *finder) learn(now time.Time, a answer, err error) (news bool) {
	s.asking, s.err = false, err
	if err != nil {
		s.failed++
		s.backoff = min(max(2*s.backoff, MinInterval), s.spec.Interval)
		s.next = now.Add(spread(s.backoff))
		return false
	}
	s.good++
	s.last, s.lastAt, s.backoff = a, now, 0
	wait := s.spec.Interval
	if a.ttl > 0 {
		wait = min(wait, max(a.ttl, MinInterval))
	}
	s.next = now.Add(spread(wait))
	return true
}

// spread shortens d by up to a tenth, so that proxies that were started together
// do not ask together.
func spread(d time.Duration) time.Duration {
	return d - time.Duration(rand.Float64()*float64(d/10))
}

func (s *finder) status(now time.Time) Status {
	st := Status{
		Kind: s.spec.Kind, Name: s.spec.Name, What: s.spec.what(), Workers: len(s.last.workers), Interval: s.spec.Interval,
		Good: s.good, Failed: s.failed, Answered: !s.lastAt.IsZero(), Age: now.Sub(s.made),
	}
	if st.Name == "" {
		st.Name = s.spec.Path
	}
	if st.Answered {
		st.Age = now.Sub(s.lastAt)
	}
	if s.err != nil {
		st.Err = s.err.Error()
	}
	return st
}
