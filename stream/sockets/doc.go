// Package sockets has the system calls on sockets of our own, none of which ever
// blocks: connecting, reading and writing, and a connection's ends and options. The loop of package
// stream dials workers by it, and the agent both its sides.
//
//	to := sockets.At(address)
//	c, connected, err := to.Connect() // not connected yet: when c.FD can be written to, ask to.Connected(&c)
//	err = to.SetUp(c.FD)
//	n, err := sockets.Write(c.FD, data)
//	sockets.Close(c.FD)
//
// # Who owns what
//
// Descriptors are the caller's. There is no state.
//
// # What this package does not do
//
// It waits for nothing, looks up no name, and listens nowhere. Linux only.
package sockets
