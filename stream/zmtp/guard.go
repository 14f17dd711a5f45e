package zmtp

// Guard tells that the worker is the side that connects, as one that dialled in
// is. libzmq never comes back from a protocol error in the handshake of such a
// connection, so that more is kept from it than from a worker that listens:
//
//   - an ERROR of the client, which is in order, is an error here;
//   - what can only be judged when the worker has said the same of itself is
//     held back until then: see [Handshake.Held];
//   - mechanism, if not "", is what this worker, or its pool, is known to speak
//     from pairs that opened. A client of ZMTP 1.0 or 2.0 is refused when that is
//     not NULL: to such a client the worker never says it.
//
// It must be called before the first byte.
func (h *Handshake) Guard(mechanism string) { h.guarded, h.expected = true, mechanism }

// Held is how many of the last octets that Client was given must not be
// forwarded yet; 0 when the worker is not guarded. It may fall with each call of
// Worker, and then the octets of which it no longer speaks are to be forwarded.
//
// Held back are the client's mechanism until the worker has said its own, and
// NULL's READY until the worker's READY was heard: for ever when an ERROR came
// in its place, since libzmq takes a READY behind its ERROR for a protocol error.
// Every implementation known says both without having heard the other's. For one
// that does not the caller calls Release some seconds later.
func (h *Handshake) Held() uint64 {
	c, w := &h.client, &h.worker
	var passed uint64
	switch {
	case !h.guarded || h.released || c.version < version30:
		return 0
	case w.mechanism == "":
		passed = mechanismOffset
	case c.mechanism == "NULL" && w.version >= version30 && w.stage != StageReady:
		passed = greetingLength
	default:
		return 0
	}
	return h.fed - min(h.fed, passed)
}

// Release ends the holding back.
func (h *Handshake) Release() { h.released = true }

// Stage is how far a side has come.
func (h *Handshake) Stage(s Side) Stage { return h.of(s).stage }

// Reached is the furthest stage that either side has come to.
func (h *Handshake) Reached() Stage { return max(h.client.stage, h.worker.stage) }

// AsServer says whether a side's greeting claims to be the server. libzmq's never
// does; which side serves CURVE or PLAIN is known from who sends WELCOME.
func (h *Handshake) AsServer(s Side) bool { return h.of(s).asServer }

// ErrorReason is what an ERROR said, "" before one: ZAP's status code, such as
// "400", from libzmq, a sentence from others. It has at most 40 characters of
// printable ASCII, and comes from a peer.
func (h *Handshake) ErrorReason() string { return h.reason.String() }

func (h *Handshake) of(s Side) *direction {
	if s == Worker {
		return &h.worker
	}
	return &h.client
}
