package zmtp

import (
	"errors"
	"fmt"
)

// ErrNotZMTP is wrapped by every error of [Handshake.Client] and
// [Handshake.Worker], together with what was wrong.
var ErrNotZMTP = errors.New("not ZMTP")

// State says how far a pair has come.
type State uint8

// States of a [Handshake], in the order in which they follow each other.
const (
	Greeting    State = iota // at least one side has not sent its whole greeting
	Handshaking              // both greetings are through
	Open                     // the clear part is over in both directions
)

// String is the state's name.
func (s State) String() string {
	switch s {
	case Greeting:
		return "greeting"
	case Handshaking:
		return "handshaking"
	case Open:
		return "open"
	}
	return "unknown"
}

// Handshake watches one pair. The zero value is ready for the pair's first
// byte. It is not safe for concurrent use, and useless after an error.
type Handshake struct {
	client, worker direction
}

// Client takes the next bytes that the client sends, before they are forwarded:
// when b completes the name of the mechanism, [Handshake.Mechanism] knows it on
// return. Nothing of b is kept.
//
// An error wraps [ErrNotZMTP]: the signature, the revision or the flags of a
// frame are impossible, a mechanism's name is malformed, or a command before
// Open has more than 64 KiB.
func (h *Handshake) Client(b []byte) (State, error) {
	return h.feed(&h.client, &h.worker, b)
}

// Worker is [Handshake.Client] for what the worker sends.
func (h *Handshake) Worker(b []byte) (State, error) {
	return h.feed(&h.worker, &h.client, b)
}

// Mechanism is what the client's greeting asks for, such as "NULL", "PLAIN",
// "CURVE" or "GSSAPI"; "" until it is known. ZMTP 1.0 and 2.0 have no
// mechanisms and count as "NULL".
func (h *Handshake) Mechanism() string { return h.client.mechanism }

// WorkerMechanism is [Handshake.Mechanism] of the worker's greeting.
func (h *Handshake) WorkerMechanism() string { return h.worker.mechanism }

// Version is the one that the two will speak, the lower of both: "3.1", "3.0",
// "2.0", "1.0", or "" as long as one of them has not said its own. Above 3.1
// counts as 3.1.
func (h *Handshake) Version() string {
	if h.client.version == 0 || h.worker.version == 0 {
		return ""
	}
	switch min(h.client.version, h.worker.version) {
	case version10:
		return "1.0"
	case version20:
		return "2.0"
	case version30:
		return "3.0"
	}
	return "3.1"
}

func (h *Handshake) feed(from, to *direction, b []byte) (State, error) {
	err := meet(from, to)
	for err == nil && len(b) > 0 && from.phase != finished {
		var n int
		if n, err = from.take(b, to); err == nil {
			b = b[n:]
			err = meet(from, to)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNotZMTP, err)
	}
	return h.state(), err
}

// meet tells each side when the other speaks 1.0, which changes what its next
// octet means, or that no further one need come.
func meet(a, b *direction) error {
	if a.version == version10 {
		if err := b.meetUnversioned(); err != nil {
			return err
		}
	}
	if b.version == version10 {
		return a.meetUnversioned()
	}
	return nil
}

func (h *Handshake) state() State {
	switch {
	case h.client.phase == finished && h.worker.phase == finished:
		return Open
	case h.client.greeted() && h.worker.greeted():
		return Handshaking
	}
	return Greeting
}
