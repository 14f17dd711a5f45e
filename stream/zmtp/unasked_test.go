package zmtp

import "testing"

func TestUnasked(t *testing.T) {
	t.Parallel()
	const frame = "\x00\x02hi"
	for _, c := range []struct {
		name, bytes string
		want        bool
	}{
		{"nothing", "", false},
		{"1.0", "\x01\x00" + "\x03\x00hi", true},
		{"1.0 that has not spoken", "\x01\x00", false},
		{"1.0 with an identity", "\x06\x00alice" + "\x03\x00hi", true},
		{"half of an identity", "\x06\x00ali", false},
		{"2.0", signature3 + "\x01\x05\x00\x00" + frame, true},
		{"2.0 that has not spoken", signature3 + "\x01\x05\x00\x00", false},
		{"a signature", signature3, false},
		{"NULL", greeting("NULL") + readyOf("PUSH") + frame, true},
		{"NULL and the first octet of a message", greeting("NULL") + readyOf("PUSH") + frame[:1], true},
		{"NULL that has not spoken", greeting("NULL") + readyOf("PUSH"), false},
		{"half of READY", greeting("NULL") + readyOf("PUSH")[:9], false},
		{"NULL that gave up", greeting("NULL") + commandOf("ERROR", "\x03400") + frame, false},
		{"a message in place of READY", greeting("NULL") + frame, false},
		{"PLAIN", greeting("PLAIN") + commandOf("HELLO", "\x01a\x01b") + frame, false},
		{"CURVE", greeting("CURVE") + commandOf("HELLO", string(make([]byte, 194))), false},
		{"a mechanism that nobody knows", greeting("MINE") + frame, true},
		{"HTTP", "GET / HTTP/1.0\r\n\r\n", false},
	} {
		if got := Unasked([]byte(c.bytes)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
