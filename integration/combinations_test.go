package integration

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestS2EveryCombination plays every legal combination of socket types with every mechanism, single and multipart: the
// worker has every message, behind the client's identity where its type shows one, and the client has it back.
func TestS2EveryCombination(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "ipc"} {
		for _, w := range everyWay() {
			for _, mechanism := range mechanisms() {
				if transport == "ipc" && mechanism == "PLAIN" {
					continue // the mechanisms do not depend on the transport: two of them over ipc are enough
				}
				for _, c := range combinations() {
					t.Run(transport+"/"+w.name+"/"+mechanism+"/"+c.name(), func(t *testing.T) {
						got := c.exchange(t, w, transport, mechanism, sampleMessages())
						if diff := cmp.Diff(c.expected(sampleMessages()), got); diff != "" {
							t.Errorf("(-want +got):\n%s", diff)
						}
					})
				}
			}
		}
	}
}
