// Package client speaks to the control socket of a proxy, for applications that give
// their connections identities and heartbeats, and for those who operate the proxy.
//
//	c, err := client.Dial(ctx, "ipc:///run/streamq-proxy/control.sock", nil)
//	defer c.Close()
//	lease, err := c.Hello(ctx, client.Hello{Identity: "alice", Endpoint: local, Prefer: []string{"w1", "w2"}})
//	err = c.KeepAlive(ctx, "alice") // until ctx ends
//
//	pool := c.Pool("") // an operator's
//	left, err := pool.Drain(ctx, "w1")
//	for p, err := range pool.Pairs(ctx, client.Filter{Worker: "w1"}) { ... }
//
// A call that the proxy has refused returns a [*wire.Error], whose code [wire.CodeOf]
// tells; one that it has not answered in time, [ErrNoAnswer]. What calls return is of
// package wire.
//
// # Who owns what
//
// A [Client] has a libzmq context, with an I/O thread, and a socket of its own, which
// its methods use one after the other. [Client.Events] has a socket beside it for as
// long as it runs.
//
// # What this package does not do
//
// It imports nothing of the proxy but package wire. The proxy's
// data path defines C functions that take the place of libc's, such as accept(2); a
// program that only speaks to a proxy must have none of them.
package client
