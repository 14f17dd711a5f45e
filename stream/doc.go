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
//	socket or descriptor -> loop -> relay.forward -> table -> relay.write -> descriptor or socket
//	    a chunk          whose is it?  watched until  partner,   or backlog      the partner's
//	                                   the pair is open  O(1)
//
// A chunk arrives on a STREAM socket behind the routing id of its peer. The loop
// finds the peer in the pairing table, exchanges the routing id for its
// partner's and sends the rest unchanged. Workers that listen are dialled, and
// what is paired is adopted: taken out of libzmq, so that the loop reads and
// writes its descriptor directly and can leave it unread (adopt.go). An open pair
// of which both sides are direct is lent to the threads of package splice, which
// move its bytes until both sides have ended (lend.go). The STREAM sockets are the
// door; with [RelayStream] they are the house as well.
//
// # Who owns what
//
// One goroutine, [Pool.Run], owns both sockets, every descriptor that is not lent,
// and the [pairing.Table] of its pool. Everyone else sends it functions to run between
// two turns and reads the immutable values they bring back. Only two jobs that take long
// have goroutines of their own: the look-up of a host's name, which posts its result to the
// loop, and the giving back of memory after a crowd (tidy.go), which touches nothing of it.
//
// # What a connection goes through
//
//	fresh --its descriptor is proven--> live --Join--> adopting --libzmq lets go--> live, direct
//	  |                                  |                |                           |
//	  |                                  +----------------+--------- Close -----------+--> closing
//	  |                                  |                |                           |       | all delivered
//	  +------------- Abort --------------+----------------+---------------------------+       v
//	  v                                                                                    finished
//	severed ------------- libzmq's notice, or its letting go without one ------> dead <-------+
//
// closing: what was sent to the connection is still being delivered. finished:
// the kernel has everything and a FIN behind it, and the other side's end is
// awaited. severed: shut down at once, or dismissed if it was sent nothing. A
// dialled connection begins live and direct.
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
