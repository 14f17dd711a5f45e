package wire

import (
	"errors"
	"fmt"
	"strconv"
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

// meanings are all codes, ascending, with what a person is told of each.
var meanings = [...]struct {
	code    Code
	meaning string
}{
	{OK, "done"},
	{Accepted, "accepted, and still going on"},
	{Malformed, "makes no sense"},
	{Forbidden, "not at your level, or not your own connection"},
	{NotFound, "no such thing"},
	{Conflict, "not possible as things are; nothing has changed"},
	{SlowDown, "too fast"},
	{Failed, "it failed; a pool that does not answer within 2 s is such a failure"},
	{UnknownVerb, "no such verb"},
}

// Codes are all codes, ascending.
func Codes() []Code {
	all := make([]Code, len(meanings))
	for i, m := range meanings {
		all[i] = m.code
	}
	return all
}

// Meaning is what a code means, "" for one that is none.
func (c Code) Meaning() string {
	for _, m := range meanings {
		if m.code == c {
			return m.meaning
		}
	}
	return ""
}

// Refused says whether nothing was done.
func (c Code) Refused() bool { return c >= Malformed }

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

// Reply is what the caller is answered.
func (e *Error) Reply() Reply { return Reply{Code: e.Code, Text: e.Text} }

// Errorf makes an [Error].
func Errorf(code Code, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of an error that a client returned, 0 when the error is not the
// proxy's: nobody answered.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}
