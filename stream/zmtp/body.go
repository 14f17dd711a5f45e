package zmtp

// form is what the body of a command looks like: fields, each of which begins
// with its length.
type form uint8

const (
	unchecked   form = iota
	metadata         // names of one octet's length, values of four: 23/ZMTP
	credentials      // two of one octet's length: 24/ZMTP-PLAIN
	token            // one of four octets' length: 38/ZMTP-GSSAPI
	explanation      // one of one octet's length, and anything: ERROR
	curveHello       // two octets of version, and what cannot be seen
)

// formOf is the body of o in d's mechanism.
func (d *direction) formOf(o order) form {
	switch {
	case o == errorOrder:
		return explanation
	case d.mechanism == "CURVE" && o == hello:
		return curveHello
	case d.mechanism == "PLAIN" && o == hello:
		return credentials
	case d.mechanism == "GSSAPI" && (o == initiate || o == message):
		return token
	case d.mechanism != "CURVE" && (o == ready || o == initiate):
		return metadata
	}
	return unchecked
}

// enterBody begins the body of a command.
func (d *direction) enterBody(f form) error {
	d.form, d.field = f, 0
	d.enterField()
	return d.endIfOver()
}

// enterField goes to the next field, or to what is only passed over.
func (d *direction) enterField() {
	d.length = 0
	switch {
	case d.form == unchecked, d.form == explanation && d.field > 0:
		d.enter(opaque)
	default:
		d.enter(fieldLength)
	}
}

// takeBody reads at least one octet of what is left of a command.
func (d *direction) takeBody(b []byte, reason *reason) (int, error) {
	n, err := min(len(b), int(d.left)), error(nil)
	switch d.phase {
	case opaque:
		d.left -= uint32(n)
	case fieldLength:
		n = 1
		d.left--
		err = d.takeFieldLength(b[0], reason)
	case field:
		n = d.takeField(b[:n], reason)
	}
	if err == nil {
		err = d.endIfOver()
	}
	return n, err
}

// takeFieldLength reads an octet of a field's length, or of the version in
// CURVE's HELLO: libzmq knows 1.0.
func (d *direction) takeFieldLength(o byte, reason *reason) error {
	d.length = d.length<<8 | uint64(o)
	d.at++
	if d.form == curveHello {
		if d.at == 2 {
			if d.length != 0x0100 {
				return violationf("HELLO of CURVE %d.%d", d.length>>8, d.length&0xFF)
			}
			d.enter(opaque)
		}
		return nil
	}
	if d.at < d.lengthOctets() {
		return nil
	}
	if d.length > uint64(d.left) {
		if d.form != explanation || d.side == Client {
			return violationf("%v has a field of %d octets and %d left for it", d.order, d.length, d.left)
		}
		reason.add([]byte{o}) // go-zeromq's workers write the text without its length
		d.length = uint64(d.left)
	}
	d.want = uint8(min(d.length, 255))
	d.enter(field)
	if d.length == 0 {
		d.endField()
	}
	return nil
}

func (d *direction) lengthOctets() uint8 {
	if d.form == token || d.form == metadata && d.field%2 == 1 {
		return 4
	}
	return 1
}

// takeField passes over a field. Only names and socket types of metadata are
// looked at; credentials are not kept even for that long.
func (d *direction) takeField(b []byte, reason *reason) int {
	n := min(len(b), int(d.length))
	switch d.form {
	case metadata:
		if d.at < uint8(len(d.text)) {
			d.at += uint8(copy(d.text[d.at:], b[:n]))
		}
	case explanation:
		reason.add(b[:n])
	}
	d.length -= uint64(n)
	d.left -= uint32(n)
	if d.length == 0 {
		d.endField()
	}
	return n
}

// endField goes on with the next. A name that is too long to be kept is none
// that we know; the same holds for a type.
func (d *direction) endField() {
	if d.form == metadata {
		whole := d.text[:d.at]
		switch {
		case d.field%2 == 0:
			d.typed = d.want == d.at && string(whole) == "Socket-Type"
		case !d.typed:
		case d.want == d.at:
			d.types |= typeOf(whole)
		default:
			d.types |= typeOther
		}
	}
	d.field++
	if d.form == metadata && d.field == 2 {
		d.field = 0
	}
	d.enterField()
}

// endIfOver ends the command with its last octet, if it may end there.
func (d *direction) endIfOver() error {
	complete := d.phase == opaque
	switch d.form {
	case metadata:
		complete = d.phase == fieldLength && d.field == 0 && d.at == 0
	case credentials:
		complete = d.phase == fieldLength && d.field == 2
	case token:
		complete = d.phase == fieldLength && d.field == 1
	}
	switch {
	case d.left > 0 && complete && (d.form == credentials || d.form == token):
		return violationf("%v has %d octets too many", d.order, d.left)
	case d.left > 0:
		return nil
	case !complete:
		return violationf("%v ends within a field", d.order)
	}
	d.stage = max(d.stage, d.order.stage())
	switch {
	case d.order == errorOrder:
		d.enter(failed)
	case d.closes(d.order):
		d.finish()
	default:
		d.enter(frameFlags)
	}
	return nil
}
