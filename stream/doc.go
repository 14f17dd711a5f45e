// Package stream moves the bytes: two ZMQ_STREAM sockets, the one loop that
// owns them, the connections to workers that listen, and the relay between the
// two sides of a pair.
//
//	pool, err := stream.Open(zctx, cfg) // binds; nothing is served yet
//	if err != nil { ... }               // one line that names the endpoint
//	err = pool.Run(ctx)                 // serves until ctx ends or Drain is through
//
// # The way of a byte
//
//	socket.receive -> loop.dispatch -> relay.forward -> table (partner) -> conn.write -> socket.send
//	  (id, chunk)      whose is it?     watched until    O(1)               or backlog     (partner's id, chunk)
//	                                    the pair is open
//
// A chunk arrives on a socket behind the routing id of its peer. The loop finds
// the peer in the pairing table, exchanges the routing id for its partner's and
// sends the rest unchanged. Workers that listen are reached over plain TCP or
// unix connections that the same loop reads and writes.
//
// # Who owns what
//
// One goroutine, [Pool.Run], owns both sockets, every descriptor, and the
// [pairing.Table] of its pool. Everyone else sends it functions to run between
// two turns and reads the immutable values they bring back. Dialling happens in
// goroutines of its own, which post their result to the loop.
//
// # What a connection goes through
//
//	connect notice     id validated, first bytes look like ZMTP      Join
//	     |                              |                              |
//	 connected ---------------------> ready (waits, or is a slot) -> paired --> closing --> gone
//	     |                              |                              |           |
//	     +------------------------------+--------- abort --------------+-----------+
//
// closing: what was sent to the connection is still being delivered; it ends
// with a FIN once the kernel has everything. abort: the connection is shut down
// at once. Both end with libzmq's disconnect notice, or with the discovery that
// libzmq has let go of the descriptor without one.
//
// # What this package does not do
//
// It holds no keys and decrypts nothing: of a connection's content it looks at
// the greeting and the names of the handshake's commands (package zmtp), which
// every mechanism sends in clear, and only until the pair is open. It decides
// nothing about who is paired with whom: that is package pairing.
//
// Linux only: the traps of STREAM sockets can be stepped round only with a
// second descriptor of each connection, TCP_INFO and SO_COOKIE.
package stream
