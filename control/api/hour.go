package api

import (
	"math"
	"sync"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

const (
	// step is the time from one point of the last hour to the next.
	step = 5 * time.Second
	// points are an hour.
	points = int(time.Hour / step)
	// mostPools have a last hour of their own; further ones count in the whole only.
	mostPools = 32
)

// Times tell how long something took, in seconds, of what was over within a [Point]'s
// time. The two quantiles are exact to a fifth, 0 where there was nothing.
type Times struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
}

// EndCount is how many clients ended for a reason.
type EndCount struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// Point is what five seconds were like, until Time. Clients, Waiting and Pairs are as they were then.
type Point struct {
	Time      time.Time  `json:"time"`
	Clients   int        `json:"clients"`
	Waiting   int        `json:"waiting"`
	Pairs     int        `json:"pairs"`
	Connects  float64    `json:"connects"`  // clients a second
	BytesIn   float64    `json:"bytes_in"`  // a second, from clients to workers
	BytesOut  float64    `json:"bytes_out"` // a second, back
	Dial      Times      `json:"dial"`
	Wait      Times      `json:"wait"`
	Handshake Times      `json:"handshake"`
	Ended     []EndCount `json:"ended"` // clients, by those reasons that any ended for
}

// hour keeps the points of the last hour, of the whole and of pools.
type hour struct {
	mutex sync.Mutex
	last  time.Time
	seen  map[string]sight // of a pool, when it was looked at last
	rings map[string]*ring // by pool, "" for the whole
}

// sight is what a pool was like.
type sight struct {
	at time.Time
	*stream.Snapshot
}

func newHour() *hour {
	return &hour{seen: map[string]sight{}, rings: map[string]*ring{}}
}

// ring has the newest points.
type ring struct {
	points []Point
	next   int // the oldest, when it is full
}

func (r *ring) add(p Point) {
	if len(r.points) < points {
		r.points = append(r.points, p)
		return
	}
	r.points[r.next] = p
	r.next = (r.next + 1) % points
}

// since are copies of the points, oldest first.
func (r *ring) all() []Point {
	all := make([]Point, 0, len(r.points))
	return append(append(all, r.points[r.next:]...), r.points[:r.next]...)
}

// of are the points of a pool, or of the whole; none of a pool that has none of its own.
func (h *hour) of(pool string) []Point {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if r := h.rings[pool]; r != nil {
		return r.all()
	}
	return []Point{}
}

// add makes a point of what has changed since the last moment. A pool that has not
// answered has none.
func (h *hour) add(m *moment) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	whole := &change{}
	if !m.at.After(h.last) { // the same moment
		return
	}
	for i := range m.pools {
		p := &m.pools[i]
		if p.err != nil {
			continue
		}
		name := p.pool.Name()
		before := h.seen[name]
		h.seen[name] = sight{m.at, &p.Snapshot}
		if before.Snapshot == nil { // its figures are since the start
			continue
		}
		if before.Merged != p.Merged { // it has got what another process counted, at some other time
			before.Snapshot = &p.Snapshot
		}
		since := m.at.Sub(before.at) // longer than from one point to the next when it did not answer meanwhile
		one := &change{}
		one.add(before.Snapshot, &p.Snapshot, since)
		whole.add(before.Snapshot, &p.Snapshot, since)
		if len(m.pools) > 1 && (h.rings[name] != nil || len(h.rings) <= mostPools) {
			h.put(name, one.point(m.at))
		}
	}
	if !h.last.IsZero() {
		h.put("", whole.point(m.at))
	}
	h.last = m.at
}

func (h *hour) put(name string, p Point) {
	if h.rings[name] == nil {
		h.rings[name] = &ring{}
	}
	h.rings[name].add(p)
}

// change is what has become more from one snapshot to the next, and what there is now.
type change struct {
	clients, waiting, pairs int
	connects, in, out       float64 // a second
	dials, waits, shakes    counts
	ended                   [pairing.NumReasons]uint64
}

// counts are a histogram's fine ones.
type counts [pairing.NumFine]uint64

func (c *counts) add(before, now *pairing.Histogram) {
	for i := range c {
		c[i] += now.Fine[i] - before.Fine[i]
	}
}

func (c *change) add(before, now *stream.Snapshot, since time.Duration) {
	second := func(from, to uint64) float64 { return float64(to-from) / since.Seconds() }
	b, n := &before.Stats, &now.Stats
	for _, k := range n.Clients {
		c.clients += k
	}
	c.waiting += n.Waiting
	c.pairs += n.Handshaking + n.Open + n.Draining
	c.connects += second(b.ClientsTotal, n.ClientsTotal)
	c.in += second(before.BytesIn, now.BytesIn)
	c.out += second(before.BytesOut, now.BytesOut)
	c.dials.add(&b.DialsDone, &n.DialsDone)
	c.dials.add(&b.DialsFailed, &n.DialsFailed)
	c.waits.add(&b.Waits, &n.Waits)
	c.shakes.add(&b.Handshakes, &n.Handshakes)
	for i := range c.ended {
		c.ended[i] += n.Ended[i] - b.Ended[i]
	}
}

func (c *change) point(at time.Time) Point {
	round := func(rate float64) float64 { return math.Round(rate*1000) / 1000 }
	p := Point{
		Time: at, Clients: c.clients, Waiting: c.waiting, Pairs: c.pairs,
		Connects: round(c.connects), BytesIn: round(c.in), BytesOut: round(c.out),
		Dial: c.dials.times(), Wait: c.waits.times(), Handshake: c.shakes.times(), Ended: []EndCount{},
	}
	for _, r := range pairing.Reasons() {
		if n := c.ended[r]; n > 0 {
			p.Ended = append(p.Ended, EndCount{r.String(), n})
		}
	}
	return p
}

func (c *counts) times() Times {
	t := Times{}
	for _, n := range c {
		t.Count += n
	}
	t.P50, t.P99 = c.quantile(t.Count, 0.5), c.quantile(t.Count, 0.99)
	return t
}

// quantile is the middle, by ratio, of the bucket in which the quantile lies, in seconds.
func (c *counts) quantile(of uint64, q float64) float64 {
	rank := uint64(math.Ceil(q * float64(of)))
	for i, n := range c {
		switch {
		case n < rank:
			rank -= n
		case of == 0 || i == 0:
			return 0
		default:
			s := pairing.FineZero * math.Exp2((float64(i)-0.5)/pairing.FineSteps)
			return math.Round(s*1e6) / 1e6
		}
	}
	return 0
}
