package pairing

import (
	"testing"
	"time"
)

// TestNoAllocation holds what is done for every chunk, and every choice, to
// allocating nothing.
func TestNoAllocation(t *testing.T) {
	const pairs, runs = 5000, 5000
	none := func(what string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(runs, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	table := crowd(t, pairs, 100, nil)
	i := 0
	none("look-up", func() {
		if table.Peer(clientID(i%pairs)).Partner() == nil {
			t.Fatal("no partner")
		}
		i++
	})
	now := time.Duration(0)
	none("touch", func() { // far enough apart to move in the queue
		now += 10 * time.Second
		table.Touch(now, workerID(i%pairs))
		i++
	})
	none("tick", func() {
		table.Tick(0)
		table.Deadline()
	})
	client := table.Peer(clientID(0))
	none("failure", func() {
		if i++; i%100 == 0 {
			table.endStreak(client.worker)
		}
		table.failed(client, WorkerClosed)
		chooseOnce(table)
	})
	for _, policy := range Policies() {
		table := crowd(t, pairs, 100, func(c *Config) { c.Policy = policy })
		none(policy.String(), func() { chooseOnce(table) })
	}
}
