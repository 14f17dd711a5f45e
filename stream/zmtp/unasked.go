package zmtp

// Unasked says whether a peer that has heard nothing yet has said more in b than belongs to
// a handshake: behind its own part of that, which is whole and in order as far as can be
// seen, something follows.
func Unasked(b []byte) bool {
	var d, other direction
	var r reason
	for len(b) > 0 && d.phase != finished {
		n, err := d.take(b, &other, &r)
		if err != nil {
			return false
		}
		b = b[n:]
	}
	return len(b) > 0
}
