// Package zmtp watches the part of a ZMTP connection that every security
// mechanism sends in clear: the greeting and the names of the handshake's
// commands. It needs no key, holds no payload and changes nothing.
//
//	switch zmtp.Inspect(first) { ... }          // does a lone peer look like ZMTP at all?
//	var h zmtp.Handshake                        // of one pair
//	state, err := h.Client(chunk)               // before chunk is forwarded to the worker
//	state, err = h.Worker(chunk)                // before chunk is forwarded to the client
//
// Chunks may be split and joined anywhere: a libzmq peer sends ten octets and
// then nothing until it has heard the other side's ten, then one more, then the
// remaining 53; others send all 64 at once.
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
// 13/ZMTP (1.0) of rfc.zeromq.org, read as libzmq's decoder reads them, so that
// what is refused here is what the peer behind would have understood.
//
// # What this package does not do
//
// It opens no sockets, decodes no metadata, checks no keys, and does not judge
// whether a handshake succeeded: it says only that the clear part is over.
package zmtp
