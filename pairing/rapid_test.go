package pairing

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTwin has the table and its naive twin live through the same events.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(func(n int) int {
			if n < 2 {
				return 0
			}
			return rapid.IntRange(0, n-1).Draw(t, "pick")
		})
		for range rapid.IntRange(1, 1000).Draw(t, "events") {
			if err := m.event(); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(m.log, "\n"))
			}
		}
	})
}
