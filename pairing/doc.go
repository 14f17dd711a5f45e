// Package pairing decides which worker a client gets, and for how long. It is the
// proxy's heart, and pure: no I/O, no clock, no goroutines.
//
//	t := pairing.New(cfg)
//	t.AddWorker(now, pairing.WorkerConfig{Name: "w1", Endpoint: "tcp://10.0.0.1:6000"})
//	t.ClientConnected(now, 1, origin, conn) // a connection came in
//	t.ClientReady(now, 1)                   // its bytes look like ZMTP: [dial w1 for 1]
//	t.Dialled(now, 1, 2<<32, workerConn)    // [join 1 and 2<<32]
//	t.Peer(1).Partner()                     // for every chunk: where does it go?
//	t.Gone(now, 1, pairing.Closed)          // [close 2<<32, client-closed]
//	t.Gone(now, 2<<32, pairing.Closed)      // [ended 1, client-closed, and its record]
//
// Events go in by method calls, actions come out as return values, time is an
// argument, and chance has a seed: the same calls give the same answers. A [Table]
// is owned by one goroutine, its caller's. It never sees a byte of what is carried.
//
// # Words
//
// A peer is one connection, of a client or of a worker. A pair is one of each. A
// worker that dials in offers slots: connections that have greeted and wait for
// a client. A worker that listens is dialled for each client. A worker may do
// both; its slots are then used first.
//
//	affinity    which worker an identity, or a source address, had last
//	choosable   a worker that can take a client now
//	class       the choosable workers of one weight
//	draining    a pair of which one side has gone, until the other has all that was
//	            sent to it, or the finish timeout is over; of a worker: it takes no
//	            new clients
//	ejected     set aside for being an outlier
//	failing     set aside because it could not be dialled
//	group       tables that remember together which worker somebody had
//	held        a client that waits for its identity; a hint that waits for its connection
//	identity    the name that an application gives its connections by a hint
//	lease       what must be renewed for a pair to live
//	load        of a worker: its pairs and the dials that are under way to it
//	outlier     a worker whose pairs fail while those of others open
//	pin         what an operator has an identity prefer, here or in all tables
//	seat        where the policy rendezvous has a worker
//	source      who has said something: an address, or an operator
//	streak      failures of a worker in a row
//
// # A client's life
//
//	            ClientReady             WorkerReady, or room
//	connected ──────┬────────► waiting ◄──────┬────► dialling
//	    │           │             │      DialFailed     │
//	    │           │  a slot     │ a slot              │ Dialled
//	    │           ▼             ▼                     ▼
//	    │         paired ◄────────┴─────────────────────┘
//	    │           │ Opened
//	    │           ▼
//	    │         open
//	    │           │ one side is Gone: Close the other
//	    │           ▼
//	    │        draining
//	    │           │ the other is Gone, or the finish timeout
//	    ▼           ▼
//	  ended       ended
//
// Where hints are waited for ([Config.HintWait]) a client that nobody has named
// stays connected a moment longer, until its hint is there or the time is over.
//
// Where others may know better which worker it had ([Config.SharedWait]), a client that is
// ready stays connected until they have answered, or that time is over; its place in the
// queue is that of before.
//
// It can end from any state: by its own going, by [Table.End], by a timeout, by
// its lease. Each client ends with exactly one [Ended], and one [Reason]: the
// first cause. A pair's two peers are paired, open and draining together. A
// client waits only while no worker can take one.
//
// # A worker's connection
//
//	dialled in:  connected ──WorkerReady──► slot ──► paired ─► open ─► draining
//	dialled:                                Dialled ──► paired ─► ...
//
// Slots are used freshest first, because the worker's libzmq gives a connection
// up 30 s after it was made unless the handshake has finished. One that is older
// than its share of [Config.SlotMaxAge] is never used: it is aborted, so that its
// worker dials in afresh. A connection of a worker serves one client at most:
// keys and nonces belong to it.
//
// # A worker
//
//	ready ◄──operator──► draining ◄──operator──► maintenance
//	  │ ▲
//	  │ └── Probed: it answers ───┐
//	  ▼                           │
//	set-aside ──back-off is over──┴─► Probe ──it does not──► back-off doubles
//
// A dial that fails sets its worker aside at once. So does being an outlier: its
// pairs, about ten in a row, have ended before they opened while those of other
// workers opened. Bad clients come to all workers alike and make none of them an
// outlier. One that is set aside so is not probed, it accepts connections; when its
// back-off is over, or sooner if nobody else can serve, it gets clients on trial.
// The back-off begins anew when a pair with it has opened.
//
// Failures in a row are forgotten when a pair with the worker opens, when it
// answers a probe, when an operator sets its state, and [Config.RetryMax] after
// the last of them.
//
// A worker that only dials in is known from its first connection to the end of
// its last, unless an operator has said something about it, and while it has
// failures in a row or is set aside. It cannot be removed, because it would be back in a moment as
// if nothing had been said, unless it has been away for longer than a moment.
//
// # What it costs
//
// A look-up ([Table.Peer]) is three loads from a paged index, [Peer.Partner] one
// more, and [Table.Touch] a look-up and a comparison: the same for ten peers and
// for millions, without allocation.
//
// A choice costs O(distinct weights), of which there are at most 256 and as a
// rule one or two; neither the number of workers nor that of pairs or clients
// matters, and it does not allocate. Workers of the same weight form a class. In
// it, an array serves random and round-robin, and for least-connections a tree
// of 64-bit words over the loads is four steps deep whatever it holds; a load
// that changes by one moves its worker in as many steps. Between classes
// (load+1)/weight is compared by multiplication. Rendezvous looks at as many workers,
// or seats, as there are workers of a weight or as there are seats for each, whichever
// is less: some 600 at most. Going through an identity's
// preferred workers costs one look-up for each of them.
//
// What expires is in queues, one for each length of time, in which the order of
// arrival is the order of expiring. Being in one is part of the peer; joining and
// leaving are O(1), and [Table.Tick] and [Table.Deadline] look at the heads. A
// length with jitter is sixteen queues. So nothing is spent on a pair while
// nothing expires, whatever its lease.
//
// The queue of waiting clients is O(1), and O(log n) in the number of those who
// came back to it from a failed dial. Back-off is O(log n) in the number of
// workers set aside. Memory is proportional to live peers and known workers,
// plus what [Config] bounds: hints, preferences, and affinities. Holding one of
// these is O(1), whatever else has to go for it.
package pairing
