package control

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// What the control socket tells: the server writes these as JSON, [Client] reads them.

// Seconds is a duration as JSON has it, to the millisecond.
type Seconds float64

func seconds(d time.Duration) Seconds { return Seconds(d.Milliseconds()) / 1000 }

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
	Pools      []PoolStatus `json:"pools"`
}

// PoolStatus is what a [Status] tells of a pool.
type PoolStatus struct {
	Pool        string `json:"pool"`
	Clients     int    `json:"clients"`
	Waiting     int    `json:"waiting"`
	Pairs       int    `json:"pairs"`
	Slots       int    `json:"slots"`
	Workers     int    `json:"workers"`
	Identities  int    `json:"identities"`
	Hints       int    `json:"hints"`
	BytesIn     uint64 `json:"bytes_in"`  // from clients to workers
	BytesOut    uint64 `json:"bytes_out"` // and back
	Connections int    `json:"connections"`
	Usable      bool   `json:"usable"` // a worker takes clients, now or when it is less busy
	Draining    bool   `json:"draining"`
	Paused      bool   `json:"paused"`
}

// PoolInfo is a pool and where it can be reached.
type PoolInfo struct {
	Pool     string   `json:"pool"`
	Frontend []string `json:"frontend"`
	Backend  []string `json:"backend"`
	Paused   bool     `json:"paused"`
}

// WorkerInfo is a worker in a list.
type WorkerInfo struct {
	Worker   string `json:"worker"`
	State    string `json:"state"` // see [pairing.State]
	Pairs    int    `json:"pairs"`
	Max      int    `json:"max"` // 0: no limit
	Weight   int    `json:"weight"`
	Slots    int    `json:"slots"`
	Dialling int    `json:"dialling"`
	Served   uint64 `json:"served"` // pairs ever made with it
	Failures uint64 `json:"failures"`
	Endpoint string `json:"endpoint"`          // "" of one that dials in
	Removed  bool   `json:"removed,omitempty"` // it goes when its last pair ends
}

func workerInfo(w pairing.WorkerInfo) WorkerInfo {
	return WorkerInfo{
		Worker: w.Name, State: w.State.String(), Pairs: w.Pairs, Max: w.MaxPairs, Weight: w.Weight, Slots: w.Slots,
		Dialling: w.Dialling, Served: w.Served, Failures: w.Failures, Endpoint: w.Endpoint, Removed: w.Removed,
	}
}

// ClientInfo is a client in a list.
type ClientInfo struct {
	ID       pairing.PeerID `json:"id"`
	Client   string         `json:"client"` // IP:PORT, or the address where there is no such thing
	Identity string         `json:"identity"`
	State    string         `json:"state"`  // see [pairing.PeerState]
	Worker   string         `json:"worker"` // "" while it has none
	Age      Seconds        `json:"age"`    // since it connected
}

func clientInfo(p pairing.PeerInfo) ClientInfo {
	return ClientInfo{p.ID, whence(p.Origin), p.Identity, p.State.String(), p.Worker, seconds(p.Age)}
}

// PairInfo is a pair in a list.
type PairInfo struct {
	ID       pairing.PeerID `json:"id"` // the client's
	Client   string         `json:"client"`
	Identity string         `json:"identity"`
	State    string         `json:"state"`
	Worker   string         `json:"worker"`
	Endpoint string         `json:"endpoint"` // of the worker's connection
	Rule     string         `json:"rule"`     // what decided, see [pairing.Rule]
	Age      Seconds        `json:"age"`      // since it was made
}

func pairInfo(p pairing.PeerInfo) PairInfo {
	return PairInfo{p.ID, whence(p.Origin), p.Identity, p.State.String(), p.Worker, whence(p.Other), p.Rule.String(), seconds(p.Paired)}
}

// HintInfo is one thing that is held of an identity, see [pairing.HintInfo].
type HintInfo struct {
	Identity string   `json:"identity"`
	Endpoint string   `json:"endpoint"`
	Address  string   `json:"address"`
	Prefer   []string `json:"prefer"`
	Pinned   bool     `json:"pinned"`
	Left     Seconds  `json:"left"` // 0 for a pin and while the identity has a connection
}

func hintInfo(h pairing.HintInfo) HintInfo {
	return HintInfo{h.Identity, h.Endpoint, h.Address, array(h.Prefer), h.Pinned, seconds(h.Left)}
}

// Candidate is a worker in an explanation.
type Candidate struct {
	Worker string `json:"worker"`
	Why    string `json:"why"` // "fit", or why not: see [pairing.Unfit]
	Load   int    `json:"load"`
	Weight int    `json:"weight"`
}

// Passed is a worker that was passed over.
type Passed struct {
	Worker string `json:"worker"`
	Why    string `json:"why"`
}

// Explanation is why a client has its worker, and what it would get now; see
// [pairing.Explanation].
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
}

func whence(o pairing.Origin) string {
	if o.Endpoint != "" {
		return o.Endpoint
	}
	return o.Address
}
