package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// Mechanism is what a pair's handshake is counted by: a name of the standard, or none of these.
type Mechanism uint8

// The mechanisms, in a fixed order.
const (
	MechanismNULL Mechanism = iota
	MechanismPLAIN
	MechanismCURVE
	MechanismGSSAPI
	MechanismOther // one that is not a standard one
	MechanismNone  // nobody has looked (expect: any)

	// NumMechanisms is how many there are.
	NumMechanisms = int(MechanismNone) + 1
)

var mechanismNames = [NumMechanisms]string{"NULL", "PLAIN", "CURVE", "GSSAPI", "other", "none"}

// String is the mechanism as metrics spell it.
func (m Mechanism) String() string {
	if int(m) < NumMechanisms {
		return mechanismNames[m]
	}
	return mechanismNames[MechanismOther]
}

func mechanismOf(name string) Mechanism {
	switch name {
	case "":
		return MechanismNone
	case "NULL":
		return MechanismNULL
	case "PLAIN":
		return MechanismPLAIN
	case "CURVE":
		return MechanismCURVE
	case "GSSAPI":
		return MechanismGSSAPI
	}
	return MechanismOther
}

// Statuses of an ERROR: ZAP's codes (RFC 27), which libzmq passes on, and anything else.
const (
	status400 = iota
	status500
	statusOther

	// NumStatuses is how many there are.
	NumStatuses = statusOther + 1
)

// Statuses names them.
func Statuses() [NumStatuses]string { return [...]string{"400", "500", "other"} }

func statusOf(text string) int {
	switch text {
	case "400":
		return status400
	case "500":
		return status500
	}
	return statusOther
}

// Stages names the stages that a side may come to, see [zmtp.Stage].
func Stages() (names [zmtp.NumStages]string) {
	for i := range names {
		names[i] = zmtp.Stage(i).String()
	}
	return names
}

// Handshakes are the figures of a pool's handshakes since the start.
type Handshakes struct {
	// Times are from being paired to being open, of pairs that opened.
	Times [NumMechanisms]pairing.Histogram
	// Steps are from one step of either side to the next, by the stage that was reached.
	Steps [zmtp.NumStages]pairing.Histogram
	// Failed are the pairs that ended before they opened, by the reason and by the furthest
	// stage that either side had come to.
	Failed [pairing.NumReasons][zmtp.NumStages]uint64
	// Errors are the ERROR commands of either side by [Statuses].
	Errors [NumStatuses]uint64
}

// opened counts a pair that has opened.
func (h *Handshakes) opened(f *flow, now time.Duration) {
	h.Times[mechanismOf(f.shaking.Mechanism())].Observe(now - f.shaking.begun)
}
