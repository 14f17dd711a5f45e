// Package pacing has what a goroutine knows of when it pays to wait: for more of what comes
// in small pieces, and for its turn with Go's scheduler. The loop of package stream and the
// threads of package splice both live by it.
//
// # What this package does not do
//
// It decides about no pair: how long is waited, and for whom, its users say, since what
// they can know differs. It has no state.
package pacing
