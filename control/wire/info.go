package wire

import (
	"log/slog"
	"time"
)

// What the control socket tells: the server writes these as JSON, a client reads them.

// Seconds is a duration as JSON has it, to the millisecond.
type Seconds float64

// InSeconds is d, cut off after the millisecond.
func InSeconds(d time.Duration) Seconds { return Seconds(d.Milliseconds()) / 1000 }

// Duration is s in Go's own measure.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Status is the whole at a glance, summed up over the pools.
type Status struct {
	Uptime     Seconds      `json:"uptime"`
	Clients    int          `json:"clients"`
	Waiting    int          `json:"waiting"`
	Pairs      int          `json:"pairs"`
	Slots      int          `json:"slots"`
	Workers    int          `json:"workers"`
	EventsLost uint64       `json:"events_lost"`
	Shared     *SharedInfo  `json:"shared,omitempty"` // nil where nothing is
	Pools      []PoolStatus `json:"pools"`
}

// SharedInfo is the store in which proxies remember together.
type SharedInfo struct {
	State   string  `json:"state"`   // connecting, up, refusing or down
	Store   string  `json:"store"`   // where it is, without a password
	Since   Seconds `json:"since"`   // how long it has been so
	Pending int     `json:"pending"` // keys that wait to be written
	Error   string  `json:"error"`   // why it is refusing or down, "" for else
}

// ProxyInfo is a proxy that shares the store.
type ProxyInfo struct {
	Proxy   string   `json:"proxy"`   // its name among them
	Address string   `json:"address"` // from which it reaches the store, "" over a unix socket
	Up      Seconds  `json:"up"`      // since its start
	Version string   `json:"version"`
	Pools   []string `json:"pools"` // the first of them, eight at most
	Pairs   int      `json:"pairs"` // of all its pools
	Here    bool     `json:"here"`  // it is the one that was asked
}

// Proxies is the reply to PROXIES.
type Proxies struct {
	Proxies []ProxyInfo `json:"proxies"`
}

// PoolStatus is what a [Status] tells of a pool.
type PoolStatus struct {
	Pool       string `json:"pool"`
	Clients    int    `json:"clients"`
	Waiting    int    `json:"waiting"`
	Pairs      int    `json:"pairs"`
	Slots      int    `json:"slots"`
	Workers    int    `json:"workers"`
	Identities int    `json:"identities"`
	Hints      int    `json:"hints"`
	// HintsExpired are those whose connection did not come, since the start.
	HintsExpired uint64 `json:"hints_expired"`
	// RebalanceLeft are pairs that the rebalance under way may end still.
	RebalanceLeft int    `json:"rebalance_left"`
	Doors         int    `json:"doors"`        // that are open
	DoorClients   int    `json:"door_clients"` // that have come through doors, open or shut by now, and are there
	BytesIn       uint64 `json:"bytes_in"`     // from clients to workers
	BytesOut      uint64 `json:"bytes_out"`    // and back
	Connections   int    `json:"connections"`
	Usable        bool   `json:"usable"`   // a worker takes clients, now or when it is less busy
	Ready         bool   `json:"ready"`    // new clients should be sent, as /readyz?pool= says
	Refusing      bool   `json:"refusing"` // its ports are closed for want of a worker
	Draining      bool   `json:"draining"`
	Paused        bool   `json:"paused"`
	LameDuck      bool   `json:"lame_duck"` // serves, and is not ready
}

// PoolInfo is a pool and where it can be reached.
type PoolInfo struct {
	Pool     string   `json:"pool"`
	Frontend []string `json:"frontend"`
	Backend  []string `json:"backend"`
	Paused   bool     `json:"paused"`
	LameDuck bool     `json:"lame_duck"`
	Doors    int      `json:"doors"` // that are open beside the frontend, see DOORS
	Group    string   `json:"group"` // of pools that remember together, "" for none
}

// FinderInfo is what finds a pool's workers: a name, or a file.
type FinderInfo struct {
	Finder   string   `json:"finder"`  // what its workers' names begin with; a file's path
	Kind     string   `json:"kind"`    // a, srv or file
	Of       string   `json:"of"`      // what is looked up or read
	Workers  int      `json:"workers"` // in its last good answer
	Age      *Seconds `json:"age"`     // of that answer; nil before the first
	Interval Seconds  `json:"interval"`
	Failed   uint64   `json:"failed"` // look-ups, ever
	Error    string   `json:"error"`  // of the last look-up
}

// Finders is the reply to FINDERS.
type Finders struct {
	Finders []FinderInfo `json:"finders"`
}

// WorkerInfo is a worker in a list.
type WorkerInfo struct {
	Worker   string `json:"worker"`
	State    string `json:"state"` // as STATE of WORKERS
	Pairs    int    `json:"pairs"`
	Max      int    `json:"max"` // 0: no limit
	Weight   int    `json:"weight"`
	Slots    int    `json:"slots"`
	Dialling int    `json:"dialling"`
	Served   uint64 `json:"served"` // pairs ever made with it
	Failures uint64 `json:"failures"`
	Lost     uint64 `json:"lost"` // slots that it did not dial again after a client had them
	// Elsewhere are its pairs at the other proxies that share the store, as these have told.
	Elsewhere int `json:"elsewhere,omitempty"`
	// SlowStart is how much longer it begins slowly, 0 when its weight counts in full.
	SlowStart Seconds `json:"slow_start"`
	Endpoint  string  `json:"endpoint"`          // "" of one that dials in
	Source    string  `json:"source,omitempty"`  // where it is dialled from, if not from where the pool's are
	Removed   bool    `json:"removed,omitempty"` // it goes when its last pair ends
	// Everywhere are words of operators that count of it at all proxies that share the store.
	Everywhere []Word `json:"everywhere,omitempty"`
}

// Word is what an operator said of a worker, or an identity, everywhere.
type Word struct {
	What  string  `json:"what"`  // state, weight or max; of an identity: pin
	Value string  `json:"value"` // as it is now, unless something else has changed it
	Proxy string  `json:"proxy"` // at which it was said, as PROXIES has it
	Age   Seconds `json:"age"`   // since then, by the clocks of both
}

// ClientInfo is a client in a list.
type ClientInfo struct {
	ID       uint64  `json:"id"`
	Client   string  `json:"client"` // IP:PORT, or the address where there is no such thing
	Identity string  `json:"identity"`
	State    string  `json:"state"`  // as STATE of CLIENTS
	Worker   string  `json:"worker"` // "" while it has none
	Age      Seconds `json:"age"`    // since it connected
}

// PairInfo is a pair in a list.
type PairInfo struct {
	ID       uint64  `json:"id"` // the client's
	Client   string  `json:"client"`
	Identity string  `json:"identity"`
	State    string  `json:"state"`
	Worker   string  `json:"worker"`
	Endpoint string  `json:"endpoint"` // of the worker's connection
	Rule     string  `json:"rule"`     // what decided: prefer, affinity or policy
	Age      Seconds `json:"age"`      // since it was made
}

// HintInfo is one thing that is held of an identity: a pin, what it prefers, or a hint
// for a connection to come, which alone has an Endpoint or an Address.
type HintInfo struct {
	Identity string   `json:"identity"`
	Endpoint string   `json:"endpoint"`
	Address  string   `json:"address"`
	Prefer   []string `json:"prefer"`
	Pinned   bool     `json:"pinned"`
	Left     Seconds  `json:"left"` // 0 for a pin and while the identity has a connection
	// Everywhere is the word of a pin that counts at all proxies that share the store.
	Everywhere []Word `json:"everywhere,omitempty"`
}

// Failing is the reply to FAILING.
type Failing struct {
	// Addresses whose clients were not served within the last ten minutes; of these
	// the worst are listed.
	Addresses int           `json:"addresses"`
	Failing   []FailingInfo `json:"failing"`
}

// FailingInfo is an address whose clients end without having been served.
type FailingInfo struct {
	Address string  `json:"address"`
	Clients uint64  `json:"clients"` // that have ended so
	Reason  string  `json:"reason"`  // of most of these
	First   Seconds `json:"first"`   // ago
	Last    Seconds `json:"last"`    // ago
	Hint    string  `json:"hint"`    // what the last of them that means something usually means
}

// Candidate is a worker in an explanation.
type Candidate struct {
	Worker string `json:"worker"`
	Why    string `json:"why"` // "fit", or why not: unknown, removed, draining, ...
	Load   int    `json:"load"`
	Weight int    `json:"weight"`
	// Everywhere is as in [WorkerInfo].
	Everywhere []Word `json:"everywhere,omitempty"`
}

// Passed is a worker that was passed over.
type Passed struct {
	Worker string `json:"worker"`
	Why    string `json:"why"`
}

// Explanation is why a client has its worker, and which workers it could get now.
type Explanation struct {
	Identity   string       `json:"identity,omitempty"`
	Worker     string       `json:"worker"`
	Rule       string       `json:"rule"`
	Passed     []Passed     `json:"passed"`
	Prefer     []string     `json:"prefer"`
	Pinned     bool         `json:"pinned"`
	Last       string       `json:"last"`
	Policy     string       `json:"policy"`
	Clients    []ClientInfo `json:"clients"`
	Candidates []Candidate  `json:"candidates"`
	// Everywhere is the word that pins the identity, if it counts at all proxies that share the store.
	Everywhere []Word `json:"everywhere,omitempty"`
	// BytesIn went from the newest client to its worker, BytesOut came back.
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	// Balancer is who connected for the newest client, nil for none.
	Balancer *Balancer `json:"balancer,omitempty"`
	// Handshake and its Steps are those of the newest client's pair, if it has one.
	Handshake *Handshake `json:"handshake,omitempty"`
	Steps     []Step     `json:"steps,omitempty"`
	// Failing is the address of the newest client, or the one that was asked for, if clients
	// from there were not served within the last ten minutes.
	Failing []FailingInfo `json:"failing,omitempty"`
}

// Balancer is who has connected for a client, as a PROXY header says.
type Balancer struct {
	Endpoint string `json:"endpoint"` // of its own connection
	UniqueID string `json:"unique_id,omitempty"`
	TLS      *TLS   `json:"tls,omitempty"` // nil when the client does not use it, or nobody says
}

// TLS is what a balancer says of its client's.
type TLS struct {
	Version  string `json:"version"`
	Cipher   string `json:"cipher"`
	Name     string `json:"name"`     // the common name of the client's certificate
	Verified bool   `json:"verified"` // the client has shown a certificate, and it is good
}

// Version says what is running.
type Version struct {
	Version   string `json:"version"`
	Revision  string `json:"revision"`
	GoVersion string `json:"go"`
	Libzmq    string `json:"libzmq"`
}

// Lease is what HELLO and HEARTBEAT tell of an identity.
type Lease struct {
	Identity string `json:"identity"`
	// TTL is how long the identity may be silent, 0 when heartbeats do not matter.
	TTL Seconds `json:"ttl"`
	// Worker of the newest connection, "" while it is not paired.
	Worker string `json:"worker,omitempty"`
}

// Known is what a worker may know of one of its connections.
type Known struct {
	Client   string  `json:"client"`             // IP:PORT, "" over ipc
	Address  string  `json:"address"`            // IP, or localhost:UID:GID:PID over ipc
	Identity string  `json:"identity,omitempty"` // "" when nobody has said it
	Since    Seconds `json:"since"`              // that it has been paired
	// Balancer is who connected for the client, nil for none.
	Balancer *Balancer `json:"balancer,omitempty"`
	// Connections that the worker sees by the address, where it was asked for one without a
	// port; of more than one, Since is the newest's, and Client, and an Identity and a Balancer that not
	// all of them have, are left out. Of an endpoint it is 1.
	Connections int `json:"connections"`
}

// Pools are the reply to POOLS.
type Pools struct {
	Pools []PoolInfo `json:"pools"`
}

// Verbs are the reply to HELP without a verb.
type Verbs struct {
	Verbs []Verb `json:"verbs"`
}

// Drained is the reply to DRAIN: the pairs and dials that the worker still has.
type Drained struct {
	Pairs int `json:"pairs"`
	// Everywhere is as in [Steered].
	Everywhere string `json:"everywhere,omitempty"`
}

// What has become of a word that was said everywhere.
const (
	Told   = "told"   // it is in the store, where all proxies read it within a moment
	Queued = "queued" // it counts here, and is told to the store when that is back
)

// Steered is the reply to MAINT, ENABLE, WEIGHT and MAXCONN with everywhere.
type Steered struct {
	Everywhere string `json:"everywhere"` // told, or queued
}

// DoorInfo is the reply to DOOR: an endpoint through which clients have an identity.
type DoorInfo struct {
	Identity  string   `json:"identity"`
	Endpoints []string `json:"endpoints"` // one, or one for each address of the frontend's
	Left      *Seconds `json:"left"`      // how long it stays open; nil for one of the file, as long as that names it
	Clients   int      `json:"clients"`   // that have come through it, and are there
}

// Doors are the reply to DOORS.
type Doors struct {
	Doors []DoorInfo `json:"doors"`
}

// Rebalance is the reply to REBALANCE: what it would do, does, or did.
type Rebalance struct {
	State   string          `json:"state"`  // planned, running, done, stopped, replaced or interrupted
	Worker  string          `json:"worker"` // of which pairs are ended, "" for all workers
	Rate    float64         `json:"rate"`   // pairs a second
	Planned int             `json:"planned"`
	Ended   int             `json:"ended"` // of these
	Took    Seconds         `json:"took"`  // so far, or in all
	Workers []WorkerBalance `json:"workers"`
}

// WorkerBalance is a worker's part in a [Rebalance], as it was when that began.
type WorkerBalance struct {
	Worker string `json:"worker"`
	Pairs  int    `json:"pairs"`
	Share  int    `json:"share"` // that it should have, by weight, maximum and slots
	Ends   int    `json:"ends"`  // of its pairs, to be ended
}

// Kicked is the reply to KICK client and KICK pair: who was ended.
type Kicked struct {
	Clients []ClientInfo `json:"clients"`
}

// LogLevel is the reply to LOGLEVEL.
type LogLevel struct {
	Level slog.Level `json:"level"`
}

// Deadline is the reply to SHUTDOWN: what is left until the proxy ends.
type Deadline struct {
	Deadline Seconds `json:"deadline"`
}
