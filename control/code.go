package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Code is the result of a request, as in HTTP.
type Code int

// The codes.
const (
	OK          Code = 200
	Accepted    Code = 202 // it is still going on; an event tells when it is through
	Malformed   Code = 400
	Forbidden   Code = 403 // not at the caller's level, or not about the caller's own
	NotFound    Code = 404
	Conflict    Code = 409
	SlowDown    Code = 429
	Failed      Code = 500
	UnknownVerb Code = 501
)

// Codes are all codes, ascending.
func Codes() []Code {
	return []Code{OK, Accepted, Malformed, Forbidden, NotFound, Conflict, SlowDown, Failed, UnknownVerb}
}

// String is the number.
func (c Code) String() string { return strconv.Itoa(int(c)) }

// Error is a request that was refused, on the side of the caller and on that of
// the server.
type Error struct {
	Code Code
	Text string
}

// Error is "text (code)".
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Text, int(e.Code)) }

// refuse makes an [Error].
func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of an error that [Client] returned, 0 when it is none of
// the server's: nobody answered.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// failure is the reply to a request that an error ended.
func failure(err error) Reply {
	var e *Error
	switch {
	case errors.As(err, &e):
		return Reply{Code: e.Code, Text: e.Text}
	case errors.Is(err, pairing.ErrNoWorker):
		return Reply{Code: NotFound, Text: err.Error()}
	case errors.Is(err, pairing.ErrWorkerExists):
		return Reply{Code: Conflict, Text: err.Error()}
	case errors.Is(err, pairing.ErrDialsIn):
		return Reply{Code: Conflict, Text: err.Error() + ": DRAIN or MAINT it; when it is stopped, REMOVE forgets it after 10 s"}
	case errors.Is(err, pairing.ErrWorkerConfig), errors.Is(err, stream.ErrEndpoint):
		return Reply{Code: Malformed, Text: err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return Reply{Code: Failed, Text: "the pool did not answer in time; what was asked may still happen"}
	}
	return Reply{Code: Failed, Text: err.Error()}
}
