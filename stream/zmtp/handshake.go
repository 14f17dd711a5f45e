package zmtp

import (
	"errors"
	"fmt"
)

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
	reason         reason
	fed            uint64 // octets that Client was given
	expected       string // see Guard
	guarded        bool
	released       bool
}

// Client takes the next bytes that the client sends, before they are forwarded:
// when b completes the name of the mechanism, [Handshake.Mechanism] knows it on
// return. Nothing of b is kept.
//
// An error wraps [ErrNotZMTP], when the greeting is none (the signature, the
// revision, a mechanism's name or the frame of an identity are impossible), or
// [ErrProtocol], in a [Violation], when what follows the greeting is against
// the protocol, or [ErrClientGaveUp], if the worker is guarded.
func (h *Handshake) Client(b []byte) (State, error) {
	h.fed += uint64(len(b))
	return h.feed(&h.client, &h.worker, Client, b)
}

// Worker is [Handshake.Client] for what the worker sends. When the error is a
// [Violation] by the client (its mechanism or its socket type do not fit to what
// the worker has just said of itself), then b itself is in order and may still
// be forwarded: the client learns from it, as from a direct connection, that it
// need not try again.
func (h *Handshake) Worker(b []byte) (State, error) {
	return h.feed(&h.worker, &h.client, Worker, b)
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
	return versionName(min(h.client.version, h.worker.version))
}

func versionName(version uint8) string {
	switch version {
	case version10:
		return "1.0"
	case version20:
		return "2.0"
	case version30:
		return "3.0"
	}
	return "3.1"
}

func (h *Handshake) feed(from, to *direction, side Side, b []byte) (State, error) {
	from.side = side
	var err error
	var before Stage
	for err == nil && len(b) > 0 && from.phase != finished {
		var n int
		phase := from.phase
		before = from.stage
		n, err = from.take(b, to, &h.reason)
		b = b[n:]
		if err == nil && from.phase != phase { // only then is anything known that was not
			err = h.meet()
		}
	}
	if err != nil {
		err = blame(err, from.side, before)
	}
	return h.state(), err
}

// blame says whose fault an error is, where that is not known yet.
func blame(err error, side Side, stage Stage) error {
	var broken violation
	switch {
	case errors.As(err, &broken):
		return &Violation{Side: side, Stage: stage, What: string(broken)}
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrClientGaveUp):
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotZMTP, err)
}

// meet tells each side when the other speaks 1.0, which changes what its next
// octet means, or that no further one need come. Before, it sees whether the
// client is too old for a guarded worker, and then whether the two fit together.
func (h *Handshake) meet() error {
	c, w := &h.client, &h.worker
	if h.guarded && c.version != 0 && c.version <= version20 && w.mechanism == "" && h.expected != "" && h.expected != "NULL" {
		return h.misfit("ZMTP %s at a worker that speaks %s", versionName(c.version), h.expected)
	}
	if c.version == version10 {
		if err := w.meetUnversioned(); err != nil {
			return err
		}
	}
	if w.version == version10 {
		if err := c.meetUnversioned(); err != nil {
			return err
		}
	}
	if h.guarded && c.stage == StageError {
		return fmt.Errorf("%w: %s", ErrClientGaveUp, h.ErrorReason())
	}
	return h.compare()
}

// compare sees whether mechanisms and socket types fit together.
func (h *Handshake) compare() error {
	c, w := &h.client, &h.worker
	switch {
	case c.mechanism != "" && w.mechanism != "" && c.mechanism != w.mechanism:
		return h.misfit("%s at a worker that speaks %s", c.mechanism, w.mechanism)
	case !fit(c.types, w.types):
		return h.misfit("%v at a worker that is %v", c.types, w.types)
	}
	return nil
}

// misfit is the client's fault, since it chose to come.
func (h *Handshake) misfit(format string, args ...any) error {
	return &Violation{Side: Client, Stage: h.client.stage, What: fmt.Sprintf(format, args...)}
}

func (h *Handshake) state() State {
	c, w := &h.client, &h.worker
	switch {
	case c.through(w) && w.through(c):
		return Open
	case c.greeted() && w.greeted():
		return Handshaking
	}
	return Greeting
}

// through says whether this side's clear part is over, and well.
func (d *direction) through(other *direction) bool {
	return d.stage == StageReady || d.initiated() && other.stage == StageReady
}
