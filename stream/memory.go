package stream

// #include "memory.h"
import "C"

// keepMemory has malloc keep what libzmq frees, so much at each heap's end (of which
// libzmq's threads have one or two, see ShareHeap). libzmq allocates a buffer for every
// read and frees it when the bytes have gone; glibc by its default of 128 KiB
// would give the memory back to the kernel and fault it in again, some 100,000
// times for each gigabyte that is relayed.
func keepMemory() { C.memory_keep(4 << 20) }

// ShareHeap has all threads allocate from one of malloc's heaps, if it is called before there are
// any: of a heap that is not the process's first, trimMemory cannot give back the end, which may be
// most of it when a crowd has come. It is not for who relays by STREAM sockets, where one
// thread of libzmq's and a pool's loop allocate and free for each chunk, and would wait for each other.
func ShareHeap() { C.memory_share() }

// trimMemory gives back what malloc holds and nobody uses, wherever it lies.
func trimMemory() { C.memory_trim() }
