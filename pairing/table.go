package pairing

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Table knows the peers, the pairs, the workers and who waits. It is not safe
// for concurrent use: one goroutine owns it.
//
// Every event returns the actions that it caused, in the order in which they are
// to be carried out; the slice is valid until the next call on the table. The
// time now is monotonic since an origin of the caller's choice, and the same for
// all calls; a time before that of an earlier call is taken to be that one. It need
// not be true time: where the caller's clock stands still because the caller was
// stopped, or late, everything that expires here has that much longer. The caller
// must notice before it tells the table the time, since there is no way back, and
// what [Table.AskActivity] asks for must be by the same clock.
type Table struct {
	cfg     Config
	policy  policy
	lease   strategy
	now     time.Duration
	random  *rand.Rand
	actions []Action
	refuse  Reason // given to all who come; NoReason while the table is open

	index      index
	byEndpoint [2]endpoints          // of workers' connections, of clients
	addresses  map[string]*addressed // by Origin.Address of clients
	dialledIn  map[string][]*Peer    // workers' connections by Origin.Address, in no order
	clients    int                   // known clients
	nowhere    Origin                // of a connection of which none is known
	queue      queue

	workers   map[string]*worker
	revision  uint64 // see [Table.Revision]
	departed  *simplelru.LRU[string, departed]
	told      uint64                           // how many pairs have told something of workers
	failing   *simplelru.LRU[string, *failing] // by the address of clients
	classes   []*class                         // by weight, ascending
	seats     seats                            // of those that can take a client, if the policy has them
	choosable int                              // workers that can take a client
	share     int                              // the sum of their weights
	able      int                              // workers that could ever serve somebody
	usable    int                              // workers that take clients or are only busy
	listeners int                              // workers that are dialled
	retries   retries                          // those that are set aside because they could not be dialled
	ejected   retries                          // and those that are set aside as outliers
	spare     int                              // of the ejected, those that could take a client
	outcomes  outcomes

	schedule   []dated // all of these, the queue and the workers that are set aside
	handshakes expiry[*Peer]
	silences   expiry[*Peer] // clients of pairs that are not open, see silence.go
	holds      expiry[*Peer]
	recalls    expiry[*Peer]
	finishes   expiry[*Peer]
	ages       spreadExpiry // of slots, from their connecting
	leases     leases
	streaks    expiry[*worker]
	portless   expiry[*worker]
	warming    expiry[*worker]
	failbacks  expiry[*worker]
	moves      moves

	identities map[string]*identity
	owing      map[string]*owing // by the worker's name
	awaited    expiry[*owed]
	losers     expiry[*worker]                       // that lost slots
	shrunk     *simplelru.LRU[string, time.Duration] // by the worker's name: when what did not come back had gone
	costly     *simplelru.LRU[string, costly]        // by the address of clients
	lostSlots  []LostSlot                            // that nobody has asked for
	apart      expiry[*Peer]                         // who waits because its address is costly
	wishes     wishes
	hints      hints
	arrivals   [2]arrivals                    // of workers' connections, of clients
	lostHint   *LostHint                      // the last that nobody has asked for
	preferred  memory[string, []string]       // workers by identity
	pins       pins                           // by identity: what an operator has it prefer
	aliases    *simplelru.LRU[string, naming] // of workers by the address that they dial in from
	habits     habits                         // the worker that each had last

	stats        counters
	failedBefore [NumReasons]uint64           // as FailedSince last saw it
	activity     func(conn any) time.Duration // nil: Touch tells everything
	silent       func(conn any) bool          // nil: nobody is
	turn         func(conn any) (since time.Duration, clients bool)
	hint         func(conn any, why Reason) string

	watched bool
	changes []WorkerChange
}

// newLRU is for size entries, at least 1, by name.
func newLRU[V any](size int) *simplelru.LRU[string, V] {
	l, err := simplelru.NewLRU[string, V](size, nil)
	if err != nil {
		panic("pairing: an LRU of a positive size cannot be made: " + err.Error())
	}
	return l
}

// New makes an empty table. cfg should have passed [Config.Validate].
func New(cfg Config) *Table {
	t := &Table{
		random:     rand.New(rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15)),
		byEndpoint: [2]endpoints{newEndpoints(), newEndpoints()},
		addresses:  map[string]*addressed{},
		dialledIn:  map[string][]*Peer{},
		workers:    map[string]*worker{},
		departed:   newLRU[departed](departedMax),
		failing:    newLRU[*failing](failingMax),
		aliases:    newLRU[naming](math.MaxInt), // alias bounds them, by what the configuration then says
		identities: map[string]*identity{},
		owing:      map[string]*owing{},
		shrunk:     newLRU[time.Duration](shrunkMax),
		costly:     newLRU[costly](costlyMax),
		hints:      hints{next: map[string]*awaited{}},
	}
	t.schedule = t.dated()
	t.hints.held.dropped, t.hints.held.lapsed = t.hints.dropped, t.lost
	t.configure(cfg)
	return t
}

// Reconfigure puts cfg into force. Limits and the policy apply to what comes;
// nobody is ended for being above a limit. A changed timeout applies to those
// whom it runs for as well, from when it began to run for them. When the lease
// is changed, that of every pair begins anew. Seed is ignored.
func (t *Table) Reconfigure(now time.Duration, cfg Config) []Action {
	t.begin(now)
	changed := cfg.Lease != t.cfg.Lease
	t.configure(cfg)
	for w := t.warming.first(); w != nil && cfg.SlowStart == 0; w = t.warming.first() {
		t.warmer(w)
	}
	if cfg.holdTime() == 0 { // else who is held now would be for ever
		for p := t.holds.first(); p != nil; p = t.holds.first() {
			t.release(p)
		}
	}
	if cfg.SharedWait == 0 { // likewise
		for p := t.recalls.first(); p != nil; p = t.recalls.first() {
			t.answer(p)
		}
	}
	if changed {
		t.renewLeases()
	}
	return t.finish()
}

func (t *Table) configure(cfg Config) {
	t.expireHints() // by what was in force
	t.cfg = cfg
	t.setPolicy(cfg.Policy)
	t.lease = strategies()[cfg.Lease.Strategy]
	t.handshakes.after = cfg.HandshakeTimeout
	t.silences.after = min(cfg.HandshakeTimeout, silentFor)
	t.holds.after = cfg.holdTime()
	t.recalls.after = cfg.SharedWait
	t.finishes.after = cfg.FinishTimeout
	t.streaks.after = cfg.RetryMax
	t.portless.after = portlessFor
	t.awaited.after = cfg.SlotLostAfter
	for t.awaited.n > 0 && cfg.SlotLostAfter == 0 {
		t.unowe(t.awaited.first())
	}
	t.losers.after = departedFor
	t.apart.after = apartLook
	t.warming.after = cfg.SlowStart / warmSteps
	t.failbacks.after = cfg.Failback
	t.ages.set(cfg.SlotMaxAge/5*4, cfg.SlotMaxAge)
	t.leases.set(cfg.Lease.TTL)
	t.configureMemory()
}

// keepActions is how much room for actions is kept from one event to the next. An
// EndAll of a full table must not be paid for in memory ever after.
const keepActions = 1 << 12

// begin opens an event. Slots that are too old go first, so that none of them is
// ever given to a client however late the caller's Tick may be.
func (t *Table) begin(now time.Duration) {
	t.at(now)
	if clear(t.actions); cap(t.actions) > keepActions { // let go of the caller's handles
		t.actions = nil
	}
	t.actions = t.actions[:0]
	for i := range t.schedule {
		if t.schedule[i].first {
			t.schedule[i].fire()
		}
	}
}

func (t *Table) at(now time.Duration) { t.now = max(t.now, now) }

// finish closes an event.
func (t *Table) finish() []Action {
	t.serve()
	return t.actions
}

func (t *Table) emit(a Action) { t.actions = append(t.actions, a) }

// Tick does everything that is due by now. See [Table.Deadline].
func (t *Table) Tick(now time.Duration) []Action {
	t.begin(now)
	for i := range t.schedule {
		if !t.schedule[i].first {
			t.schedule[i].fire()
		}
	}
	return t.finish()
}

// Deadline is when [Table.Tick] has something to do next, which may be in the
// past; false when it has not. It looks at a fixed number of heads.
func (t *Table) Deadline() (at time.Duration, ok bool) {
	var soonest soonest
	for i := range t.schedule {
		soonest.note(t.schedule[i].deadline())
	}
	return soonest.at, soonest.ok
}

// Peer finds a peer, nil when it is not known: when it never connected, has
// gone, or was ended. It costs three loads, however many peers there are.
func (t *Table) Peer(id PeerID) *Peer { return t.index.get(id) }

// PeerAt finds the live connection of a client, or with client false of a worker,
// whose far end is endpoint; nil when there is none. A client's and a worker's may
// share one: all it takes is the same port of one host to two addresses of ours.
func (t *Table) PeerAt(endpoint string, client bool) *Peer {
	if client {
		return t.byEndpoint[1].get(endpoint)
	}
	return t.byEndpoint[0].get(endpoint)
}

// EachPeer calls f for every known peer in the order of their ids, until f
// returns false. f must not call the table's events.
func (t *Table) EachPeer(f func(*Peer) bool) { t.index.each(f) }

// know takes a new peer in.
func (t *Table) know(p *Peer) {
	p.connected = t.now
	p.span.owner, p.among.owner = p, p
	t.index.put(p)
	t.stats.states[side(p)][p.state]++
	if p.origin.Endpoint != "" {
		t.byEndpoint[side(p)].put(p)
	}
	a := p.origin.Address
	switch {
	case p.client:
		t.clients++
		t.joinOrigin(p)
	case a != "": // that of a connection that was dialled to its worker says nothing
		p.addressAt = int32(len(t.dialledIn[a]))
		t.dialledIn[a] = append(t.dialledIn[a], p)
		p.worker.dialledIn++
	}
}

// forget drops a peer whose connection is gone, or is about to be. If it is half
// of a pair it stays as such until the other half has gone too.
func (t *Table) forget(p *Peer) {
	p.gone = true
	p.stopTimes()
	t.index.remove(p.ID)
	if !p.client {
		t.owe(p)
	}
	t.stats.states[side(p)][p.state]--
	if p.origin.Endpoint != "" {
		t.byEndpoint[side(p)].remove(p)
	}
	t.leaveIdentity(p)
	if !p.client {
		t.leaveAddress(p)
		return
	}
	t.clients--
	t.leaveOrigin(p)
}

// leaveAddress has a worker's connection no longer count among those of its
// address, nor among those that its worker has dialled in.
func (t *Table) leaveAddress(p *Peer) {
	a := p.origin.Address
	if a == "" {
		return
	}
	p.worker.dialledIn--
	p.worker.awaited = t.now + redialFor
	if p.state != PeerConnected { // else it may be nobody's: a scan, a balancer's check
		p.worker.returning = p.worker.awaited
	}
	all := t.dialledIn[a]
	last := len(all) - 1
	all[p.addressAt] = all[last]
	all[p.addressAt].addressAt = p.addressAt
	all[last] = nil
	if t.dialledIn[a] = all[:last]; last == 0 {
		delete(t.dialledIn, a)
	}
}

func (t *Table) setState(p *Peer, s PeerState) {
	if !p.gone {
		t.stats.states[side(p)][p.state]--
		t.stats.states[side(p)][s]++
	}
	p.state = s
}

func side(p *Peer) int {
	if p.client {
		return 1
	}
	return 0
}
