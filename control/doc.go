// Package control is the control socket: by it applications give their
// connections identities and heartbeats, and operators see and steer a proxy
// that runs. This package is its server; package wire has the words that both
// sides speak, and package client is the other side.
//
// # Verbs
//
// [Verbs] is the table of what can be said; HELP sends it. REQ and DEALER callers
// both work: an envelope that ends with an empty frame is sent back as it came.
// Each request has one reply, also nonsense.
//
// The one exception are the words of zmq_proxy_steerable(3): a single frame
// PAUSE, RESUME or TERMINATE is answered by one empty frame, STATISTICS by eight
// native 64-bit numbers.
//
// # Who owns what
//
//	caller ──► ROUTER ──► one goroutine ──── function ───► a pool's loop
//	             ▲   └── ZAP ──┘      └◄── answer, or time-out ──┘
//	subscriber ◄── PUB ◄── another goroutine ◄── queue of events ◄── loops
//	ROUTER, PUB ──► monitors ──► a goroutine and connections each
//
// The server has a libzmq context and an I/O thread of its own, and one
// goroutine that owns its ROUTER and its ZAP socket. It asks the loops by message
// and waits for them for a limited time; they never wait for it. Events go
// through a queue into which a loop puts what fits and drops, and counts, the
// rest.
//
// # Levels
//
// One ROUTER listens on all endpoints. Each is bound with a security of its own,
// and the ZAP handler (RFC 27), which sees the domain of the endpoint and the key
// of the caller, gives every connection its level: it comes with each message as
// the property User-Id.
//
//	ipc://PATH   operator; the file's mode, 0600 unless said otherwise, is set before it can be connected to
//	tcp, CURVE   what the caller's certificate says, peer if it says nothing; unknown keys are refused
//	tcp, NULL    only on loopback, and only peer unless said otherwise
//
// Everything else refuses to start.
//
// # Who does not come by the socket
//
// A [Steward] executes the verbs that are Web for who comes by another way, such as a
// browser, with the level that package api has found. It needs no server.
//
// # What bounds a caller
//
// An endpoint has so many connections only ([Config], Connections), and each must
// finish its handshake within five seconds. Of those that are too many the one is
// sent away that has been in its handshake for longest, or the newest where all
// have finished: strangers do not keep operators out.
//
// A frame has at most [wire.MaxFrame] bytes, else libzmq closes the connection. Of a
// request only the first [wire.MaxFrames] frames are kept; one that has more is
// answered 400. A connection has Rate requests a second, then 429. Replies that
// a caller does not read are dropped, beyond a few, and the caller is never
// waited for. What peers say of identities is held within a share of each
// address, so that none pushes out what others, or operators, said; see
// SourceMax in [pairing.Config]. What libzmq gathers of a message that has not ended is not bounded
// by anything that it offers: a caller that is let in can use memory by that.
//
// # What this package does not do
//
// It decides nothing about pairs: that is package pairing. It sees no byte of
// what clients and workers say to each other.
package control
