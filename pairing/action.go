package pairing

import (
	"fmt"
	"time"
)

// Op is what an [Action] asks the caller to do.
type Op uint8

// The operations.
const (
	// Join: Peer (a client) and Partner (a worker's connection) are now a pair.
	// What each has sent so far goes to the other, and everything it sends from
	// now on.
	Join Op = iota + 1
	// Dial: connect to Endpoint, which is where Worker listens, on behalf of
	// the client Peer. Answer with [Table.Dialled] or [Table.DialFailed]. When
	// the client ends first, give the dial up; its answer is then of no
	// consequence (a [Table.Dialled] is told to abort).
	Dial
	// Probe: connect to Endpoint of Worker and close at once, to see whether it
	// is back. Answer with [Table.Probed].
	Probe
	// Close: deliver everything that was sent to Peer, then close it. It stays
	// known, draining, until [Table.Gone] says that it is gone.
	Close
	// Abort: close Peer now. The table has forgotten it: no answer is expected
	// and a later [Table.Gone] is ignored.
	Abort
	// Ended: a client's stay is over and Record tells of it. There is exactly
	// one for each client that connected, also for one that was refused.
	Ended
	// Recall: ask others which worker Who had last, and how an identity is pinned, for the client Peer, which waits for
	// the answer. Give that by [Table.Recalled], also when nobody can be asked.
	Recall
	// Remember: tell others that Who has Worker, or if that is "" that Who is to be sent
	// to none because of what was.
	Remember
	// Identify: ask others who the client Peer is, which comes from where its [Peer.Origin] says
	// and waits for that. Give the answer by [Table.Identified], also when nobody can be asked.
	// Again: they did not know just now, so wait a little before. A Who that is not the zero one is of
	// whom a [Recall] follows at once if nobody knows it: both may be asked in one way.
	Identify
	// Say: tell others Saying.
	Say
)

var opNames = [...]string{Join: "join", Dial: "dial", Probe: "probe", Close: "close", Abort: "abort", Ended: "ended", Recall: "recall", Remember: "remember", Identify: "identify", Say: "say"}

// String is the operation in lower case.
func (o Op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Action is one thing that the caller has to do because of an event.
type Action struct {
	Op Op
	// Peer is whom it is about (none for Probe), Partner the other of the pair:
	// 0 where there is none.
	Peer, Partner PeerID
	// Conn and PartnerConn are the caller's handles of the two, also when the
	// table has forgotten them.
	Conn, PartnerConn any
	// Worker is the worker's name in Join, Dial, Probe, Ended, and Remember.
	Worker string
	// Who of Recall, Remember, and Identify.
	Who Who
	// Again of Identify, Saying of Say.
	Again  bool
	Saying *Saying
	// Endpoint is what to dial, in Dial and Probe, and Source from where, "" for
	// wherever others are dialled from.
	Endpoint, Source string
	// Reason of Close, Abort and Ended. NoReason for a slot that is aborted only
	// because of its age.
	Reason Reason
	// Record is present in Ended and belongs to the caller.
	Record *Record
}

// Record is what there is to say of a client's stay when it is over.
type Record struct {
	Client, WorkerPeer     PeerID // WorkerPeer is 0 when it never was paired
	ClientConn, WorkerConn any
	Origin, WorkerOrigin   Origin // a dialled worker's Origin has only its Endpoint, as configured
	Identity               string // "" when nobody has said it
	Worker                 string // name; "" when it never was paired
	Reason                 Reason
	// Waited is the time from being ready to being paired, or to the end for a
	// client that never was paired.
	Waited time.Duration
	// Handshake is the time from being paired to being open, or to the end for
	// a pair that never opened.
	Handshake time.Duration
	// Total is the time from connecting to the end, draining included.
	Total time.Duration
	// Dials were begun for this client, successful or not.
	Dials          int
	Paired, Opened bool
}
