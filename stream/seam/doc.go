// Package accept stands between libzmq's listeners and the kernel, so that they
// never run out of descriptors: libzmq 4.3.4 aborts the process when accept4(2)
// fails with EMFILE for an ipc listener, and when it does for a tcp listener it
// tries again at once, for ever.
//
//	libzmq's listener ── accept4 ──► accept.c ── system call ──► kernel
//	                                    │
//	                                    └ descriptors are scarce, or there is none:
//	                                      closed, counted, and ECONNABORTED
//
// The C functions accept4 and accept are defined here, and a program that this
// package is part of exports them: the dynamic linker resolves every library's
// use of these names to the program's own before libc's (ld.so(8)). ECONNABORTED,
// a caller who has gone again, is what both of libzmq's listeners take and go on
// from. A new descriptor is the lowest that is free (open(2)), so its number says
// how many are in use, and the decision needs no account that others keep.
//
// # What is promised
//
// Whatever libzmq is connected to, by however many at once, none of its listeners
// sees EMFILE, ENFILE, ENOMEM or ENOBUFS. Who connects when descriptors are scarce
// is closed at once, and those that are left serve everything else. When there is
// none at all, one that is kept for that purpose makes way; should another thread
// be faster to take it, the listener rests for 10 ms before it tries again.
//
// # What this package does not do
//
// It does not bound a listener's share. Go's own listeners are not concerned:
// package net makes system calls of its own and has what it needs for EMFILE.
// The state is the process's, as the limit and the numbers are. A build in which
// libzmq finds another accept4 (a plugin, -Bsymbolic) has no promise: TestInForce
// says so.
package seam
