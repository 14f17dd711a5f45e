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
		d.enter(finished)
	}
}

// takeCommandFlags begins a frame of 3.x. A message says that the handshake is
// over, whatever its length.
func (d *direction) takeCommandFlags(o byte) error {
	switch {
	case o&^(more|long|command) != 0:
		return fmt.Errorf("a frame has reserved flags: %02x", o)
	case o&command == 0:
		d.enter(finished)
		return nil
	}
	d.enter(commandLength)
	d.expectLength(o)
	return nil
}

func (d *direction) takeCommandLength(o byte) error {
	if !d.takeLength(o) {
		return nil
	}
	if d.length > maxCommand {
		return fmt.Errorf("a command of %d octets in the handshake", d.length)
	}
	d.last = false
	d.enter(nameLength)
	if d.length == 0 {
		d.enterBody()
	}
	return nil
}

// takeNameLength lets a name pass that does not fit into its command: libzmq
// 4.3.4 begins the ERROR of PLAIN with 5E "RROR" (a hexadecimal escape that
// took one letter too many), and its peer shall have it. What the command is
// called is then unknown, where it ends is not.
func (d *direction) takeNameLength(o byte) {
	d.length--
	if o == 0 || uint64(o) > d.length {
		d.enterBody()
		return
	}
	d.length -= uint64(o)
	d.want = o
	d.enter(name)
}

// enterBody passes over the rest of a command, which may be nothing.
func (d *direction) enterBody() {
	d.enter(body)
	d.skip(nil)
}

// takeName gathers a command's name. One that is too long to be kept is none
// that we know.
func (d *direction) takeName(b []byte) int {
	n := min(len(b), int(d.want-d.at))
	if int(d.at) < len(d.text) {
		copy(d.text[d.at:], b[:n])
	}
	d.at += uint8(n)
	if d.at < d.want {
		return n
	}
	d.last = int(d.want) <= len(d.text) && d.closes(d.text[:d.want])
	d.enterBody()
	return n
}

// closes says whether a command of this name is the last that this side sends
// in clear. READY ends every handshake. INITIATE is the last word of the client
// of PLAIN (24/ZMTP-PLAIN) and CURVE (26/CURVEZMQ), which may be either side of
// our pair; in GSSAPI (38/ZMTP-GSSAPI) it carries one token of several, and READY
// is wrapped in a MESSAGE. ERROR ends a handshake without opening anything.
func (d *direction) closes(name []byte) bool {
	switch string(name) {
	case "READY":
		return true
	case "INITIATE":
		return d.mechanism == "PLAIN" || d.mechanism == "CURVE"
	case "MESSAGE":
		return d.mechanism == "GSSAPI"
	}
	return false
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
