// Package inuse says which process has an address that somebody else wants.
//
//	inuse.TCP("127.0.0.1:5555")  address already in use by nginx (process 812)
//
// It reads all of proc(5) when it is asked, which takes milliseconds on a quiet machine and
// a second on one with many processes or connections: nobody who serves others may wait for
// it. What /proc does not tell (another user's
// process, another namespace's) is left out, and the rest is said.
//
// # What this package does not do
//
// It makes no socket, and finds nobody who may come next.
package inuse
