package stream

// link is what a connection's bytes go through: libzmq's STREAM socket
// ([streamLink]), or the connection's own descriptor ([ownLink]). Only the loop
// calls it. What comes in is not asked for here: a STREAM socket brings it in
// batches of all its peers (loop.receive), the poller announces the others
// (loop.readOwn).
type link interface {
	// descriptor is the connection's, for what only the kernel knows of it. It is
	// no other connection's before drop.
	descriptor() int
	// push takes bytes in order, as many as there is room for, and says how many.
	// broken: the connection takes nothing more, and its end will tell why; then all
	// were taken.
	push(data []byte) (n int, broken bool)
	// listen says what the loop waits for; the poller is the loop's, and announces it with
	// token, the same at each call. Without bytes the connection is left
	// unread: its sender is held by the kernel, and nobody else is. An error is for
	// want of memory; the connection is of no use then.
	listen(wish wish, poller *poller, token token) error
	// wanted is what of an event of the poller's is still waited for: the loop may have
	// ceased to earlier in the same turn.
	wanted(mask uint32) uint32
	// handed says whether the kernel has everything that push took. If it has not,
	// the loop is told of room when it has. broken: as push says it; then it has, too.
	handed() (all, broken bool)
	// finish ends our side behind what the kernel has; the other side's end is
	// announced like any other.
	finish()
	// drop lets go of the connection, which ends at once if it has not ended: by a
	// reset that also frees what the kernel still holds, or in order. What has not
	// been handed to the kernel makes a reset of it.
	drop(reset bool)
	// part lets go of the connection, for which the loop does not wait any more and which
	// goes on: another process has its descriptor.
	part()
}

// wish is what the loop waits for on a connection.
type wish struct {
	bytes bool // more of them
	room  bool // for what push has left behind
	leave bool // that its other side has ended its sending, although it is not read; perhaps while it is read, too
	fail  bool // that it is no more, when its sending has ended
}
