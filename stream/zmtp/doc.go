// Package zmtp watches the part of a ZMTP connection that every security
// mechanism sends in clear: the greeting and the commands of the handshake. It
// needs no key, holds no payload and changes nothing.
//
//	switch zmtp.Inspect(first) { ... }          // does a lone peer look like ZMTP at all?
//	var h zmtp.Handshake                        // of one pair
//	h.Guard("CURVE")                            // if the worker is the side that connects
//	state, err := h.Client(chunk)               // before chunk is forwarded to the worker
//	state, err = h.Worker(chunk)                // before chunk is forwarded to the client
//	wait := h.Held()                            // these last octets of the client must wait
//
// Chunks may be split and joined anywhere: a libzmq peer sends ten octets and
// then nothing until it has heard the other side's ten, then one more, then the
// remaining 53; others send all 64 at once. The verdict, and the octet at which
// it falls, is the same however they are cut.
//
// # What Inspect takes for ZMTP
//
// A peer that has no partner yet says ten octets at most before it is answered,
// so that Inspect has no more to go by:
//
//   - FF, eight octets of anything, and one whose lowest bit is set: the signature
//     of ZMTP 2.0 and later. What the eight say is a length in libzmq, zeros in
//     go-zeromq and zmq.rs, and of no meaning. An eleventh octet, if there, is the
//     revision and not 00, which no release has sent.
//   - Another first octet but 00, and then 00: the identity of a peer of ZMTP 1.0,
//     with its flags. The whole frame has to be there, does not begin with 00, and
//     frames follow it.
//   - FF, the number 255 or 256 in eight octets, and 00: such an identity of 254 or
//     255 octets.
//
// HTTP, TLS, SSH, SMTP, Redis, PostgreSQL and a PROXY header end at their second
// octet at the latest, RDP at its third. What speaks only when it is spoken to,
// and a peer that speaks ZMTP within TLS or WebSocket, is no ZMTP to it.
//
// # States of a direction
//
//	signature -> revision -+-> (3.x) minor -> mechanism -> filler -> commands -> finished
//	    |                  +-> (2.0) socket type -> identity frame -----------> finished
//	    +--- (1.0) identity frame --------------------------------------------> finished
//
// A pair is [Open] when both directions have finished. From then on its bytes
// are nobody's business and are not looked at.
//
// The grammar is that of 23/ZMTP (3.0), 37/ZMTP (3.1), 15/ZMTP (2.0) and
// 13/ZMTP (1.0) of rfc.zeromq.org, of 24/ZMTP-PLAIN, 26/CURVEZMQ and
// 38/ZMTP-GSSAPI, read as libzmq reads them (curve_server.cpp, curve_client.cpp,
// plain_*.cpp, null_mechanism.cpp, gssapi_*.cpp, mechanism.cpp and zmtp_engine.cpp
// of 4.0 to 4.3.5 and of July 2026): what libzmq would take from a peer that is
// connected directly is not refused, and JeroMQ, NetMQ, go-zeromq and zmq.rs
// read the same. Where libzmq is laxer than the protocol (flags of frames in the
// handshake, properties without a name, an octet too many behind an ERROR's
// reason) it is followed, and mechanisms that are not known may do as they like.
//
// # What is refused
//
// A connecting libzmq socket never comes back from a protocol error in its
// handshake, so that one stranger's bad octet costs a worker that dialled in one
// connection for good. Of what does so,
//
//	seen, and refused before the worker has it          | how
//	a frame of an impossible length in the handshake    | above 64 KiB
//	a command out of turn, unknown, or of a wrong size  | by mechanism
//	HELLO of PLAIN, tokens of GSSAPI that do not add up | by their lengths
//	READY, or PLAIN's INITIATE, with broken metadata    | by its lengths
//	messages before READY in PLAIN and CURVE            | by their turn
//	an ERROR of the client                              | Guard
//	another mechanism than the worker's                 | Guard holds it until both are known
//	a socket type that does not fit, in NULL            | Guard holds READY until both are known
//	ZMTP 1.0 or 2.0 at a worker with a mechanism        | Guard knows the mechanism from earlier pairs
//	a READY behind the worker's own ERROR, in NULL      | Guard holds READY
//
//	not seen                                            | why
//	another server key                                  | HELLO's box opens with the server's key alone
//	a bad cookie, vouch or metadata in CURVE            | they are in boxes, too
//	a socket type that does not fit, in CURVE           | metadata is in a box
//	a socket type that does not fit, in PLAIN           | the worker says its own only after it has judged the client's
//	ZMTP 1.0 or 2.0 at the first pair of a worker       | the worker never names its mechanism to such a peer
//	frames after READY: lengths above MAXMSGSIZE, boxes | the clear part is over
//	that do not open, commands that do not exist        |
//
// Harmless, since libzmq comes back from it: a client that leaves in mid-handshake
// or says nothing, and what the worker itself refuses in PLAIN and CURVE (ZAP, a
// wrong password). In NULL a refusal by ZAP costs a connection, too, as soon as
// the client's READY arrives behind it: 1 to 9 refusals, as measured without Guard.
//
// How far each side has come, and what a handshake's end at that point usually
// means, say [Handshake.Stage] and [Handshake.Meaning].
//
// # What this package does not do
//
// It opens no sockets, checks no keys, does not know time, and does not judge
// whether a handshake succeeded: it says how far each side has come.
package zmtp
