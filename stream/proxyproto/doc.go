// Package proxyproto reads the PROXY header that a balancer (HAProxy, nginx,
// Envoy, AWS NLB, ...) puts before a client's own bytes to say whose they are.
//
//	h, verdict, err := proxyproto.Parse(b) // b is all that the connection has sent so far
//	switch verdict {
//	case proxyproto.NeedMore: // wait; b never needs to hold more than MaxLength octets
//	case proxyproto.NotProxy: // b is the client's own first bytes
//	case proxyproto.Complete: // h is valid, b[h.Length:] are the client's own first bytes
//	case proxyproto.Refused:  // err says why; nothing that could follow mends it
//	}
//
// Parse keeps nothing between calls, so that a header may come octet by octet
// and the answer does not depend on how it was cut. Its verdict is final as soon
// as it is not NeedMore.
//
// The format is that of "The PROXY protocol, versions 1 & 2" (HAProxy's
// doc/proxy-protocol.txt). Version 1 is one line of text and read here. Version 2
// is binary: how long it is, that it is sound, and its checksum are seen to here,
// addresses and TLVs are read by github.com/pires/go-proxyproto. That library's
// reader of version 1 is not used: it needs the line in one read, and it refuses
// what nginx writes when client and listener are of different families.
//
// # What this package does not do
//
// It opens no sockets, knows no time, and does not judge whether the sender may
// be believed: a caller must not ask before the connection's own address is one
// that is trusted. What a header says was partly said by the client (a TLS server
// name, a certificate's common name), so every text in a [Header] is bounded and
// free of control characters, and still no proof of anything.
package proxyproto
