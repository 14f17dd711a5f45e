package zmtp

import "fmt"

// takeIdentityFlags begins the identity frame, which 2.0 writes as flags, length,
// body, and 1.0 as length, flags, body.
func (d *direction) takeIdentityFlags(o byte) error {
	if d.version == version10 {
		if o != 0 {
			return fmt.Errorf("the identity has flags %02x", o)
		}
		d.enterIdentity()
		return nil
	}
	if o&^long != 0 {
		return fmt.Errorf("the identity has flags %02x", o)
	}
	d.enter(identityLength)
	d.expectLength(o)
	return nil
}

func (d *direction) takeIdentityLength(o byte) error {
	if !d.takeLength(o) {
		return nil
	}
	if d.length > maxIdentity {
		return fmt.Errorf("an identity of %d octets", d.length)
	}
	d.enterIdentity()
	return nil
}

func (d *direction) enterIdentity() {
	d.enter(identity)
	if d.length == 0 {
		d.finish()
	}
}

// finish ends the clear part of this side.
func (d *direction) finish() {
	d.stage = StageReady
	d.enter(finished)
}

// takeFrameFlags begins a frame of 3.x. To libzmq a handshake consists of
// frames, whatever their flags say: it looks at nothing but the length's form. A
// mechanism that is not known may end its handshake in a way that is not known
// either: a message says so.
func (d *direction) takeFrameFlags(o byte, other *direction) error {
	if d.initiated() {
		if other.stage != StageReady {
			return violationf("a frame before the other side's READY")
		}
		d.enter(finished)
		return nil
	}
	if !d.strict() && o&command == 0 {
		d.finish()
		return nil
	}
	d.enter(frameLength)
	d.expectLength(o)
	return nil
}

// initiated says whether this side, a client of PLAIN or CURVE, has sent its last
// command in clear and waits for READY.
func (d *direction) initiated() bool {
	return d.stage == StageInitiate && (d.mechanism == "PLAIN" || d.mechanism == "CURVE")
}

// strict says whether the handshake's commands are known.
func (d *direction) strict() bool {
	switch d.mechanism {
	case "NULL", "PLAIN", "CURVE", "GSSAPI":
		return true
	}
	return false
}

func (d *direction) takeFrameLength(o byte, other *direction) error {
	if !d.takeLength(o) {
		return nil
	}
	if d.length > maxCommand {
		return violationf("a command of %d octets", d.length)
	}
	d.left = uint32(d.length)
	d.enter(nameLength)
	if d.left == 0 {
		d.want = 0
		return d.named(empty, other)
	}
	return nil
}

// takeNameLength begins a command, which is its name and what belongs to it.
func (d *direction) takeNameLength(o byte, other *direction) error {
	d.left--
	d.want = o
	switch {
	case d.brokenError(o):
		d.want = 4
	case o == 0 || uint32(o) > d.left:
		if d.strict() {
			return violationf("a command of %d octets with a name of %d", d.left+1, o)
		}
		d.want = 0
		return d.named(noOrder, other)
	}
	d.enter(name)
	return nil
}

// brokenError: libzmq 4.3.0 to 4.3.4 begin the ERROR of PLAIN with 5E "RROR" (a
// hexadecimal escape that took one letter too many), and its client shall have it.
func (d *direction) brokenError(o byte) bool {
	return o == 0x5E && d.left < uint32(o) && d.left > 4 && d.mechanism == "PLAIN" && d.side == Worker
}

// takeName gathers a command's name. One that is too long to be kept is none
// that we know.
func (d *direction) takeName(b []byte, other *direction) (int, error) {
	n := min(len(b), int(d.want-d.at))
	if int(d.at) < len(d.text) {
		copy(d.text[d.at:], b[:n])
	}
	d.at += uint8(n)
	d.left -= uint32(n)
	if d.at < d.want {
		return n, nil
	}
	if int(d.want) > len(d.text) {
		return n, d.named(noOrder, other)
	}
	return n, d.named(orderOf(d.text[:d.want]), other)
}

// named checks what can be seen of a command before its body.
func (d *direction) named(o order, other *direction) error {
	d.order = o
	if !d.strict() {
		return d.enterBody(unchecked)
	}
	if err := d.permitted(o, other); err != nil {
		return err
	}
	if err := d.sized(o, 1+uint32(d.want)+d.left); err != nil {
		return err
	}
	return d.enterBody(d.formOf(o))
}

// expectLength prepares for a frame's length: one octet, or eight in network order.
func (d *direction) expectLength(flags byte) {
	d.length, d.want = 0, 1
	if flags&long != 0 {
		d.want = 8
	}
}

// takeLength is true with the length's last octet.
func (d *direction) takeLength(o byte) bool {
	d.length = d.length<<8 | uint64(o)
	d.at++
	return d.at == d.want
}
