package zmtp

import (
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, bytes string
		at          int // octets after which the verdict falls; before it NeedMore
		want        Verdict
	}{
		{"libzmq", signature3, 10, ZMTP},
		{"libzmq with an identity", "\xff\x00\x00\x00\x00\x00\x00\x00\x09\x7f", 10, ZMTP},
		{"JeroMQ", signature3 + "\x01\x03", 10, ZMTP},
		{"go-zeromq", greeting("NULL"), 10, ZMTP},
		{"the bit, not 7f", "\xff12345678\x01", 10, ZMTP},
		{"1.0 anonymous", "\x01\x00", 2, ZMTP},
		{"1.0 named", "\x06\x00alice", 7, ZMTP},
		{"1.0 longest in the short form", "\xfe\x00" + strings.Repeat("i", 253), 255, ZMTP},
		{"1.0 long", signatureOfLong(255) + strings.Repeat("i", 254), 264, ZMTP},
		{"1.0 longest", signatureOfLong(256) + strings.Repeat("i", 255) + "\x01\x00", 265, ZMTP},
		{"1.0 too long", signatureOfLong(257) + strings.Repeat("i", 256), 10, NotZMTP},
		{"1.0 short in the long form", signatureOfLong(254) + strings.Repeat("i", 253), 10, NotZMTP},
		{"1.0 long, and more of it", signatureOfLong(255)[:9] + "\x02", 10, NotZMTP},
		{"1.0 and frames", "\x01\x00\x01\x01\x06\x00hello", 2, ZMTP},
		{"1.0 and a long frame", "\x01\x00\xff\x00\x00\x00\x00\x00\x01\x00\x00\x00hello", 2, ZMTP},

		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01", 2, NotZMTP},
		{"HTTP", "GET / HTTP/1.1\r\n", 2, NotZMTP},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 2, NotZMTP},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", 2, NotZMTP},
		{"RESP", "*1\r\n$4\r\nPING\r\n", 2, NotZMTP},
		{"SMTP", "EHLO x\r\n", 2, NotZMTP},
		{"PROXY", "PROXY TCP4 1.2.3.4", 2, NotZMTP},
		{"PROXY v2", "\r\n\r\n\x00\r\nQUIT\n", 2, NotZMTP},
		{"PostgreSQL", "\x00\x00\x00\x08\x04\xd2\x16\x2f", 1, NotZMTP},
		{"RDP", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03", 3, NotZMTP},
		{"zeros", "\x00\x00\x00", 1, NotZMTP},
		{"all ones", strings.Repeat("\xff", 20), 10, ZMTP}, // odd at the tenth: the handshake will tell
		{"signature", "\xff12345678\x7e", 10, NotZMTP},
		{"identity with flags", "\x05\x01abcd", 2, NotZMTP},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := range len(c.bytes) + 1 {
				want := NeedMore
				if n >= c.at {
					want = c.want
				}
				if got := Inspect([]byte(c.bytes[:n])); got != want {
					t.Errorf("after %d octets %v, want %v", n, got, want)
				}
			}
		})
	}
}

// Once whole, what looked like ZMTP can still be proven not to be, when it comes in one chunk.
func TestInspectLaterOctets(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[string]Verdict{
		signature3 + "\x00":                            NotZMTP, // revision
		signature3 + "\x01":                            ZMTP,
		"\x01\x00\x00":                                 NotZMTP, // a frame without room for its flags
		"\x01\x00\x05\x02":                             NotZMTP, // flags
		"\x01\x00\x05\x01abcd\x05\x00":                 ZMTP,
		"\x01\x00\x05\x01abcd\x05\x08":                 NotZMTP,
		"\x01\x00\xff\x00":                             ZMTP,
		"\x01\x00\xff" + zeros[:8]:                     NotZMTP,
		"\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff": NotZMTP,
		"\x01\x00\xff" + zeros[:7] + "\x02\x00a\x03":   ZMTP,
	} {
		if got := Inspect([]byte(bytes)); got != want {
			t.Errorf("%x: %v, want %v", bytes, got, want)
		}
	}
}

func TestInspectDoesNotAllocate(t *testing.T) {
	b := []byte("\x01\x00" + strings.Repeat("\x05\x01abcd", 1000))
	if n := testing.AllocsPerRun(100, func() { _ = Inspect(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if got := NeedMore.String() + ZMTP.String() + NotZMTP.String() + Verdict(9).String(); got != "need-morezmtpnot-zmtpunknown" {
		t.Error(got)
	}
	if got := Greeting.String() + Handshaking.String() + Open.String() + State(9).String(); got != "greetinghandshakingopenunknown" {
		t.Error(got)
	}
}

// FuzzInspect holds that a verdict never returns to NeedMore, that NotZMTP is
// final, and that what the handshake understands was let in.
func FuzzInspect(f *testing.F) {
	for _, s := range []string{signature3, greeting("CURVE"), "\x06\x00alice\x01\x01\x06\x00hello", "GET / HTTP/1.1", "\x16\x03\x01", "\x01\x00\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 8192)]
		last := NeedMore
		for n := range len(b) + 1 {
			v := Inspect(b[:n])
			if last == NotZMTP && v != NotZMTP || last == ZMTP && v == NeedMore {
				t.Fatalf("%v after %v at octet %d", v, last, n)
			}
			last = v
		}
		var h Handshake
		head := b[:min(len(b), 11)]
		if _, err := h.Client(head); err != nil && Inspect(head) != NotZMTP {
			t.Fatalf("%x is refused (%v) but was let in", head, err)
		}
	})
}
