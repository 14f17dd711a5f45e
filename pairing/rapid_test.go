package pairing

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTwin has the table and its naive twin live through the same events.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(drawn(t))
		for range rapid.IntRange(1, 1000).Draw(t, "events") {
			if err := m.event(); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(m.log, "\n"))
			}
		}
	})
}

// TestTwinsOfAGroup is TestTwin with two tables, and twins, that remember together.
func TestTwinsOfAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := drawn(t)
		all := newMachines(pick)
		for range rapid.IntRange(1, 1000).Draw(t, "events") {
			if err := all.event(pick); err != nil {
				t.Fatalf("%v\n%s\n\n%s", err, strings.Join(all[0].log, "\n"), strings.Join(all[1].log, "\n"))
			}
		}
	})
}

// drawn picks numbers as rapid has them.
func drawn(t *rapid.T) func(n int) int {
	return func(n int) int {
		if n < 2 {
			return 0
		}
		return rapid.IntRange(0, n-1).Draw(t, "pick")
	}
}
