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
	filler              // as-server and 31 zeros, which say nothing of the roles: libzmq's are all 0
	socketType          // octet 12 of 2.0
	identityFlags       // of the identity frame of 2.0 or 1.0; everything from here on comes after the greeting
	identityLength
	identity
	commandFlags
	commandLength
	nameLength
	name
	body
	finished
)

const (
	mechanismLength = 20
	fillerLength    = 32
	maxIdentity     = 255
	maxCommand      = 64 << 10

	// Flags of a frame since 2.0. Bit 2 came with 3.0.
	more    = 0x01
	long    = 0x02
	command = 0x04
)

// direction parses what one side sends. It keeps at most a mechanism's name.
type direction struct {
	mechanism string
	length    uint64 // being read: of the signature, a frame; then what is left of it
	text      [mechanismLength]byte
	phase     phase
	at        uint8 // octets of the phase that have been read
	want      uint8 // octets of a length or a name
	version   uint8
	last      bool // this command is the last one in clear
}

// greeted says whether the greeting is through.
func (d *direction) greeted() bool { return d.phase >= identityFlags }

// take reads at least one octet of b and says how many.
func (d *direction) take(b []byte, other *direction) (int, error) {
	switch d.phase {
	case mechanism:
		return d.takeMechanism(b)
	case filler, identity, body:
		return d.skip(b), nil
	case name:
		return d.takeName(b), nil
	case signature:
		return 1, d.takeSignature(b[0])
	case revision:
		return 1, d.takeRevision(b[0])
	case minor:
		d.takeMinor(b[0], other)
		return 1, nil
	case socketType:
		d.enter(identityFlags)
		return 1, nil
	case identityFlags:
		return 1, d.takeIdentityFlags(b[0])
	case identityLength:
		return 1, d.takeIdentityLength(b[0])
	case commandFlags:
		return 1, d.takeCommandFlags(b[0])
	case commandLength:
		return 1, d.takeCommandLength(b[0])
	case nameLength:
		d.takeNameLength(b[0])
		return 1, nil
	case finished:
		return len(b), nil
	}
	panic("zmtp: no such phase")
}

func (d *direction) enter(p phase) { d.phase, d.at = p, 0 }

// skip passes over what is left of the phase.
func (d *direction) skip(b []byte) int {
	n := min(uint64(len(b)), d.length)
	d.length -= n
	if d.length == 0 {
		switch {
		case d.phase == identity || d.phase == body && d.last:
			d.enter(finished)
		default: // the filler, or a command after which another comes
			d.enter(commandFlags)
		}
	}
	return int(n)
}

func (d *direction) takeSignature(o byte) error {
	switch {
	case d.at == 0 && o == 0:
		return errors.New("the first octet is 00")
	case d.at == 0 && o != versioned:
		d.speak(version10)
		d.length = uint64(o) - 1 // less the flags
		d.enter(identityFlags)
		return nil
	case d.at == signatureLength-1:
		if o&flagged == 0 {
			return fmt.Errorf("the signature ends with %02x", o)
		}
		d.enter(revision)
		return nil
	case d.at > 0:
		d.length = d.length<<8 | uint64(o)
	}
	d.at++
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
	d.enter(identity)
	if d.length == 0 {
		d.enter(finished)
	}
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
		d.enter(identityFlags)
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
