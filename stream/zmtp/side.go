package zmtp

// Side is one of the two peers of a pair.
type Side uint8

// Sides of a [Handshake].
const (
	Client Side = iota
	Worker
)

// String is the side's name.
func (s Side) String() string {
	switch s {
	case Client:
		return "client"
	case Worker:
		return "worker"
	}
	return "unknown"
}

// Stage is how far one side has come with what it has sent. Stages are ordered.
type Stage uint8

// Stages of a side. CURVE and PLAIN go HELLO and INITIATE on one side, WELCOME
// and READY on the other; NULL goes READY on both; GSSAPI goes INITIATE several
// times and READY on both. ZMTP 1.0 and 2.0 end with StageReady, too: with the
// frame of an identity.
const (
	StageNothing   Stage = iota // not one octet
	StageSignature              // at least one
	StageGreeting               // the whole greeting
	StageHello
	StageWelcome
	StageInitiate
	StageReady // READY, or what wraps it: the side's last command in clear
	StageError // ERROR in place of any of the commands

	// NumStages is how many there are.
	NumStages = int(StageError) + 1
)

// String is the stage's name, that of the command where there is one.
func (s Stage) String() string {
	switch s {
	case StageNothing:
		return "nothing"
	case StageSignature:
		return "signature"
	case StageGreeting:
		return "greeting"
	case StageHello:
		return "HELLO"
	case StageWelcome:
		return "WELCOME"
	case StageInitiate:
		return "INITIATE"
	case StageReady:
		return "READY"
	case StageError:
		return "ERROR"
	}
	return "unknown"
}
