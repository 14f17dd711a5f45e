package wire

import "time"

// Event is something that happened in a pool. On the PUB socket its topic is a frame
// of its own, and the rest is JSON.
type Event struct {
	Topic string    `json:"-"`
	Time  time.Time `json:"time"`
	Pool  string    `json:"pool"`
	// ID, Client (IP:PORT, or the address of one over ipc) and Identity are a client's.
	ID       uint64 `json:"id,omitempty"`
	Client   string `json:"client,omitempty"`
	Identity string `json:"identity,omitempty"`
	Worker   string `json:"worker,omitempty"`
	State    string `json:"state,omitempty"`  // of the worker, or of the rebalance
	Reason   string `json:"reason,omitempty"` // of an end
	// Mechanism and Version of ZMTP are a pair's that has opened, or has ended.
	Mechanism string `json:"mechanism,omitempty"`
	Version   string `json:"zmtp,omitempty"`
	// Handshake is that of a pair that ended before it opened, Hint what the end of a
	// client that was not served usually means.
	Handshake *Handshake `json:"handshake,omitempty"`
	Hint      string     `json:"hint,omitempty"`
	Pairs     int        `json:"pairs,omitempty"` // that a rebalance is to end, or has ended
}

// Subscription is where events are published.
type Subscription struct {
	Endpoint string   `json:"endpoint"` // of the PUB socket
	Topics   []string `json:"topics"`   // all that there are
}
