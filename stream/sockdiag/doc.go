// Package sockdiag asks the kernel for TCP sockets of this machine (sock_diag(7)): for the
// listener of one address, and for the connections that go to some ports.
//
//	inode, err := sockdiag.Listener(at)
//	err := sockdiag.EachConnection([]uint16{6000}, func(to netip.AddrPort) { ... })
//
// The tables of proc_net_tcp have the same, and end only behind all connections of all network
// namespaces.
//
// # What this package does not do
//
// It keeps nothing, and knows nothing of workers. An answer that does not come within a second
// is an error. Linux only.
package sockdiag
