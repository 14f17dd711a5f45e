//go:build linux && cgo

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
)

// Exit codes of ctl, for scripts.
const (
	exitDone = iota
	exitFailed
	exitMalformed
	exitNoAnswer
	exitNotFound
	exitForbidden
	exitConflict
)

// exits are what they mean.
var exits = [...]string{
	exitDone:      "done or accepted",
	exitFailed:    "failed (or what it said could not be printed)",
	exitMalformed: "makes no sense (flags included)",
	exitNoAnswer:  "no proxy answered",
	exitNotFound:  "no such thing",
	exitForbidden: "not allowed (by the proxy, or by the mode of its file)",
	exitConflict:  "not possible now",
}

// exitCodes are all of them in one sentence.
func exitCodes() string {
	var all []string
	for code, meaning := range exits {
		all = append(all, fmt.Sprintf("%d %s", code, meaning))
	}
	return strings.Join(all, ", ")
}

// exit is an error with an exit code of its own.
type exit struct {
	error
	code int
}

func (e exit) Unwrap() error { return e.error }

// exitCode is what main ends with.
func exitCode(err error) int {
	var e exit
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}

// misuse is an error of who has written the command line of ctl.
func misuse(format string, args ...any) error {
	return exit{fmt.Errorf(format, args...), exitMalformed}
}

// exitOf gives the error of a call of the control socket its exit code.
func exitOf(err error) error {
	if err == nil {
		return nil
	}
	code := exitFailed
	switch wire.CodeOf(err) {
	case wire.Malformed, wire.UnknownVerb:
		code = exitMalformed
	case wire.NotFound:
		code = exitNotFound
	case wire.Forbidden:
		code = exitForbidden
	case wire.Conflict, wire.SlowDown:
		code = exitConflict
	case 0:
		switch {
		case errors.Is(err, client.ErrNoAnswer):
			code = exitNoAnswer
		case errors.Is(err, client.ErrEndpoint):
			code = exitMalformed
		case errors.Is(err, fs.ErrPermission):
			code = exitForbidden
		}
	}
	return exit{err, code}
}
