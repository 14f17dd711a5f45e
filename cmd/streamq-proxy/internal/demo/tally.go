package demo

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// tally is what the clients have seen so far. All methods may be called by any
// goroutine.
type tally struct {
	mu          sync.Mutex
	connections uint64
	requests    uint64
	replies     uint64
	lost        uint64
	wrong       uint64
	times       *hdrhistogram.Histogram            // round trips on a connection that is there
	firsts      *hdrhistogram.Histogram            // from connect to the first reply
	byWorker    map[string]*hdrhistogram.Histogram // times, by the worker that replied
	served      map[string]uint64                  // replies, the first ones too
}

func newTally(workers []*worker) *tally {
	t := &tally{
		times:    newTimes(),
		firsts:   newTimes(),
		byWorker: map[string]*hdrhistogram.Histogram{},
		served:   map[string]uint64{},
	}
	for _, w := range workers {
		t.byWorker[w.name] = newTimes()
	}
	return t
}

// newTimes records microseconds to three digits, up to more than anybody waits.
func newTimes() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (2 * patience).Microseconds(), 3)
}

// ask counts a request, and the connection that it is the first of.
func (t *tally) ask(first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if first {
		t.connections++
	}
}

// lose counts a request that nobody answered.
func (t *tally) lose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost++
}

// confuse counts a request that got something else than its reply; it is lost too.
func (t *tally) confuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost++
	t.wrong++
}

// answer counts a reply of that worker.
func (t *tally) answer(worker string, took time.Duration, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replies++
	t.served[worker]++
	// patience bounds what is recorded, so that the histogram always takes it;
	// min only guards against a machine that was suspended meanwhile.
	us := min(took.Microseconds(), (2 * patience).Microseconds())
	if first {
		_ = t.firsts.RecordValue(us)
		return
	}
	_ = t.times.RecordValue(us)
	if h := t.byWorker[worker]; h != nil {
		_ = h.RecordValue(us)
	}
}

// quantiles of a histogram.
type quantiles struct{ p50, p99 time.Duration }

func quantilesOf(h *hdrhistogram.Histogram) quantiles {
	us := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	return quantiles{us(50), us(99)}
}

// seen is the tally at one moment.
type seen struct {
	connections, requests, replies, lost, wrong uint64
	times, firsts                               quantiles
}

func (t *tally) seen() seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	return seen{
		connections: t.connections,
		requests:    t.requests,
		replies:     t.replies,
		lost:        t.lost,
		wrong:       t.wrong,
		times:       quantilesOf(t.times),
		firsts:      quantilesOf(t.firsts),
	}
}

// of is what one worker replied, and how fast.
func (t *tally) of(worker string) (uint64, quantiles) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.served[worker], quantilesOf(t.byWorker[worker])
}
