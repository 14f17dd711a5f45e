package stream

import (
	"bytes"

	"github.com/streamq/streamq-proxy/stream/proxyproto"
)

// stranger is what a client speaks whose first bytes are no ZMTP, as far as they tell.
type stranger uint8

const (
	unknown stranger = iota
	speaksPROXY
	speaksHTTP
	speaksTLS
	speaksSSH
)

// strangerOf looks at the first bytes of a connection that does not speak ZMTP.
func strangerOf(b []byte) stranger {
	switch {
	case proxyproto.Looks(b):
		return speaksPROXY
	case bytes.HasPrefix(b, []byte{0x16, 0x03}): // a record of a handshake, RFC 8446 5.1
		return speaksTLS
	case bytes.HasPrefix(b, []byte("SSH-")): // RFC 4253 4.2
		return speaksSSH
	case bytes.Contains(b, []byte(" HTTP/")), bytes.HasPrefix(b, []byte("GET ")), bytes.HasPrefix(b, []byte("HEAD ")), bytes.HasPrefix(b, []byte("POST ")):
		return speaksHTTP
	}
	return unknown
}

func (s stranger) hint() string {
	switch s {
	case speaksPROXY:
		return "it sent a PROXY header, and accept-proxy is not set"
	case speaksHTTP:
		return "it speaks HTTP: a browser, or a check that should be one of TCP"
	case speaksTLS:
		return "it speaks TLS: a client or a balancer that wraps ZMTP, or a browser"
	case speaksSSH:
		return "it speaks SSH"
	}
	return "its first bytes are not ZMTP"
}
