package control

import "github.com/pebbe/zmq4"

// Refusal is why a connection was not let in.
type Refusal uint8

// The refusals.
const (
	RefusedKey        Refusal = iota // by ZAP
	RefusedMechanism                 // in the greeting
	RefusedServerKey                 // what it encrypted for the proxy cannot be decrypted
	RefusedProtocol                  // some other mistake in the handshake
	RefusedUnfinished                // it left, or took longer than handshakeTime
	RefusedCrowded                   // too many at its endpoint, see connections
	numRefusals
)

// refusals are the label in metrics, and what a person is told.
var refusals = [numRefusals]struct{ name, text string }{
	RefusedKey:        {"key", "its key has no certificate in the directory, or not the level for this endpoint"},
	RefusedMechanism:  {"mechanism", "it comes without CURVE to an endpoint with, or the other way round"},
	RefusedServerKey:  {"server-key", "it was given another server key than this proxy's"},
	RefusedProtocol:   {"protocol", "some other mistake in its handshake"},
	RefusedUnfinished: {"unfinished", "it left in its handshake, as many do that want another mechanism, or took longer than 5 s"},
	RefusedCrowded:    {"crowded", "the endpoint has as many connections as it may"},
}

func (r Refusal) String() string { return refusals[r].name }

// Codes of ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, from zmq.h.
const (
	zmtpCryptographic     = 0x11000001
	zmtpMechanismMismatch = 0x11000002
)

// refusalOf reads an event of libzmq's monitor; ok is false for one that is no
// refusal. What ZAP refuses is not among them: authenticate has said it.
func refusalOf(event zmq4.Event, value int) (r Refusal, ok bool) {
	switch event {
	case zmq4.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		return RefusedUnfinished, true
	case zmq4.EVENT_HANDSHAKE_FAILED_PROTOCOL:
		switch value {
		case zmtpCryptographic:
			return RefusedServerKey, true
		case zmtpMechanismMismatch:
			return RefusedMechanism, true
		}
		return RefusedProtocol, true
	}
	return 0, false
}

// Refusals count by reason.
type Refusals [numRefusals]uint64

// Total is how many there are of all reasons.
func (r Refusals) Total() (sum uint64) {
	for _, n := range r {
		sum += n
	}
	return sum
}
