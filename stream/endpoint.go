package stream

import "github.com/streamq/streamq-proxy/stream/endpoint"

// ErrEndpoint is [endpoint.ErrInvalid].
var ErrEndpoint = endpoint.ErrInvalid

// Endpoint is where a pool listens, or what it dials.
type Endpoint = endpoint.Endpoint

// ParseEndpoint is [endpoint.Parse].
func ParseEndpoint(s string) (Endpoint, error) { return endpoint.Parse(s) }
