package proxyproto

import "net/netip"

// Header is what a balancer says about the connection that it passes on.
type Header struct {
	Version uint8 // 1 or 2
	Length  int   // octets of the header; what follows is the client's own

	// Local is true when the balancer speaks for itself (LOCAL of version 2, as
	// a health check does) or does not know the client (UNKNOWN of version 1,
	// PROXY without addresses of version 2). The connection's own addresses are
	// then the right ones, and Source and Destination are not valid.
	Local bool

	// Source is the client's address, Destination the one that it connected
	// to. They are not valid when Local, nor for a client of a Unix socket. An
	// IPv4 address is never mapped to IPv6.
	Source, Destination netip.AddrPort

	// The rest only version 2 has, if the balancer was told to send it. Each
	// text is at most maxText octets of printable UTF-8.
	TLS       *TLS   // nil when the client does not use TLS, or this is not said
	UniqueID  string // HAProxy's unique-id; in hexadecimal when not printable
	Authority string // the name that the client asked for: TLS server name (SNI)
	ALPN      string // the protocol that was negotiated in TLS
	Namespace string // the network namespace's name
	Endpoint  string // AWS VPC endpoint, Azure private link or GCP connection
}

// TLS is what the balancer says of the client's TLS connection.
type TLS struct {
	Version    string // such as "TLSv1.3"
	Cipher     string // such as "TLS_AES_256_GCM_SHA384"
	CommonName string // of the client's certificate

	// Certificate is true when the client showed a certificate in this
	// connection or in the session that it resumed.
	Certificate bool

	// Verified is true when the client showed a certificate and the balancer
	// found it good. The protocol's verify field alone does not say so: HAProxy
	// writes 0, success, for a client without any certificate, too.
	Verified bool
}
