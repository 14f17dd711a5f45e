package control

import (
	"context"
	"errors"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// failure is the reply to a request that an error ended.
func failure(err error) wire.Reply {
	var e *wire.Error
	var ambiguous *pairing.Ambiguous
	var door *stream.DoorError
	switch {
	case errors.As(err, &e):
		return e.Reply()
	case errors.Is(err, stream.ErrNoDoor):
		return wire.Reply{Code: wire.NotFound, Text: err.Error()}
	case errors.As(err, &door):
		return wire.Reply{Code: wire.Conflict, Text: err.Error()}
	case errors.As(err, &ambiguous):
		return wire.Reply{Code: wire.Conflict, Text: err.Error() + ": say endpoint=IP:PORT, as the proxy sees it"}
	case errors.Is(err, pairing.ErrNoWorker), errors.Is(err, pairing.ErrNotPinned):
		return wire.Reply{Code: wire.NotFound, Text: err.Error()}
	case errors.Is(err, pairing.ErrWorkerExists), errors.Is(err, pairing.ErrPinsFull):
		return wire.Reply{Code: wire.Conflict, Text: err.Error()}
	case errors.Is(err, pairing.ErrDialsIn):
		return wire.Reply{Code: wire.Conflict, Text: err.Error() + ": DRAIN or MAINT it; when it is stopped, REMOVE forgets it after 10 s"}
	case errors.Is(err, pairing.ErrWorkerConfig), errors.Is(err, endpoint.ErrInvalid):
		return wire.Reply{Code: wire.Malformed, Text: err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return wire.Reply{Code: wire.Failed, Text: "the pool did not answer in time; what was asked may still happen"}
	}
	return wire.Reply{Code: wire.Failed, Text: err.Error()}
}
