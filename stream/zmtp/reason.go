package zmtp

// maxReason bounds what is kept of an ERROR's text, in octets. ZAP's status
// codes have three.
const maxReason = 40

// reason is the text of an ERROR, made fit to be shown.
type reason struct {
	text [maxReason]byte
	n    uint8
}

// add appends what is printable ASCII, and a question mark for each other octet.
func (r *reason) add(b []byte) {
	for _, o := range b[:min(len(b), maxReason-int(r.n))] {
		if o < ' ' || o > '~' {
			o = '?'
		}
		r.text[r.n] = o
		r.n++
	}
}

func (r *reason) String() string { return string(r.text[:r.n]) }
