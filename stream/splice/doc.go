// Package splice moves the bytes of open pairs: what arrives on one socket goes
// to the other, both ways, until both sides have ended. The kernel moves what is
// large (splice(2)), and what is small is read and written, whichever costs less
// for the traffic that there is.
//
//	r, err := splice.New(threads, pipes)
//	p, err := r.Start(a, b, rest, end, counters, owner) // two connected, non-blocking stream sockets
//	...                                                 // owner.Told(p) tells that an end has begun, and that all is over
//	end = p.End()                                       // which side it began with, and how
//	rest = p.Stop()                                     // the sockets are the caller's again
//
// # What is kept
//
// Order, and every byte: a side that does not read stops the other's writing, by
// the kernel's own flow control. A FIN is passed on when everything before it has
// been, and the other way goes on (half-close). A reset ends both ways: nothing more
// goes to the side that was reset, and what it had sent before is passed on for as
// long as the other side has room. The caller, who owns the sockets, passes the reset
// on, behind what [Pair.Stop] returns for the other side.
//
// # Who owns what
//
// The caller owns the sockets and closes them, after Stop. Between Start and Stop
// nobody else reads, writes or shuts them down. One pair is moved by one thread
// at a time, under the pair's lock; Stop takes the same lock and so never waits
// for longer than one thread needs for one share of one pair.
//
// # Threads
//
// Each thread waits on an epoll instance of its own, edge-triggered, so that a
// socket is registered once and not changed. A pair is on one thread's watch, that
// of the thread with the fewest, and is moved to another's when one has much to do
// and another little (balance.go). One epoll instance for all would wake a second
// thread for a message that the first was about to see, which costs more than it
// brings.
//
// An event loop can be such a thread itself (Hand): it waits for its own descriptors and for the pairs that it has started by
// one epoll instance, so that a pair which is soon over costs no switch between threads. One that goes on is passed to
// a thread of the relay.
//
// # What this package does not do
//
// It knows nothing of ZeroMQ, of who is paired with whom, and of time limits.
// Linux only.
package splice
