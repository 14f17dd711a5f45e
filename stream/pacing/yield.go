package pacing

import (
	"runtime"
	"time"
)

// yieldEvery is less than the 10 ms after which Go's runtime takes a goroutine
// that has not been through its scheduler for a hog.
const yieldEvery = 8 * time.Millisecond

// Yield goes through Go's scheduler once due has come, and says when it is due
// next. It is for a goroutine that lives in short system calls. Taken for a hog,
// it has its P taken from it in its next one, and each such success has the
// runtime's monitor look again 20 microseconds later rather than 10 milliseconds:
// that alone was a twelfth of what a busy relay cost, and a third of what the
// loop did where it relays small messages itself.
func Yield(clock, due time.Duration) (next time.Duration) {
	if clock < due {
		return due
	}
	runtime.Gosched()
	return clock + yieldEvery
}
