package seam

// #include "guard.h"
// #include "seam.h"
import "C"

import (
	"fmt"
	"math"
	"syscall"
)

// Guard refuses connections whose descriptor would be numbered most or higher;
// those of favoured listeners, last or higher. It may be called again.
func Guard(most, last uint64) error {
	if errno := C.seam_guard(descriptor(most), descriptor(last)); errno != 0 {
		return fmt.Errorf("a spare descriptor: %w", syscall.Errno(errno))
	}
	return nil
}

func descriptor(n uint64) C.int { return C.int(min(n, math.MaxInt32)) }

// Favour gives the callers of a listener that libzmq has not been given yet the
// last descriptors, up to the higher bound of [Guard], until it is closed.
func Favour(listener int) error {
	if errno := C.seam_favour(C.int(listener)); errno != 0 {
		return fmt.Errorf("favouring a listener: %w", syscall.Errno(errno))
	}
	return nil
}

// Refused is how many connections this process has closed as they came.
func Refused() uint64 { return uint64(C.seam_refused()) }
