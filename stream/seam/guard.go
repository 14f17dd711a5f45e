package seam

// #include "guard.h"
import "C"

import (
	"fmt"
	"math"
	"syscall"
)

// Guard refuses connections whose descriptor would be numbered most or higher;
// those of favoured listeners, last or higher. It may be called again.
func Guard(most, last uint64) error {
	if errno := C.accept_guard(descriptor(most), descriptor(last)); errno != 0 {
		return fmt.Errorf("a spare descriptor: %w", syscall.Errno(errno))
	}
	return nil
}

func descriptor(n uint64) C.int { return C.int(min(n, math.MaxInt32)) }

// Favour gives a listener's callers the last descriptors, up to the higher bound
// of [Guard], until [Unfavour], which must come before the listener is closed. A
// listener whose number is not among the lowest 4096 stays as any other.
func Favour(listener int) { C.accept_favour(C.int(listener), 1) }

// Unfavour takes it back.
func Unfavour(listener int) { C.accept_favour(C.int(listener), 0) }

// Refused is how many connections this process has closed as they came.
func Refused() uint64 { return uint64(C.accept_refused()) }
