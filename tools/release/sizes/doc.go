// Sizes measures what `make release` has made beside Debian's packages of HAProxy and
// nginx, and writes the table into docs/release.md: the size of the packages, the time
// from a start to the first connection that is accepted, and the memory that it takes
// then, with nobody connected.
//
//	go -C tools/release run ./sizes -root ../..
//
// Each passes one port of the loopback on to another, is started 15 times in turn with
// the others, and is ended by its process id.
package main
