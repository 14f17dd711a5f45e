package zmtp

import (
	"errors"
	"fmt"
)

// Errors of [Handshake.Client] and [Handshake.Worker].
var (
	// ErrNotZMTP: a greeting is none. It is wrapped together with what was wrong.
	ErrNotZMTP = errors.New("not ZMTP")

	// ErrProtocol: what follows the greeting breaks the protocol, so that a
	// peer on libzmq would give up and, where it is the one that connects,
	// never come back. It is wrapped by a [Violation].
	ErrProtocol = errors.New("ZMTP protocol error")

	// ErrClientGaveUp: the client ends the handshake with ERROR, which a
	// guarded worker must not see ([Handshake.Guard]).
	ErrClientGaveUp = errors.New("the client sent ERROR")
)

// Violation is an error that wraps [ErrProtocol].
type Violation struct {
	Side  Side   // whose fault it is; where the two do not fit together, the client's
	Stage Stage  // how far that side was
	What  string // in one line, of bounded length
}

// Error is one line.
func (v *Violation) Error() string {
	return fmt.Sprintf("%v: %v after %v: %s", ErrProtocol, v.Side, v.Stage, v.What)
}

// Unwrap is [ErrProtocol].
func (v *Violation) Unwrap() error { return ErrProtocol }

// violation is a broken rule before it is known whose it is.
type violation string

func (v violation) Error() string { return string(v) }

func violationf(format string, args ...any) error { return violation(fmt.Sprintf(format, args...)) }
