package stream

import (
	"fmt"
	"slices"
	"strings"
)

// Relay says what moves a pair's bytes.
type Relay uint8

const (
	// RelayAuto takes each connection from libzmq when it is born; the kernel moves
	// the bytes of its pair.
	RelayAuto Relay = iota
	// RelayStream leaves every connection to its STREAM socket.
	RelayStream
	// RelaySplice is RelayAuto under the name of what it does.
	RelaySplice
)

var relayNames = [...]string{RelayAuto: "auto", RelayStream: "stream", RelaySplice: "splice"}

// Relays are the names of all relays.
func Relays() []string { return slices.Clone(relayNames[:]) }

func (r Relay) String() string { return relayNames[r] }

// ParseRelay reads what String writes.
func ParseRelay(s string) (Relay, error) {
	for r, name := range relayNames {
		if s == name {
			return Relay(r), nil
		}
	}
	return 0, fmt.Errorf("relay %q is none of %s", s, strings.Join(Relays(), ", "))
}
