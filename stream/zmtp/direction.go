package zmtp

import (
	"errors"
	"fmt"
)

// Versions, ordered as they are old.
const (
	version10 uint8 = iota + 1
	version20
	version30
	version31
)

// phase is what the next octet of a direction belongs to.
type phase uint8

const (
	signature     phase = iota
	revision            // octet 11
	minor               // octet 12 of 3.x
	mechanism           // octets 13 to 32
	filler              // as-server and 31 zeros
	socketType          // octet 12 of 2.0
	identityFlags       // of the identity frame of 2.0 or 1.0; everything from here on comes after the greeting
	identityLength
	identity
	frameFlags // of a command of 3.x
	frameLength
	nameLength
	name
	fieldLength
	field
	opaque   // what is left of a command
	finished // nothing that follows is looked at
	failed   // ERROR was sent: nothing that follows matters
)

const (
	greetingLength  = 64 // of 3.x
	mechanismOffset = 12
	mechanismLength = 20
	fillerLength    = 32
	maxIdentity     = 255
	maxCommand      = 64 << 10

	// Flags of a frame since 2.0. Bit 2 came with 3.0.
	long    = 0x02
	command = 0x04
)

// direction parses what one side sends. It keeps at most the name of a
// mechanism, a command or a property.
type direction struct {
	mechanism string
	length    uint64 // being read: of the signature, a frame, a field; then what is left of it
	left      uint32 // octets of the command that have not come
	types     types  // that the side has named
	text      [mechanismLength]byte
	phase     phase
	at        uint8 // octets of the phase that have been read or kept
	want      uint8 // octets of a length, a name or a field (255: or more)
	version   uint8
	side      Side
	stage     Stage
	order     order
	form      form
	field     uint8 // of the command's body
	typed     bool  // the next value of metadata is a socket type
	asServer  bool
}

// greeted says whether the greeting is through.
func (d *direction) greeted() bool { return d.phase >= identityFlags }

// take reads at least one octet of b and says how many.
func (d *direction) take(b []byte, other *direction, reason *reason) (int, error) {
	switch d.phase {
	case mechanism:
		return d.takeMechanism(b)
	case filler, identity:
		return d.skip(b), nil
	case name:
		return d.takeName(b, other)
	case fieldLength, field, opaque:
		return d.takeBody(b, reason)
	case finished, failed:
		return len(b), nil
	}
	return 1, d.takeOne(b[0], other)
}

// takeOne reads an octet of a phase that is read octet by octet.
func (d *direction) takeOne(o byte, other *direction) error {
	switch d.phase {
	case signature:
		return d.takeSignature(o)
	case revision:
		return d.takeRevision(o)
	case minor:
		d.takeMinor(o, other)
		return nil
	case socketType:
		d.greet(identityFlags)
		return nil
	case identityFlags:
		return d.takeIdentityFlags(o)
	case identityLength:
		return d.takeIdentityLength(o)
	case frameFlags:
		return d.takeFrameFlags(o, other)
	case frameLength:
		return d.takeFrameLength(o, other)
	case nameLength:
		return d.takeNameLength(o, other)
	}
	panic("zmtp: no such phase")
}

func (d *direction) enter(p phase) { d.phase, d.at = p, 0 }

// greet ends the greeting.
func (d *direction) greet(next phase) {
	d.stage = StageGreeting
	d.enter(next)
}

// skip passes over what is left of the filler or an identity. The filler's first
// octet is as-server, which libzmq leaves at 0 on both sides.
func (d *direction) skip(b []byte) int {
	if d.phase == filler && d.length == fillerLength {
		d.asServer = b[0] == 1
	}
	n := min(uint64(len(b)), d.length)
	d.length -= n
	switch {
	case d.length > 0:
	case d.phase == filler:
		d.greet(frameFlags)
	default:
		d.finish()
	}
	return int(n)
}

func (d *direction) takeSignature(o byte) error {
	d.stage = StageSignature
	switch {
	case d.at == 0 && o == 0:
		return errors.New("the first octet is 00")
	case d.at == 0 && o != versioned:
		d.speak(version10)
		d.length = uint64(o) - 1 // less the flags
		d.greet(identityFlags)
		return nil
	case d.at == signatureLength-1:
		return d.endSignature(o)
	case d.at > 0:
		d.length = d.length<<8 | uint64(o)
	}
	d.at++
	return nil
}

// endSignature reads its last octet. Where that is 00, and the length before it
// one that has to be written in eight octets, a peer of 1.0 says its identity.
func (d *direction) endSignature(o byte) error {
	switch {
	case o&flagged != 0:
		d.enter(revision)
		return nil
	case !longIdentity(d.length, o):
		return fmt.Errorf("the signature ends with %02x", o)
	}
	d.speak(version10)
	d.length--
	d.stage = StageGreeting
	d.enterIdentity()
	return nil
}

// meetUnversioned is told that the other side speaks 1.0. To it our signature
// was the header of a long frame, and a libzmq peer goes on with that frame's
// body, its identity, instead of a revision.
func (d *direction) meetUnversioned() error {
	if d.phase != revision {
		return nil // 1.0 itself, or too far to be met
	}
	d.speak(version10)
	if d.length == 0 || d.length-1 > maxIdentity {
		return fmt.Errorf("to ZMTP 1.0 the signature announces a frame of %d octets", d.length)
	}
	d.length--
	d.stage = StageGreeting
	d.enterIdentity()
	return nil
}

// speak settles the version; 1.0 and 2.0 have no mechanisms.
func (d *direction) speak(version uint8) {
	d.version = version
	if version <= version20 {
		d.mechanism = "NULL"
	}
}

// takeRevision tells 2.0, whose revision is 01, from everything later. libzmq
// takes an unknown revision for 3.1.
func (d *direction) takeRevision(o byte) error {
	switch o {
	case 0:
		return errors.New("the revision is 00")
	case 1:
		d.speak(version20)
		d.enter(socketType)
	default:
		d.enter(minor)
		d.length = uint64(o)
	}
	return nil
}

// takeMinor reads octet 12. A peer of 3.x that has heard revision 01 goes on as
// 2.0, where this is its socket type.
func (d *direction) takeMinor(o byte, other *direction) {
	if other.version == version20 {
		d.speak(version20)
		d.greet(identityFlags)
		return
	}
	d.version = version31
	if d.length == 3 && o == 0 {
		d.version = version30
	}
	d.enter(mechanism)
}

func (d *direction) takeMechanism(b []byte) (int, error) {
	n := copy(d.text[d.at:], b)
	d.at += uint8(n)
	if d.at < mechanismLength {
		return n, nil
	}
	var err error
	if d.mechanism, err = mechanismName(d.text[:]); err != nil {
		return 0, err
	}
	d.enter(filler)
	d.length = fillerLength
	return n, nil
}

// mechanismName checks the characters of 23/ZMTP and the padding with zeros.
func mechanismName(b []byte) (string, error) {
	n := 0
	for n < len(b) && mechanismChar(b[n]) {
		n++
	}
	for _, o := range b[n:] {
		if o != 0 {
			return "", fmt.Errorf("%q is no mechanism's name", string(b))
		}
	}
	switch string(b[:n]) { // the usual ones cost no allocation
	case "":
		return "", errors.New("the greeting names no mechanism")
	case "NULL":
		return "NULL", nil
	case "PLAIN":
		return "PLAIN", nil
	case "CURVE":
		return "CURVE", nil
	case "GSSAPI":
		return "GSSAPI", nil
	}
	return string(b[:n]), nil
}

func mechanismChar(o byte) bool {
	switch {
	case o >= 'A' && o <= 'Z', o >= '0' && o <= '9':
		return true
	}
	return o == '-' || o == '_' || o == '.' || o == '+'
}
