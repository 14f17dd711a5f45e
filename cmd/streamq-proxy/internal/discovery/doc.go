// Package discovery finds the workers of a pool by name and by file, and keeps the
// pool to what it finds.
//
//	finder      a name with addresses (A, AAAA), a name with services (SRV), a file
//	   |        looked at again and again, each on its own: one that is slow delays no other
//	   v
//	keeper      of a pool: what all of its finders said last, and the workers that are there because of it
//	   |
//	   v
//	Pool        AddWorker, SetWeight, SetMaxPairs, SetMaxHandshakes, SetSource, SetWorkerState, RemoveWorker
//
// Each address is a worker of its own:
//
//	            named                    named no more          its last pair ends
//	(unknown) ---------> in the pool ------------------> draining ---------> removed
//	                          ^                              |
//	                          +------------------------------+
//	                                    named again
//
// What a finder said last holds until it says something else. One that does not
// answer, answers with an error, or with nothing changes nothing: its answer only
// grows old, which [Status] tells. Only a file can say that there is no worker.
//
// What an operator does with a worker stays: one that was removed is not added
// again before it was gone and is named again; a state, a weight or a maximum
// changes only when what is said of it does.
//
// # What this package does not do
//
// It dials no worker, and does not know whether one serves: that is the pool's. It
// has no cache of its own beside the last answer, and asks no DNS server but
// those of the system or those that it is told.
//
// The goroutine of [Discovery.Run] starts one for each pool, which owns what is
// known of that pool's workers, and that one starts one for each look-up.
package discovery
