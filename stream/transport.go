package stream

import (
	"github.com/streamq/streamq-proxy/stream/given"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// transport is what the sockets of one network are made of. tcp.go and ipc.go have those
// there are; how their endpoints are written is package endpoint's.
type transport interface {
	// listen makes a listening socket, with the options that what it accepts has from it.
	// ep has no name that would have to be looked up.
	listen(ep Endpoint, how listening) (fd int, err error)
	// given is the listener that a service manager has for ep.
	given(all *given.Listeners, ep Endpoint) (fd int, found bool)
	// options are set on a listener that somebody else has made.
	options(fd int, how listening) error
	// bound is ep with what the kernel has chosen of it.
	bound(ep Endpoint, fd int) Endpoint
	// handed is what libzmq wants to hear beside a listener's descriptor: it takes from
	// that only which of its own listeners has to accept.
	handed(ep Endpoint) string
	// inUse is the error of an endpoint that somebody else has. It is not for a loop: it reads all of /proc.
	inUse(ep Endpoint) error
	// remote is where a dial goes. ep has no name that would have to be looked up.
	remote(ep Endpoint) sockets.Remote
}

// transportOf has a case for each of [endpoint.Networks].
func transportOf(ep Endpoint) transport {
	switch ep.Network {
	case "tcp":
		return tcp{}
	case "ipc":
		return ipc{}
	}
	panic("stream: no sockets for " + ep.String())
}
