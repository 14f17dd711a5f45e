// Package inuse says which process has an address that somebody else wants.
//
//	inuse.TCP("127.0.0.1:5555")  address already in use by nginx (process 812)
//
// It reads proc(5) when it is asked, which may take a few milliseconds: for the last
// words of a program that cannot start. What /proc does not tell (another user's
// process, another namespace's) is left out, and the rest is said.
//
// # What this package does not do
//
// It makes no socket, and finds nobody who may come next.
package inuse
