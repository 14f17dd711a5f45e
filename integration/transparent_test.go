package integration

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	zmq "github.com/pebbe/zmq4"
)

// TestR1TransparentSameAsDirect sends messages of 1 byte to 64 MiB, single and in many frames, and compares all that both
// sides receive with what they receive without the proxy. TestS2EveryCombination does so for every socket type.
func TestR1TransparentSameAsDirect(t *testing.T) {
	t.Parallel()
	var messages [][]string
	for _, size := range []int{1, 255, 256, 8191, 8192, 8193, 1 << 20} {
		messages = append(messages, []string{strings.Repeat("s", size)})
	}
	for _, frames := range []int{2, 10, 1000} {
		m := make([]string, frames)
		for i := range m {
			m[i] = strings.Repeat("m", i)
		}
		messages = append(messages, m)
	}
	huge := []string{strings.Repeat("h", 64<<20)}
	for _, c := range []combination{
		{zmq.REQ, zmq.REP, roundTrips(nil)},
		{zmq.DEALER, zmq.ROUTER, roundTrips(nil)},
	} {
		if c.worker == zmq.ROUTER {
			messages = append(messages, huge)
		}
		t.Run(c.name(), func(t *testing.T) {
			var want []string
			for _, w := range everyWay() {
				t.Run(w.name, func(t *testing.T) {
					got := digests(c.exchange(t, w, "tcp", "CURVE", messages))
					if want == nil {
						want = got
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("not as it is directly (-direct +proxy):\n%s", diff)
					}
				})
			}
		})
	}
}

// digests describes a transcript in lines that a person can compare.
func digests(x transcript) (lines []string) {
	for _, side := range []struct {
		name     string
		messages [][]string
	}{{"client", x.Client}, {"worker", x.Worker}} {
		for i, m := range side.messages {
			h := sha256.New()
			for _, frame := range m {
				fmt.Fprintf(h, "%d:%s", len(frame), frame)
			}
			lines = append(lines, fmt.Sprintf("%s %d: %d frames %x", side.name, i, len(m), h.Sum(nil)[:8]))
		}
	}
	return lines
}
