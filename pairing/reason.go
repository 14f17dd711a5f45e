package pairing

import "fmt"

// Reason is why a client's stay, or a worker's connection, came to its end.
// Every client that connected ends with exactly one: the first cause wins.
type Reason uint8

// The reasons. NoReason is the zero value; no client ends with it.
const (
	NoReason         Reason = iota
	ClientClosed            // the client closed its connection
	WorkerClosed            // the worker closed its connection
	ClientReset             // the client's connection was reset
	WorkerReset             // the worker's connection was reset
	HeartbeatExpired        // a lease by heartbeat was not renewed
	IdleExpired             // no byte moved on the pair for the lease's time
	TTLExpired              // the pair reached the age that the lease gives it
	Kicked                  // an operator ended it
	Drained                 // its worker, or the proxy, is taken out of service
	Overflow                // it floods although its pair has ended, which keeps its own reason
	NotZMTP                 // what it sent is not ZMTP
	ProtocolError           // what it said in the handshake breaks the protocol
	MechanismRefused        // its security mechanism is not allowed
	HandshakeTimeout        // the greeting or the handshake took too long
	QueueTimeout            // no worker had room in time
	QueueFull               // a limit on clients, or on waiting clients, is reached
	NoWorker                // there is no worker that could have served it
	DialFailed              // its worker could not be dialled, and no other took it in time
	Shutdown                // the proxy stops
	ProbeOnly               // it never sent a byte: a balancer's check, or a scan
	ProxyHeader             // a PROXY header from whom none is taken, or none, or a bad one, from who must send one
	NoSourcePort            // this machine had no port for a connection to its worker, and no other took it in time
	Moved                   // its client is to have another worker: an operator's REBALANCE, or a worker that it prefers is back
	RefusedByWorker         // the worker ended the handshake: it closed or was reset, or the client closed because of its ERROR
	ClientGaveUp            // the client ended the handshake: it closed or was reset
	reasonCount
)

var reasonNames = [reasonCount]string{
	"none", "client-closed", "worker-closed", "client-reset", "worker-reset",
	"heartbeat-expired", "idle-expired", "ttl-expired", "kicked", "drained",
	"overflow", "not-zmtp", "protocol-error", "mechanism-refused", "handshake-timeout",
	"queue-timeout", "queue-full", "no-worker", "dial-failed",
	"shutdown", "probe", "proxy-header", "no-source-port",
	"moved", "refused-by-worker", "client-gave-up",
}

// String is the reason as logs, metrics and events spell it: "client-closed".
func (r Reason) String() string {
	if r < reasonCount {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// comesBack says whether a client that ended so connects again for the sake of the
// same application: it has neither left by itself nor been sent away.
func (r Reason) comesBack() bool {
	switch r {
	case ClientClosed, ClientReset, ClientGaveUp, HeartbeatExpired, Kicked, Shutdown, ProbeOnly:
		return false
	}
	return true
}

// inHandshake is the reason for a pair that has not opened yet: what ends it then is the
// handshake's failure, and not somebody's having had enough.
func (r Reason) inHandshake() Reason {
	switch r {
	case ClientClosed, ClientReset:
		return ClientGaveUp
	case WorkerClosed, WorkerReset:
		return RefusedByWorker
	}
	return r
}

// Reasons lists every reason a client may end with, in a fixed order.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := NoReason + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// ParseReason is the inverse of [Reason.String] for the members of [Reasons].
func ParseReason(s string) (Reason, error) {
	for _, r := range Reasons() {
		if reasonNames[r] == s {
			return r, nil
		}
	}
	return NoReason, fmt.Errorf("reason %q is unknown", s)
}
