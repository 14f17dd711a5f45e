package stream

import (
	"testing"

	"github.com/streamq/streamq-proxy/stream/endpoint"
)

// Whatever can be written has sockets.
func TestTransports(t *testing.T) {
	for _, network := range endpoint.Networks() {
		if transportOf(Endpoint{Network: network}) == nil {
			t.Errorf("%s has no sockets", network)
		}
	}
}
