package zmtp

import "encoding/binary"

// Verdict is what a peer's first bytes look like.
type Verdict uint8

// Verdicts of [Inspect].
const (
	NeedMore Verdict = iota // could become ZMTP, is too short to tell
	ZMTP                    // the beginning of a ZMTP connection
	NotZMTP                 // nothing that follows could make this ZMTP
)

// String is the verdict's name.
func (v Verdict) String() string {
	switch v {
	case NeedMore:
		return "need-more"
	case ZMTP:
		return "zmtp"
	case NotZMTP:
		return "not-zmtp"
	}
	return "unknown"
}

const (
	signatureLength = 10
	// versioned begins the signature of ZMTP 2.0 and later. To a peer of ZMTP
	// 1.0 it announces a long frame.
	versioned = 0xFF
	// flagged is set in the signature's last octet (7F). Where ZMTP 1.0 has
	// flags this bit means "more", which an identity never has (15/ZMTP).
	flagged = 0x01
)

// Inspect judges everything that a peer has sent so far, before it has a
// partner. The caller bounds the length of b; nothing of it is kept.
//
// Ten octets of signature are enough for ZMTP 2.0 and 3.x, since a libzmq peer
// sends no more until it is answered. An eleventh, if there, is the revision and
// must not be 0. ZMTP 1.0 begins with the whole frame of an identity, and what
// follows it must be frames.
func Inspect(b []byte) Verdict {
	if len(b) == 0 {
		return NeedMore
	}
	if b[0] != versioned {
		return inspectUnversioned(b)
	}
	switch {
	case len(b) < signatureLength:
		return NeedMore
	case b[signatureLength-1]&flagged == 0:
		return inspectLongIdentity(b)
	case len(b) > signatureLength && b[signatureLength] == 0:
		return NotZMTP
	}
	return ZMTP
}

// inspectUnversioned reads ZMTP 1.0: length (of flags and body), flags, body.
func inspectUnversioned(b []byte) Verdict {
	switch {
	case b[0] == 0: // no room for the flags
		return NotZMTP
	case len(b) == 1:
		return NeedMore
	case b[1] != 0: // an identity is one frame; text, TLS and SSH end here
		return NotZMTP
	case len(b) > 2 && b[0] > 1 && b[2] == 0: // no identity that an application gives begins so
		return NotZMTP
	}
	identity := 1 + int(b[0])
	if len(b) < identity {
		return NeedMore
	}
	return inspectFrames(b[identity:])
}

// longIdentity says whether a length of 1.0, of flags and identity, that is
// written in eight octets, and the flags behind it are those of an identity of
// 254 or 255 octets: a shorter one has one octet of length.
func longIdentity(length uint64, flags byte) bool {
	return (length == versioned || length == maxIdentity+1) && flags == 0
}

// inspectLongIdentity reads ZMTP 1.0 that begins with FF.
func inspectLongIdentity(b []byte) Verdict {
	length := binary.BigEndian.Uint64(b[1:])
	switch {
	case !longIdentity(length, b[signatureLength-1]):
		return NotZMTP
	case uint64(len(b)-signatureLength) < length-1:
		return NeedMore
	}
	return inspectFrames(b[signatureLength+length-1:])
}

// inspectFrames is ZMTP unless b contradicts being frames of ZMTP 1.0.
func inspectFrames(b []byte) Verdict {
	for len(b) > 0 {
		length, header := uint64(b[0]), 1
		if b[0] == versioned { // eight octets of length follow
			header = 9
			if len(b) < header {
				return ZMTP
			}
			length = 0
			for _, o := range b[1:header] {
				length = length<<8 | uint64(o)
			}
		}
		if length == 0 || length > 1<<63-1 {
			return NotZMTP
		}
		if len(b) > header && b[header] > 1 { // flags: 0, or 1 for "more"
			return NotZMTP
		}
		if uint64(len(b)-header) <= length {
			return ZMTP
		}
		b = b[uint64(header)+length:]
	}
	return ZMTP
}
