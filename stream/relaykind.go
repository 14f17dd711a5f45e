package stream

import (
	"fmt"
	"slices"
	"strings"
)

// Relay says what moves a pair's bytes.
type Relay uint8

const (
	// RelayAuto takes each connection out of libzmq when it is paired, if that
	// can be done, and leaves it to the STREAM socket if not.
	RelayAuto Relay = iota
	// RelayStream leaves every connection to its STREAM socket. libzmq cannot
	// stop reading one peer, so a partner that reads more slowly than the other
	// side sends ends with overflow.
	RelayStream
	// RelaySplice takes every connection out of libzmq, and ends a pair for
	// which that fails (adopt-failed).
	RelaySplice
)

var relayNames = [...]string{RelayAuto: "auto", RelayStream: "stream", RelaySplice: "splice"}

func (r Relay) String() string { return relayNames[r] }

// ParseRelay reads what String writes.
func ParseRelay(s string) (Relay, error) {
	for r, name := range relayNames {
		if s == name {
			return Relay(r), nil
		}
	}
	return 0, fmt.Errorf("relay %q: want auto, stream or splice", s)
}

// Spliceable says which endpoint [RelaySplice] cannot serve, nil if it can serve
// all: a unix socket keeps no account of its bytes, so that nobody could tell
// whether libzmq had kept some.
func Spliceable(endpoints ...[]string) error {
	for _, endpoint := range slices.Concat(endpoints...) {
		if strings.HasPrefix(endpoint, "ipc://") {
			return fmt.Errorf("splice cannot carry %s: use auto or stream", endpoint)
		}
	}
	return nil
}
