package pairing

import "time"

// Saved is what a [Table] knows, in a form that can be written down and read by another
// process, also one of another version: enumerations are words, peers are called by
// their places in [SavedPeers.Peers], times are the table's own.
type Saved struct {
	// Now is the table's time. That of the table which goes on continues it.
	Now    time.Duration
	Config Config // in force
	Peers  SavedPeers

	Workers   []SavedWorker
	Classes   []SavedClass
	LastPlace uint64 // in the queue

	Departed  []SavedDeparted // the longest gone first
	Failing   []SavedFailing  // the least used first, here and below
	Aliases   []SavedItem[string, SavedNaming]
	Shrunk    []SavedTime
	Costly    []SavedCostly
	Owed      []SavedOwed // the longest first
	Owing     []SavedTime // by the worker: when one went last
	LostSlots []LostSlot
	Wishes    []SavedTime

	Hints     []SavedItem[SavedHint, SavedNaming]
	Next      []SavedNext
	Preferred []SavedItem[string, []string]
	Pins      map[string][]string             // for who does not know Pinned
	Pinned    []SavedItem[string, SavedPin]   `json:",omitempty"`
	Unpinned  []SavedItem[string, SavedPin]   `json:",omitempty"`
	Habits    []SavedItem[SavedHabit, string] // none in a group: they are the group's
	Joined    time.Duration                   // the group's time when the table's is 0
	Arrivals  [2]SavedArrivals
	LostHint  *LostHint
	Moves     SavedMoves

	Told     uint64
	Outcomes [2]uint64 // opened, failed
	Counters SavedCounters
}

// SavedPeers are connections, with their places in what orders them.
type SavedPeers struct {
	Peers []SavedPeer
	Of    []SavedLists // of workers
	// Unnamed are the clients of one address that have no identity, the oldest first.
	Unnamed    [][]int
	Identities []SavedIdentity
	// Queue and Returned wait: in their order, and back from a dial.
	Queue, Returned []int

	Handshakes, Silences, Holds, Recalls, Finishes, Apart, Idles []SavedEntry
	Ages, TTLs, Rechecks                                         [spread][]SavedEntry
}

// SavedEntry is a peer's place in an order in which things fall due.
type SavedEntry struct {
	Peer  int
	Since time.Duration
}

// SavedPeer is one connection.
type SavedPeer struct {
	ID      PeerID
	Client  bool   `json:",omitempty"`
	State   string `json:",omitempty"`
	Gone    bool   `json:",omitempty"` // its connection has gone, and the pair is there for the other half
	Partner int    // its place, -1 for none
	Worker  string `json:",omitempty"` // whose it is, or who is dialled for it or serves it
	Reason  Reason `json:",omitempty"` // of the pair's end, once it has begun
	Origin  Origin `json:",omitempty"`

	Identity, IdentitySource string `json:",omitempty"`
	// Found by its endpoint: of two with the same one the later is.
	Found bool `json:",omitempty"`

	Named, Greeted, Replaced             bool          `json:",omitempty"`
	Held, Hinted, WasOpen, Portless      bool          `json:",omitempty"`
	Asking, Asked                        bool          `json:",omitempty"`
	Connected, Ready, Paired, Open, Over time.Duration `json:",omitempty"`
	Dialled                              time.Duration `json:",omitempty"`
	Place                                uint64        `json:",omitempty"`
	Dials, FailedDials                   int           `json:",omitempty"`
	Rule                                 string        `json:",omitempty"`
	Passed                               []SavedPassed `json:",omitempty"`
	Claimed                              string        `json:",omitempty"`
}

// SavedPassed is a worker that was passed over.
type SavedPassed struct{ Worker, Unfit string }

// SavedLists are the connections of a worker.
type SavedLists struct {
	Worker                  string
	Greeting, Slots, Paired []int
}

// SavedIdentity is a name that live peers have.
type SavedIdentity struct {
	Name, Source string
	Peers        []int
	Leased       bool
	Since        time.Duration // of its lease
}

// SavedWorker is what is known of a worker, its connections excepted.
type SavedWorker struct {
	Elsewhere                  int `json:",omitempty"` // pairs at other proxies
	Name, Endpoint, Source     string
	Weight, Max, MaxHandshakes int
	State                      string
	Listed, Kept, Removed      bool
	Said                       []SavedSaid `json:",omitempty"`
	Awaited, Returning         time.Duration

	Failing, Probing, Ejected bool
	Attempt                   int
	RetryAt                   time.Duration
	Portless                  bool
	PortlessSince             time.Duration
	Opened, Failed            uint64
	Streak                    SavedStreak
	Failures, Served, Lost    uint64
	DialTime                  time.Duration
	Loser                     bool
	LostSince                 time.Duration

	Sixteenths         int // of its weight that count
	WarmFrom, WarmAt   time.Duration
	ComesBack          bool
	BackSince, WasHere time.Duration
	Ready, Empty       bool
}

// SavedSaid is what was said last of a register.
type SavedSaid struct {
	Register string
	Said
}

// SavedStreak are the failures of a worker in a row.
type SavedStreak struct {
	Length         int
	Opened, Failed uint64 // by others when it began
	Names          []SavedHabit
	Since          time.Duration
}

// SavedClass are the choosable workers of one weight.
type SavedClass struct {
	Weight, Credit, Turn int
	Members              []string
	ByLoad               []string // the least loaded first, and of those of the same load the one that came to it first
}

// SavedDeparted is a worker of which nothing is left.
type SavedDeparted struct {
	Name                   string
	Since, Returning       time.Duration
	Failures, Served, Lost uint64
}

// SavedFailing is an address whose clients fail.
type SavedFailing struct {
	Address     string
	Since, Last time.Duration
	Counts      map[string]uint64
	Recent      uint32
	InRow       int
	With        string
	Several     bool
	Told        uint64
	Hint        string
}

// SavedTime is when something happened to a name.
type SavedTime struct {
	Name string
	At   time.Duration
}

// SavedCostly is an address that cost slots.
type SavedCostly struct {
	Address     string
	Slots       int
	Last, Until time.Duration
}

// SavedOwed is a connection of a worker that is awaited.
type SavedOwed struct {
	Kind  string
	Slot  LostSlot
	Since time.Duration
}

// SavedItem is one thing that is remembered. Of live identities it is in the
// order of its own, and so is what operators have said.
type SavedItem[K, V any] struct {
	Key    K
	Value  V
	Source string `json:",omitempty"`
	Live   bool   `json:",omitempty"`
	Since  time.Duration
}

// SavedHint is what a hint waits for.
type SavedHint struct {
	Endpoint, Address, Identity string
	Worker                      bool
}

// SavedPin is what was said last of an identity.
type SavedPin struct {
	Said
	Workers []string
}

// SavedNaming is what a hint says of a connection.
type SavedNaming struct {
	Identity    string
	Weight, Max int
	Source      string
	Hello       bool
}

// SavedNext are the identities that wait for the next clients from an address.
type SavedNext struct {
	Address    string
	Identities []string
	Contested  bool
}

// SavedHabit is who has had a worker: an identity, or a source address.
type SavedHabit struct {
	Source bool
	Name   string
}

// SavedHabitOf is the worker that somebody has, as a group knows it.
type SavedHabitOf struct {
	Worker string
	Opened bool
}

// SavedGroup is what a [Group] remembers.
type SavedGroup struct {
	Now  time.Duration
	Last []SavedItem[SavedHabit, SavedHabitOf]
}

// SavedArrivals are the last connections without an identity, as they are kept.
type SavedArrivals struct {
	Ring []SavedArrival
	N    int
}

// SavedArrival is one of them.
type SavedArrival struct {
	ID   PeerID
	From string
	At   time.Duration
}

// SavedMoves is what is being moved.
type SavedMoves struct {
	Next      time.Duration
	Rebalance *SavedRebalance
	Last      SavedRebalancing
	Over      *SavedRebalancing
	Away      int
	Awaited   time.Duration
	Back      []SavedFailback
}

// SavedRebalance is one that is under way.
type SavedRebalance struct {
	Rebalance
	Owed  float64
	Over  []SavedOverloaded
	Among []string
	Moved time.Duration
	Ended time.Duration
}

// SavedOverloaded is a worker that has more pairs than its share.
type SavedOverloaded struct {
	Worker string
	Ends   int
	Pairs  []SavedCandidate
}

// SavedCandidate is a pair that may be ended.
type SavedCandidate struct {
	Client PeerID
	Stray  bool
	Active time.Duration
	Again  bool
}

// SavedRebalancing tells of a rebalance.
type SavedRebalancing struct {
	Rebalancing
	Began time.Duration
}

// SavedFailback is a worker that is back.
type SavedFailback struct {
	Worker string
	After  PeerID
}

// SavedCounters is what a table has counted, and what it had told of that.
type SavedCounters struct {
	Clients, Pairs, Opened                    uint64
	Ended, PairsEnded, Failed, FailedBefore   map[string]uint64
	SlotsMade, SlotsRecycled, SlotsClosed     uint64
	Ungreeted, SlotsLost                      uint64
	Chosen                                    map[string]uint64
	Dials, DialFailures, Probes, NoSourcePort uint64
	HintsExpired                              uint64
	Leases                                    map[string]uint64
	Waits, Handshakes, DialsDone, DialsFailed Histogram
}
