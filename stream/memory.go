package stream

// #include "memory.h"
import "C"

// keepMemory has malloc keep what libzmq frees, so much at each heap's end (all of
// libzmq's threads allocate from one or two). libzmq allocates a buffer for every
// read and frees it when the bytes have gone; glibc by its default of 128 KiB
// would give the memory back to the kernel and fault it in again, some 100,000
// times for each gigabyte that is relayed.
func keepMemory() { C.memory_keep(4 << 20) }

// trimMemory gives back what malloc holds and nobody uses, wherever it lies.
func trimMemory() { C.memory_trim() }
