package pacing

import (
	"time"

	"golang.org/x/sys/unix"
)

// Who sends much in small pieces has somebody awake for each of them: libzmq writes, and
// reads, 8 KiB at a time. To wait a moment after each piece, so that more is there at once,
// can halve what a byte costs. Who asks and answers must not be kept waiting for that, nor
// anybody else who has something to say.
const (
	// GatherAfter is how many bytes one side must have sent since the other last spoke
	// to be waited for.
	GatherAfter = 128 << 10
	// GatherAlone is how many bytes one pair must have sent since another did to be
	// the only one: some milliseconds' worth at the least. One that speaks every now
	// and then is not kept waiting, either.
	GatherAlone = 4 << 20
)

// Wait blocks the thread for d. The kernel's timer slack (prctl(2), PR_SET_TIMERSLACK) adds
// up to 50 microseconds; a signal may cut it short. A timer of Go's would be a wake-up of
// another thread.
func Wait(d time.Duration) {
	pause := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&pause, nil)
}
