package proxyproto

import "errors"

// Errors of [Parse], wrapped together with what was wrong.
var (
	// ErrMalformed: it began as a PROXY header and is none.
	ErrMalformed = errors.New("malformed PROXY header")
	// ErrTooLong: the header has more than MaxLine or MaxLength octets.
	ErrTooLong = errors.New("PROXY header too long")
	// ErrChecksum: the header has a CRC32c which is not its own.
	ErrChecksum = errors.New("PROXY header with a wrong checksum")
)

const (
	// MaxLine bounds version 1: 107 octets with CR and LF, as the protocol says.
	MaxLine = 107
	// MaxLength bounds a whole header of version 2. The protocol allows 65,551
	// octets; HAProxy takes as many as its buffer has (tune.bufsize, 16,384 unless
	// set), and with every option on sends some 500, with the client's whole
	// certificate some 2,500.
	MaxLength = 16 << 10
)

// Verdict is what [Parse] makes of a connection's first octets.
type Verdict uint8

// Verdicts of [Parse].
const (
	NeedMore Verdict = iota // could become a header, or is one that is not whole
	NotProxy                // no header
	Complete                // a whole header
	Refused                 // a header that must not be believed
)

// String is the verdict's name.
func (v Verdict) String() string {
	switch v {
	case NeedMore:
		return "need-more"
	case NotProxy:
		return "not-proxy"
	case Complete:
		return "complete"
	case Refused:
		return "refused"
	}
	return "unknown"
}

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
	fixed2     = 16 // octets before the addresses: signature, command, family, length
)

// Parse judges everything that a connection has sent so far. Nothing of b is
// kept or changed. The error, which is there with Refused and only then, wraps
// [ErrMalformed], [ErrTooLong] or [ErrChecksum].
//
// No beginning is a PROXY header and ZMTP at once: ZMTP begins with FF, or in
// version 1.0 with an octet that 00 follows.
func Parse(b []byte) (Header, Verdict, error) {
	switch {
	case begins(b, signature1):
		return settle(parseLine(b))
	case begins(b, signature2):
		return settle(parseBinary(b))
	}
	return Header{}, NotProxy, nil
}

// Looks says whether b, the first octets of a connection from which no PROXY
// header is expected, begin one. It is made for the log: five octets are needed
// and enough.
func Looks(b []byte) bool {
	const enough = 5
	return len(b) >= enough && (begins(b, signature1) || begins(b, signature2))
}

// begins is true while b and the signature agree, whichever is longer.
func begins(b []byte, signature string) bool {
	n := min(len(b), len(signature))
	return string(b[:n]) == signature[:n]
}

// settle gives a verdict for each pair of results; a Length of 0 asks for more.
func settle(h Header, err error) (Header, Verdict, error) {
	switch {
	case err != nil:
		return Header{}, Refused, err
	case h.Length == 0:
		return Header{}, NeedMore, nil
	}
	return h, Complete, nil
}
