package api

import (
	"encoding/json"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
)

// Status is the whole at a glance. What a pool that does not answer has is not in the sums.
type Status struct {
	Time    time.Time    `json:"time"`
	Version wire.Version `json:"version"`
	wire.Status
}

// PoolRow is what is told of a pool. Of one that does not answer (Up is false) only the
// name and the endpoints are known.
type PoolRow struct {
	Up bool `json:"up"`
	wire.PoolStatus
	State    string   `json:"state"` // as /readyz says it
	Group    string   `json:"group"`
	Frontend []string `json:"frontend"`
	Backend  []string `json:"backend"`
}

// Pools are all pools.
type Pools struct {
	Pools []PoolRow `json:"pools"`
}

// WorkerRow is a worker.
type WorkerRow struct {
	Pool string `json:"pool"`
	wire.WorkerInfo
	// Share is the part of its pool's pairs that it has, from 0 to 1.
	Share float64 `json:"share"`
	// DialTime is how long its dials took of late, 0 where none was done.
	DialTime wire.Seconds `json:"dial_time"`
	// BytesIn went to it from clients, BytesOut came back, since this process began.
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	// MaxHandshakes bounds its dials and pairs that are not open, 0 for no limit.
	MaxHandshakes int `json:"max_handshakes"`
	// Outlier: it is set aside because its pairs failed while others' opened.
	Outlier bool `json:"outlier"`
	// Away: it dials in, and has no connection now.
	Away bool `json:"away"`
}

// Workers are a page of workers.
type Workers struct {
	Page
	Workers []WorkerRow `json:"workers"`
}

// ClientRow is a client.
type ClientRow struct {
	Pool string `json:"pool"`
	wire.ClientInfo
}

// Clients are a page of clients.
type Clients struct {
	Page
	Listed
	Clients []ClientRow `json:"clients"`
}

// PairRow is a pair.
type PairRow struct {
	Pool string `json:"pool"`
	wire.PairInfo
}

// Pairs are a page of pairs.
type Pairs struct {
	Page
	Listed
	Pairs []PairRow `json:"pairs"`
}

// Page says which part of a list an answer has.
type Page struct {
	Total int `json:"total"` // rows that were selected
	After int `json:"after"` // rows before these
	// Next is the after= of the page that follows, nil for none.
	Next *int `json:"next"`
}

// Listed says how old the copy is of which a page is.
type Listed struct {
	Age wire.Seconds `json:"age"`
	// Complete is false when there are more clients than are copied.
	Complete bool `json:"complete"`
}

// Failing are the addresses whose clients were not served within the last ten minutes.
type Failing struct {
	Pools []FailingPool `json:"pools"`
}

// FailingPool is a pool's part of them.
type FailingPool struct {
	Pool string `json:"pool"`
	wire.Failing
}

// Ends are why clients have ended since the start.
type Ends struct {
	Pools []EndsPool `json:"pools"`
}

// EndsPool is a pool's part of them.
type EndsPool struct {
	Pool string     `json:"pool"`
	Ends []EndsInfo `json:"ends"` // every reason
}

// EndsInfo is how many ended for a reason since the start: clients, and those of them
// that had a worker.
type EndsInfo struct {
	Reason  string `json:"reason"`
	Clients uint64 `json:"clients"`
	Pairs   uint64 `json:"pairs"`
}

// Handshakes are the handshakes since the start.
type Handshakes struct {
	Pools []HandshakesPool `json:"pools"`
}

// HandshakesPool is a pool's part of them.
type HandshakesPool struct {
	Pool string `json:"pool"`
	// Mechanisms are how long handshakes took that came through, by mechanism.
	Mechanisms []MechanismTimes `json:"mechanisms"`
	// Stages are how long it took from one step of a handshake to the next.
	Stages []StageTimes `json:"stages"`
	// Failed are the pairs that ended before they opened.
	Failed []FailedCount `json:"failed"`
	// Errors are the ERROR commands by status: 400, 500 or other.
	Errors []ErrorCount `json:"errors"`
}

// MechanismTimes are those of a mechanism: NULL, PLAIN, CURVE, GSSAPI, other or none.
type MechanismTimes struct {
	Mechanism string `json:"mechanism"`
	Times
}

// StageTimes are those until a side has come to a stage.
type StageTimes struct {
	Stage string `json:"stage"`
	Times
}

// FailedCount is how many failed for a reason when the further of the two sides had come to a stage.
type FailedCount struct {
	Reason string `json:"reason"`
	Stage  string `json:"stage"`
	Count  uint64 `json:"count"`
}

// ErrorCount is how many ERROR commands had a status.
type ErrorCount struct {
	Status string `json:"status"`
	Count  uint64 `json:"count"`
}

// History is the last hour.
type History struct {
	Pool   string       `json:"pool"` // "" for the whole
	Step   wire.Seconds `json:"step"` // from one point to the next
	Points []Point      `json:"points"`
}

// Event is an event, with its topic.
type Event struct {
	Topic string `json:"topic"`
	wire.Event
}

// Done is the answer to a verb that was executed.
type Done struct {
	Code   int             `json:"code"`   // as the status line says; 202 is accepted, and still going on
	Text   string          `json:"text"`   // as the control socket says it
	Result json.RawMessage `json:"result"` // what it has to say, null for nothing
}

// Problem is the answer to a request that was refused.
type Problem struct {
	Code  int    `json:"code"` // as the status line says
	Error string `json:"error"`
}
