package stream

import (
	"context"
	"testing"
	"time"
)

// A slow turn is counted, once, however many have looked meanwhile; and who
// waits for the loop is seen to.
func TestSlowTurnsAreCounted(t *testing.T) {
	r := newRig(t)
	const stalled = 30 * time.Millisecond
	slow := func(s Snapshot) (n uint64) {
		for i, count := range s.Turns.Counts {
			if i >= 8 { // above 25 ms
				n += count
			}
		}
		return n
	}
	before := r.snapshot()
	release := r.stall()
	lagging := make(chan Snapshot, 1)
	go func() {
		s, err := r.pool.Snapshot(context.Background())
		if err != nil {
			t.Error(err)
		}
		lagging <- s
	}()
	eventually(t, "the question waits", func() bool { return len(r.pool.commands) > 0 })
	time.Sleep(stalled) // the loop stands still for so long
	release()
	if s := <-lagging; s.Lag < stalled {
		t.Errorf("the question waited %v", s.Lag)
	}
	eventually(t, "the slow turn is counted", func() bool { return slow(r.snapshot()) > slow(before) })
	seen := slow(r.snapshot())
	if after := r.snapshot(); slow(after) < seen || after.Turns.Count <= before.Turns.Count || after.Turns.Sum < stalled {
		t.Errorf("looking takes away: %d slow turns, then %d, of %d", seen, slow(after), after.Turns.Count)
	}
}
