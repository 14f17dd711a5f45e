// Package leaks finds goroutines that tests leave behind.
//
// It is go.uber.org/goleak with patience: that looks for half a second, in which a goroutine that is about to end may get
// no processor on a busy machine. It is no part of the program.
package leaks
