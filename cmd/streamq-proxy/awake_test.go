package main

import (
	"testing"
	"time"
)

// A reading that comes much too late is a stop, which the clock does not count; one that is a little late is not.
func TestAwake(t *testing.T) {
	t.Parallel()
	start := time.Now()
	var a awake
	for _, one := range []struct{ at, shows time.Duration }{
		{0, 0},
		{awakeLook, awakeLook},
		{2*awakeLook + awakeMin, 2*awakeLook + awakeMin},             // busy
		{3*awakeLook + awakeMin + time.Hour, 3*awakeLook + awakeMin}, // stopped
		{4*awakeLook + awakeMin + time.Hour, 4*awakeLook + awakeMin},
		{5*awakeLook + awakeMin + 2*time.Hour, 5*awakeLook + awakeMin}, // again
	} {
		if got := a.at(func() time.Time { return start.Add(one.at) }).Sub(start); got != one.shows {
			t.Errorf("at %v it shows %v, want %v", one.at, got, one.shows)
		}
	}
}
