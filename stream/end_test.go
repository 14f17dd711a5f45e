package stream

import (
	"fmt"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// The truth table of how a pair ends: what was seen of the first side's end before,
// which side the loop finds gone now, and how. A first end that was seen decides; one
// that was only announced (no FIN and no reset was read) is whatever it is found to be.
func TestHowAPairEnds(t *testing.T) {
	const (
		nothing   = "nothing"
		announced = "announced"
		fin       = "FIN"
		rst       = "RST"
	)
	for _, row := range []struct {
		first, seen string // which side had ended, and what was seen of it
		gone        string // which side is gone now
		how         pairing.Gone
		want        pairing.Reason
	}{
		{"", nothing, "client", pairing.Closed, pairing.ClientClosed},
		{"", nothing, "client", pairing.Reset, pairing.ClientReset},
		{"", nothing, "worker", pairing.Closed, pairing.WorkerClosed},
		{"", nothing, "worker", pairing.Reset, pairing.WorkerReset},

		{"client", announced, "client", pairing.Closed, pairing.ClientClosed},
		{"client", announced, "client", pairing.Reset, pairing.ClientReset},
		{"client", announced, "worker", pairing.Closed, pairing.ClientClosed},
		{"client", announced, "worker", pairing.Reset, pairing.ClientClosed},
		{"client", fin, "client", pairing.Closed, pairing.ClientClosed},
		{"client", fin, "client", pairing.Reset, pairing.ClientClosed},
		{"client", fin, "worker", pairing.Closed, pairing.ClientClosed},
		{"client", fin, "worker", pairing.Reset, pairing.ClientClosed},
		{"client", rst, "client", pairing.Closed, pairing.ClientReset},
		{"client", rst, "client", pairing.Reset, pairing.ClientReset},
		{"client", rst, "worker", pairing.Closed, pairing.ClientReset},
		{"client", rst, "worker", pairing.Reset, pairing.ClientReset},

		{"worker", announced, "worker", pairing.Closed, pairing.WorkerClosed},
		{"worker", announced, "worker", pairing.Reset, pairing.WorkerReset},
		{"worker", announced, "client", pairing.Closed, pairing.WorkerClosed},
		{"worker", announced, "client", pairing.Reset, pairing.WorkerClosed},
		{"worker", fin, "worker", pairing.Closed, pairing.WorkerClosed},
		{"worker", fin, "worker", pairing.Reset, pairing.WorkerClosed},
		{"worker", fin, "client", pairing.Closed, pairing.WorkerClosed},
		{"worker", fin, "client", pairing.Reset, pairing.WorkerClosed},
		{"worker", rst, "worker", pairing.Closed, pairing.WorkerReset},
		{"worker", rst, "worker", pairing.Reset, pairing.WorkerReset},
		{"worker", rst, "client", pairing.Closed, pairing.WorkerReset},
		{"worker", rst, "client", pairing.Reset, pairing.WorkerReset},
	} {
		t.Run(fmt.Sprintf("%s %s, %s %d", row.first, row.seen, row.gone, row.how), func(t *testing.T) {
			end := splice.End{Begun: row.seen != nothing, InOrder: row.seen == fin, Reset: row.seen == rst}
			if row.first == "worker" {
				end.First = 1
			}
			client := row.gone == "client"
			if got := counts(row.how, client, end).Reason(client); got != row.want {
				t.Errorf("%v, want %v", got, row.want)
			}
		})
	}
}
