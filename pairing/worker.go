package pairing

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// State is what a worker may be given.
type State uint8

// The states of a worker. An operator sets the first three; the table sets the
// last, on top of Ready, and takes it back.
const (
	Ready       State = iota // takes clients
	Draining                 // takes no new clients; its pairs go on
	Maintenance              // takes no new clients; its pairs are ended with [Drained]
	SetAside                 // it failed; it is probed until it is back
	stateCount
)

var stateNames = [stateCount]string{"ready", "draining", "maintenance", "set-aside"}

// String is the state in lower case.
func (s State) String() string {
	if s < stateCount {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// StateNames are all states, in their words.
func StateNames() []string { return slices.Clone(stateNames[:]) }

// MaxWeight is the greatest weight of a worker; the least is 1.
const MaxWeight = 256

// Errors of the calls that name a worker.
var (
	ErrNoWorker     = errors.New("no such worker")
	ErrWorkerExists = errors.New("the worker exists already")
	// ErrDialsIn is of a worker that cannot be removed, because it would dial in again by itself.
	ErrDialsIn = errors.New("the worker dials in and would be back at once")
	// ErrWorkerConfig is a name, a weight, a maximum or a state out of range.
	ErrWorkerConfig = errors.New("impossible for a worker")
)

// WorkerConfig is what an operator says of a worker.
type WorkerConfig struct {
	Name string
	// Endpoint is what is dialled, in the caller's own spelling; "" for a
	// worker that dials in.
	Endpoint string
	// Weight is 1 to [MaxWeight]; 0 means 1.
	Weight int
	// MaxPairs bounds the worker's pairs and dials; 0 means no limit.
	MaxPairs int
	// MaxHandshakes bounds its dials and the pairs of it that are not open yet, for a
	// worker that shakes hands with one after another; 0 means no limit.
	MaxHandshakes int
	// Source is where its dials come from, in the caller's own spelling; "" for
	// wherever others' do.
	Source string
}

func (c WorkerConfig) check() error {
	switch {
	case c.Name == "":
		return fmt.Errorf("%w: no name", ErrWorkerConfig)
	case c.Weight < 0 || c.Weight > MaxWeight:
		return fmt.Errorf("%w: %s: weight %d is not within 1 to %d", ErrWorkerConfig, c.Name, c.Weight, MaxWeight)
	case c.MaxPairs < 0:
		return fmt.Errorf("%w: %s: max-pairs %d is below zero", ErrWorkerConfig, c.Name, c.MaxPairs)
	case c.MaxHandshakes < 0:
		return fmt.Errorf("%w: %s: max-handshakes %d is below zero", ErrWorkerConfig, c.Name, c.MaxHandshakes)
	}
	return nil
}

// worker is one worker, known by name: one that listens, one whose connections
// dial in, or both at once.
type worker struct {
	name, endpoint string
	far            *Origin // of the last connection that was dialled to it
	source         string
	weight, max    int
	state          State               // never SetAside: that is failing
	listed         bool                // an operator added it: it stays when nothing of it is left
	kept           bool                // an operator changed its weight or maximum: likewise
	removed        bool                // an operator took it out: it goes when nothing of it is left
	said           [registerCount]Said // last, see everywhere.go

	greeting list[*Peer] // connections that have not greeted yet
	slots    list[*Peer] // freshest first
	paired   list[*Peer] // its halves of pairs, and of draining pairs
	dialling int
	dialTime time.Duration // of late, see dialled

	maxHandshakes int // 0 for no limit
	handshaking   int // pairs that are not open yet, and have not ended

	// See dialsIn.
	dialledIn int           // its connections that it dialled in, in pairs or not
	awaited   time.Duration // until then it is waited for, since the last of them that went
	returning time.Duration // the same, since the last that went and had greeted

	// Back-off; see dial.go.
	failing    bool
	probing    bool
	attempt    int // doublings so far; 0 once a pair has opened
	retryAt    time.Duration
	portless   bool // no port is left to dial it from, for a moment
	ports      node[*worker]
	retryIndex int // in one of the table's heaps, -1 when in none
	health         // see outlier.go

	lost         uint64        // slots, see slotlost.go
	loser        node[*worker] // it has lost some lately
	failures     uint64
	served       uint64
	class        *class
	seat         seat          // see rendezvous.go
	warmth       warmth        // see slowstart.go
	comeback     node[*worker] // until identities come back to it, see move.go
	wasHere      time.Duration // until then it counts as not having been away, although it had been forgotten
	at           int           // place in class.members, -1 when not choosable
	elsewhere    int           // pairs at other proxies, see overall.go
	filed        int           // load under which class.loads has it
	spot         node[*worker] // in class.loads
	able, usable bool          // as last counted by place
	listens      bool          // likewise: it has an endpoint
	ready        bool          // as last seen by note
	empty        bool          // as last seen by note
}

// farEnd is where a connection comes from that was dialled to the worker.
func (w *worker) farEnd() *Origin {
	if w.far == nil || w.far.Endpoint != w.endpoint {
		w.far = &Origin{Endpoint: w.endpoint}
	}
	return w.far
}

func (w *worker) load() int { return w.paired.n + w.dialling }

// overall is its load at all proxies, as far as others have told.
func (w *worker) overall() int { return w.load() + w.elsewhere }

// here says whether anything of the worker is connected or about to be.
func (w *worker) here() bool {
	return w.greeting.n+w.slots.n+w.paired.n+w.dialling > 0
}

// redialFor is for how long a worker whose connection has gone is expected back.
// libzmq redials after 0.1 s unless told otherwise.
const redialFor = 10 * time.Second

// dialsIn says whether the worker comes by itself: it is connected so, or was a
// moment ago.
func (t *Table) dialsIn(w *worker) bool { return w.dialledIn > 0 || t.now < w.awaited }

// stays says whether the worker stays known when nothing of it is left. What an
// operator has said of a worker that dials in must outlive the moment in which
// its slots are recycled, or it would come back as if nothing had been said; so
// must the failures of a worker that closes all that it has dialled in.
func (w *worker) stays() bool {
	return !w.removed && (w.listed || w.kept || w.state != Ready || w.ejected || w.streak.length > 0 || w.loser.in != nil)
}

// current is the state that others see.
func (w *worker) current() State {
	if (w.failing || w.ejected) && w.state == Ready {
		return SetAside
	}
	return w.state
}

// accepts says whether a dial that has succeeded may still become a pair.
func (w *worker) accepts() bool { return !w.removed && w.state == Ready }

// couldServe: it could take a client now, if it were not ejected.
func (w *worker) couldServe() bool {
	return w.accepts() && !w.failing && w.room() && (w.endpoint != "" && !w.portless || w.slots.n > 0)
}

// isAble: it could serve somebody, some day, without an operator's help.
func (w *worker) isAble() bool {
	return !w.removed && w.state != Maintenance && (w.endpoint != "" || w.here())
}

func (w *worker) isChoosable() bool { return w.couldServe() && !w.ejected }

// isUsable: it takes clients, or would if it were not busy. One that is ejected
// does when there is no other.
func (w *worker) isUsable() bool {
	return w.accepts() && !w.failing && (w.endpoint != "" || w.slots.n+w.paired.n > 0)
}

// place puts a worker where it belongs after anything about it has changed, and
// forgets it when it is nobody's any more. Every change ends here.
func (t *Table) place(w *worker) {
	t.able += tally(&w.able, w.isAble())
	t.usable += tally(&w.usable, w.isUsable())
	t.listeners += tally(&w.listens, w.endpoint != "")
	t.note(w)
	choosable := w.isChoosable()
	if w.at >= 0 && (!choosable || w.class.weight != w.counts()) {
		t.unplace(w)
	}
	switch {
	case !choosable:
	case w.at >= 0:
		w.class.move(w, w.overall())
	default:
		w.class = t.classOf(w.counts())
		w.class.add(w, w.overall())
		if t.policy.seated {
			t.seats.sit(w)
		}
		t.choosable++
		t.share += w.class.weight
	}
	t.spare += tally(&w.spare, w.ejected && w.couldServe())
	if !w.here() && !w.stays() {
		t.stopRetrying(w)
		t.endStreak(w)
		w.ports.leave()
		w.stayCold()
		w.loser.leave()
		delete(t.workers, w.name)
		t.depart(w)
	}
}

// unplace takes a worker out of the choice.
func (t *Table) unplace(w *worker) {
	if t.policy.seated {
		t.seats.leave(w)
	}
	w.class.remove(w)
	t.choosable--
	t.share -= w.class.weight
}

// tally sets was to is and says by how much that changes the count of those who are.
func tally(was *bool, is bool) int {
	if *was == is {
		return 0
	}
	*was = is
	if is {
		return 1
	}
	return -1
}

// classesMax is how many classes may be there until those are dropped that nobody
// is in. There are more than weights only because of slow starts.
const classesMax = 2 * MaxWeight

// classOf is the class of a weight, in sixteenths, made on first use. The classes
// are in the order of their weights so that equal tables choose equally.
func (t *Table) classOf(weight int) *class {
	i, found := slices.BinarySearchFunc(t.classes, weight, func(c *class, weight int) int { return c.weight - weight })
	if found {
		return t.classes[i]
	}
	if len(t.classes) >= classesMax {
		t.classes = slices.DeleteFunc(t.classes, func(c *class) bool { return len(c.members) == 0 })
		i, _ = slices.BinarySearchFunc(t.classes, weight, func(c *class, weight int) int { return c.weight - weight })
	}
	t.classes = slices.Insert(t.classes, i, &class{weight: weight})
	return t.classes[i]
}

func (t *Table) newWorker(name string, weight, maxPairs int) *worker {
	w := &worker{name: name, weight: weight, max: maxPairs, at: -1, retryIndex: -1}
	w.spot.owner, w.streak.timer.owner, w.warmth.timer.owner, w.ports.owner, w.comeback.owner, w.loser.owner = w, w, w, w, w, w
	w.warmth.sixteenths = warmSteps
	t.workers[name] = w
	t.revision++
	t.rejoin(w)
	return w
}

// AddWorker makes a worker known, for good. A worker that dialled in before it
// was added keeps its connections; one that was removed and still has pairs is
// revived, ready. Errors: [ErrWorkerExists], [ErrWorkerConfig].
func (t *Table) AddWorker(now time.Duration, c WorkerConfig) ([]Action, error) {
	t.begin(now)
	if err := c.check(); err != nil {
		return t.finish(), err
	}
	c.Weight = max(c.Weight, 1)
	w := t.workers[c.Name]
	switch {
	case w == nil:
		w = t.newWorker(c.Name, c.Weight, c.MaxPairs)
	case w.listed && !w.removed:
		return t.finish(), fmt.Errorf("%w: %s", ErrWorkerExists, c.Name)
	case w.removed:
		w.state = Ready
		t.clearFailures(w)
	}
	t.revision++ // what was said everywhere of its weight and maximum counts when it is heard again
	w.said[RegisterWeight], w.said[RegisterMaxPairs] = Said{}, Said{}
	w.listed, w.removed, w.endpoint, w.max = true, false, c.Endpoint, c.MaxPairs
	w.weight, w.maxHandshakes, w.source = c.Weight, c.MaxHandshakes, c.Source
	t.place(w)
	return t.finish(), nil
}

// RemoveWorker takes a worker out: it gets no new clients, its pairs go on, and
// it is forgotten when the last of them has ended. One that dials in nobody can
// take out: it would be back in a moment, and what an operator has said of it
// forgotten. It can be removed [redialFor] after the last of its connections has
// gone. Errors: [ErrNoWorker], [ErrDialsIn].
func (t *Table) RemoveWorker(now time.Duration, name string) ([]Action, error) {
	t.begin(now)
	w, err := t.lookup(name)
	if err != nil {
		return t.finish(), err
	}
	if t.dialsIn(w) {
		return t.finish(), fmt.Errorf("%w: %s", ErrDialsIn, name)
	}
	t.remove(w)
	return t.finish(), nil
}

// UnlistWorker takes back [Table.AddWorker]. It is RemoveWorker, but for a worker
// that dials in as well: that one is not dialled any more, and else stays what it
// is. Errors: [ErrNoWorker].
func (t *Table) UnlistWorker(now time.Duration, name string) ([]Action, error) {
	t.begin(now)
	w, err := t.lookup(name)
	switch {
	case err != nil:
		return t.finish(), err
	case !w.listed:
		return t.finish(), fmt.Errorf("%w: %s", ErrNoWorker, name)
	case t.dialsIn(w):
		t.unlist(w)
	default:
		t.remove(w)
	}
	return t.finish(), nil
}

func (t *Table) remove(w *worker) {
	w.removed = true
	w.unsay()
	t.unlist(w)
}

// unlist has a worker no longer be dialled.
func (t *Table) unlist(w *worker) {
	w.listed, w.endpoint, w.source = false, "", ""
	t.clearFailures(w)
	t.place(w)
}

func (t *Table) lookup(name string) (*worker, error) {
	w := t.workers[name]
	if w == nil || w.removed {
		return nil, fmt.Errorf("%w: %s", ErrNoWorker, name)
	}
	return w, nil
}
