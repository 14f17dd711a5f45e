// Package source has a connection that is dialled come from an address of the caller's
// choice, also one that no interface of this machine has.
//
//	from := source.Address{Addr: a, Reach: source.Routed}
//	err := from.Bind(fd, at)   // before connect(2), which chooses the port
//
// It opens and closes nothing, and chooses no address: that is package clientaddr. Linux only.
package source
