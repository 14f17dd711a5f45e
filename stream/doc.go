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
// partner's and sends the rest unchanged: so it is with [RelayStream]. With any other
// relay a connection is taken from libzmq when it is born (door.go), and the loop reads
// and writes its descriptor itself, as it does with workers that listen, which it
// dials. Which of the two it is only the connection's link knows (link.go). An open pair
// of which both sides are the loop's own is lent to the threads of package splice when it is no
// longer young (young.go); they move its bytes until both sides have ended (lend.go).
// Either link can be left unread: a reader that stops holds its own partner back.
//
// # Who owns what
//
// One goroutine, [Pool.Run], owns both sockets, every descriptor that is not lent,
// and the [pairing.Table] of its pool. Everyone else sends it functions to run between
// two turns and reads the immutable values they bring back. Only two jobs that take long
// have goroutines of their own: the look-up of a host's name, which posts its result to the
// loop, and the giving back of memory after a crowd (tidy.go), which touches nothing of it.
// A descriptor that came through a STREAM socket is closed when libzmq and the loop have both
// let go of it (package seam); until then its number is no other's.
//
// # What a pair goes through
//
//	handshaking --both have said READY--> young --a second, 16 chunks, a backlog--> lent
//
// handshaking: each chunk is watched (relay.go). young: nothing is looked at any more, and the
// loop moves the bytes itself, its end included (young.go), which spares a pair that is soon
// over what lending it costs. lent: the threads of package splice have it, with its half-closes
// and its end (lend.go). A pair of which a side is a STREAM socket's is never lent, and the loop
// carries its half-closes (halfclose.go): libzmq, which would close at a FIN, is not told of one.
//
// # How it is decided
//
// What the table decides is not done where it is heard: act puts it into a queue, and settle,
// which the loop calls behind each event, works that off (actions.go). So no connection changes
// under the hands of a function that is in the middle of it.
//
// # What a connection goes through
//
//	live --Close--> closing --the kernel has everything--> finished
//	  |                |                                      |
//	  |                |  Abort, or it has ended              |  it has ended
//	  +----------------+------------------+-------------------+
//	                                      v
//	                                     dead
//
// live: bytes go both ways, or are gathered until there is a partner. closing: what was
// sent to the connection is still being delivered, and what it sends is dropped. finished:
// the kernel has everything and a FIN behind it, and the other side's end is awaited.
// refused: the table has refused it, and it is left unread until it is closed (hold.go).
// dead: the loop has let go; libzmq's last notice of a peer may still come (socket.due).
//
// # What this package does not do
//
// It holds no keys and decrypts nothing: of a connection's content it looks at
// the greeting and the names of the handshake's commands (package zmtp), which
// every mechanism sends in clear, and only until the pair is open. It decides
// nothing about who is paired with whom: that is package pairing.
//
// Linux only: what STREAM sockets lack is done by package seam, which needs epoll(7) and
// stands where libzmq looks for libc's functions.
package stream
