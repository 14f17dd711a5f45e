package zmtp

// order is one of the commands of a handshake.
type order uint8

const (
	noOrder order = iota // another one, which only an unknown mechanism may have
	hello
	welcome
	initiate
	ready
	errorOrder
	message
	empty // a command without a name, which GSSAPI has
)

func (o order) String() string {
	return [...]string{"an unknown command", "HELLO", "WELCOME", "INITIATE", "READY", "ERROR", "MESSAGE", "an empty command"}[o]
}

func orderOf(name []byte) order {
	switch string(name) {
	case "HELLO":
		return hello
	case "WELCOME":
		return welcome
	case "INITIATE":
		return initiate
	case "READY":
		return ready
	case "ERROR":
		return errorOrder
	case "MESSAGE":
		return message
	case "RROR": // of a broken ERROR: see brokenError
		return errorOrder
	}
	return noOrder
}

// stage is what a side has reached with its command.
func (o order) stage() Stage {
	switch o {
	case hello:
		return StageHello
	case welcome:
		return StageWelcome
	case initiate:
		return StageInitiate
	case ready, message:
		return StageReady
	case errorOrder:
		return StageError
	}
	return StageGreeting
}

// permitted checks that d may send o now. What is allowed is what libzmq's
// mechanisms take; the peer of a command has always heard the one that it
// answers, since it came through us.
func (d *direction) permitted(o order, other *direction) error {
	if o == errorOrder {
		return nil
	}
	ok := true
	switch d.mechanism {
	case "NULL":
		ok = o == ready
	case "PLAIN", "CURVE":
		ok = d.step(o, other)
	case "GSSAPI": // tokens go to and fro as often as Kerberos wants
		ok = o == initiate || o == ready || o == message || o == empty
	}
	if ok {
		return nil
	}
	return violationf("%v in %s, when the other side's last was %v", o, d.mechanism, other.stage)
}

// step is the order of 24/ZMTP-PLAIN and 26/CURVEZMQ. Either side of our pair
// may be the one that serves.
func (d *direction) step(o order, other *direction) bool {
	switch o {
	case hello:
		return d.stage == StageGreeting && other.stage <= StageGreeting
	case welcome:
		return d.stage == StageGreeting && other.stage == StageHello
	case initiate:
		return d.stage == StageHello && other.stage == StageWelcome
	case ready:
		return d.stage == StageWelcome && other.stage == StageInitiate
	}
	return false
}

// sized checks a command's length, with its name, where the mechanism fixes it:
// as 26/CURVEZMQ, and as libzmq from 4.0 on.
func (d *direction) sized(o order, octets uint32) error {
	ok := true
	switch {
	case d.mechanism == "CURVE" && o == hello:
		ok = octets == 200
	case d.mechanism == "CURVE" && o == welcome:
		ok = octets == 168
	case d.mechanism == "CURVE" && o == initiate:
		ok = octets >= 257
	case d.mechanism == "CURVE" && o == ready:
		ok = octets >= 30
	case d.mechanism == "PLAIN" && o == welcome:
		ok = octets == 8
	}
	if ok {
		return nil
	}
	return violationf("%v of %d octets in %s", o, octets, d.mechanism)
}

// closes says whether o is the last that this side sends in clear. READY ends
// every handshake; GSSAPI wraps it in MESSAGE.
func (d *direction) closes(o order) bool {
	return o == ready || o == message && d.mechanism == "GSSAPI"
}
