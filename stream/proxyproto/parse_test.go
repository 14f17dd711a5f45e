package proxyproto

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	upstream "github.com/pires/go-proxyproto"
)

// binaryHeader is a header of version 2 with a block of addresses and TLVs.
func binaryHeader(command, family byte, block string) string {
	b := append([]byte(signature2), command, family, 0, 0)
	binary.BigEndian.PutUint16(b[14:], uint16(len(block)))
	return string(b) + block
}

// tlv is one of type t.
func tlv(t byte, value string) string {
	return string([]byte{t, byte(len(value) >> 8), byte(len(value))}) + value
}

// block4 is alice's address and ours: 192.0.2.7:4711 and 198.51.100.1:5555.
const block4 = "\xc0\x00\x02\x07\xc6\x33\x64\x01\x12\x67\x15\xb3"

// withChecksum adds a CRC32c to a header of version 2 for TCP4.
func withChecksum(tlvs string) string {
	b := []byte(binaryHeader(0x21, 0x11, block4+tlvs+tlv(3, "\x00\x00\x00\x00")))
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(b[len(b)-4:], sum)
	return string(b)
}

var (
	alice = netip.MustParseAddrPort("192.0.2.7:4711")
	ours  = netip.MustParseAddrPort("198.51.100.1:5555")
)

func TestParse(t *testing.T) {
	t.Parallel()
	worst := "PROXY UNKNOWN " + strings.Repeat("f", MaxLine-len("PROXY UNKNOWN \r\n")) + "\r\n"
	for _, c := range []struct {
		name, bytes string
		want        Header // without its Length, which is all of bytes
	}{
		{"v1", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 5555\r\n", Header{Version: 1, Source: alice, Destination: ours}},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n", Header{
			Version: 1, Source: netip.MustParseAddrPort("[2001:db8::7]:0"), Destination: netip.MustParseAddrPort("[2001:db8::1]:65535"),
		}},
		{"v1 mapped", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 4711 5555\r\n", Header{Version: 1, Source: alice, Destination: ours}},
		{"v1 mixed", "PROXY TCP4 192.0.2.7 2001:db8::1 4711 5555\r\n", Header{
			Version: 1, Source: alice, Destination: netip.MustParseAddrPort("[2001:db8::1]:5555"),
		}},
		{"v1 unknown", "PROXY UNKNOWN\r\n", Header{Version: 1, Local: true}},
		{"v1 unknown and more", "PROXY UNKNOWN ffff:: 1 2\r\n", Header{Version: 1, Local: true}},
		{"v1 longest", worst, Header{Version: 1, Local: true}},

		{"v2", binaryHeader(0x21, 0x11, block4), Header{Version: 2, Source: alice, Destination: ours}},
		{"v2 datagrams", binaryHeader(0x21, 0x12, block4), Header{Version: 2, Source: alice, Destination: ours}},
		{"v2 mapped", binaryHeader(0x21, 0x21, mapped(alice)+mapped(ours)+"\x12\x67\x15\xb3"), Header{Version: 2, Source: alice, Destination: ours}},
		{"v2 Unix", binaryHeader(0x21, 0x31, "/a"+strings.Repeat("\x00", 214)), Header{Version: 2}},
		{"v2 without addresses", binaryHeader(0x21, 0x00, ""), Header{Version: 2, Local: true}},
		{"v2 without addresses but TLVs", binaryHeader(0x21, 0x00, tlv(5, "id-1")), Header{Version: 2, Local: true, UniqueID: "id-1"}},
		{"v2 local", binaryHeader(0x20, 0x00, ""), Header{Version: 2, Local: true}},
		{"v2 local with addresses", binaryHeader(0x20, 0x11, block4), Header{Version: 2, Local: true}},
		{"v2 local with anything", binaryHeader(0x20, 0x21, "abc"), Header{Version: 2, Local: true}},
		{"v2 checksum", withChecksum(tlv(5, "id-1")), Header{Version: 2, Source: alice, Destination: ours, UniqueID: "id-1"}},
		{"v2 unknown TLV", binaryHeader(0x21, 0x11, block4+tlv(0xFE, "x")+tlv(4, "\x00\x00")), Header{Version: 2, Source: alice, Destination: ours}},
		{"v2 AWS", binaryHeader(0x21, 0x11, block4+tlv(0xEA, "\x01vpce-08d2bf15fac5001c9")), Header{
			Version: 2, Source: alice, Destination: ours, Endpoint: "vpce-08d2bf15fac5001c9",
		}},
		{"v2 Azure", binaryHeader(0x21, 0x11, block4+tlv(0xEE, "\x01\x2a\x00\x00\x01")), Header{
			Version: 2, Source: alice, Destination: ours, Endpoint: "16777258",
		}},
		{"v2 GCP", binaryHeader(0x21, 0x11, block4+tlv(0xE0, "\x00\x00\x00\x00\x00\x00\x01\x00")), Header{
			Version: 2, Source: alice, Destination: ours, Endpoint: "256",
		}},
		{"v2 hostile texts", binaryHeader(0x21, 0x11, block4+tlv(1, "h2\r\n")+tlv(2, "a\x1b[31m\xff.b\u202e")+tlv(5, "\x00\x01")+tlv(0x30, "n\u00e9t")), Header{
			Version: 2, Source: alice, Destination: ours, ALPN: "h2", Authority: "a[31m.b", UniqueID: "0001", Namespace: "n\u00e9t",
		}},
		{"v2 long texts", binaryHeader(0x21, 0x11, block4+tlv(2, strings.Repeat("a", 255)+"\u00e9b")+tlv(5, strings.Repeat("\x00", 400))), Header{
			Version: 2, Source: alice, Destination: ours, Authority: strings.Repeat("a", 255), UniqueID: strings.Repeat("0", 256),
		}},
		{"v2 largest", binaryHeader(0x21, 0x11, block4+tlv(0xF0, strings.Repeat("x", MaxLength-16-12-3))), Header{Version: 2, Source: alice, Destination: ours}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.want.Length = len(c.bytes)
			for n := range len(c.bytes) {
				if _, verdict, err := Parse([]byte(c.bytes[:n])); verdict != NeedMore || err != nil {
					t.Fatalf("after %d octets %v, %v", n, verdict, err)
				}
			}
			for _, rest := range []string{"", "\xff", "hello\r\n"} {
				h, verdict, err := Parse([]byte(c.bytes + rest))
				if verdict != Complete || h != c.want || err != nil {
					t.Errorf("with %q behind it: %v %v\n%+v\nwant\n%+v", rest, verdict, err, h, c.want)
				}
			}
		})
	}
}

func mapped(a netip.AddrPort) string { b := a.Addr().As16(); return string(b[:]) }

func TestTLS(t *testing.T) {
	t.Parallel()
	inner := tlv(0x21, "TLSv1.2") + tlv(0x22, "alice") + tlv(0x23, "AES") + tlv(0x28, "certificate")
	for _, c := range []struct {
		name, value string
		want        *TLS
	}{
		{"verified", "\x03\x00\x00\x00\x00" + inner, &TLS{Version: "TLSv1.2", CommonName: "alice", Cipher: "AES", Certificate: true, Verified: true}},
		{"resumed", "\x05\x00\x00\x00\x00", &TLS{Certificate: true, Verified: true}},
		{"not verified", "\x03\x00\x00\x00\x12" + inner, &TLS{Version: "TLSv1.2", CommonName: "alice", Cipher: "AES", Certificate: true}},
		{"no certificate", "\x01\x00\x00\x00\x00", &TLS{}},
		{"no certificate, and said so", "\x01\x00\x00\x00\x01", &TLS{}},
		{"empty version", "\x01\x00\x00\x00\x00" + tlv(0x21, ""), &TLS{}},
		{"no TLS", "\x00\x00\x00\x00\x00", nil},
	} {
		h, verdict, err := Parse([]byte(binaryHeader(0x21, 0x11, block4+tlv(0x20, c.value))))
		switch {
		case verdict != Complete || err != nil:
			t.Errorf("%s: %v %v", c.name, verdict, err)
		case (h.TLS == nil) != (c.want == nil) || h.TLS != nil && *h.TLS != *c.want:
			t.Errorf("%s: %+v", c.name, h.TLS)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	wrong := []byte(withChecksum(""))
	wrong[len(wrong)-1] ^= 1
	for _, c := range []struct {
		name, bytes string
		at          int // octets after which it is refused
		is          error
		says        string
	}{
		{"v1 endless", "PROXY TCP4 " + strings.Repeat("1", 200), MaxLine, ErrTooLong, "within 107 octets"},
		{"v1 one too long", "PROXY UNKNOWN " + strings.Repeat("f", MaxLine-15) + "\r\n", MaxLine, ErrTooLong, "within 107 octets"},
		{"v1 LF alone", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 5555\n", 44, ErrMalformed, "without CR"},
		{"v1 CR alone", "PROXY TCP4 192.0.2.7\r198.51.100.1", 22, ErrMalformed, "CR within"},
		{"v1 CR and LF inside", "PROXY \r\n", 8, ErrMalformed, `"PROXY "`},
		{"v1 UDP", "PROXY UDP4 192.0.2.7 198.51.100.1 4711 5555\r\n", 45, ErrMalformed, "UDP4"},
		{"v1 few words", "PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", 40, ErrMalformed, "TCP4"},
		{"v1 many words", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 5555 1\r\n", 47, ErrMalformed, "TCP4"},
		{"v1 two spaces", "PROXY TCP4  192.0.2.7 198.51.100.1 4711 5555\r\n", 46, ErrMalformed, "TCP4"},
		{"v1 name", "PROXY TCP4 localhost 198.51.100.1 4711 5555\r\n", 45, ErrMalformed, `address "localhost"`},
		{"v1 zone", "PROXY TCP6 fe80::1%eth0 fe80::1 4711 5555\r\n", 43, ErrMalformed, `address "fe80::1%eth0"`},
		{"v1 octal address", "PROXY TCP4 192.0.2.07 198.51.100.1 4711 5555\r\n", 46, ErrMalformed, `address "192.0.2.07"`},
		{"v1 octal port", "PROXY TCP4 192.0.2.7 198.51.100.1 04711 5555\r\n", 46, ErrMalformed, `port "04711"`},
		{"v1 large port", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n", 46, ErrMalformed, `port "65536"`},
		{"v1 signed port", "PROXY TCP4 192.0.2.7 198.51.100.1 +4711 5555\r\n", 46, ErrMalformed, `port "+4711"`},
		{"v1 hostile text", "PROXY TCP4 \x1b[31m 198.51.100.1 4711 5555\r\n", 41, ErrMalformed, `address "\x1b[31m"`},

		{"v2 version 1", binaryHeader(0x11, 0x11, block4), 13, ErrMalformed, "version 1"},
		{"v2 command", binaryHeader(0x22, 0x11, block4), 13, ErrMalformed, "command 2"},
		{"v2 family", binaryHeader(0x21, 0x41, block4), 14, ErrMalformed, "family and protocol 41"},
		{"v2 protocol", binaryHeader(0x21, 0x13, block4), 14, ErrMalformed, "family and protocol 13"},
		{"v2 local, too", binaryHeader(0x20, 0x13, block4), 14, ErrMalformed, "family and protocol 13"},
		{"v2 short addresses", binaryHeader(0x21, 0x11, block4[:11]), 27, ErrMalformed, "length"},
		{"v2 too long", signature2 + "\x21\x11\x3f\xf1", 16, ErrTooLong, "16385 octets, at most 16384"},
		{"v2 longest", signature2 + "\x20\x00\xff\xff", 16, ErrTooLong, "65551 octets"},
		{"v2 truncated TLV", binaryHeader(0x21, 0x11, block4+"\x05\x00\x09id"), 33, ErrMalformed, "truncated"},
		{"v2 half a TLV", binaryHeader(0x21, 0x11, block4+"\x05\x00"), 30, ErrMalformed, "truncated"},
		{"v2 short SSL", binaryHeader(0x21, 0x11, block4+tlv(0x20, "\x01\x00\x00\x00")), 35, ErrMalformed, "SSL TLV of 4"},
		{"v2 truncated SSL", binaryHeader(0x21, 0x11, block4+tlv(0x20, "\x01\x00\x00\x00\x00\x21\x00\x09T")), 40, ErrMalformed, "in the SSL TLV"},
		{"v2 checksum", string(wrong), 35, ErrChecksum, "not"},
		{"v2 checksum of three octets", binaryHeader(0x21, 0x11, block4+tlv(3, "abc")), 34, ErrMalformed, "CRC32c of 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for n := range len(c.bytes) + 1 {
				h, verdict, err := Parse([]byte(c.bytes[:n]))
				switch {
				case n < c.at:
					if verdict != NeedMore || err != nil {
						t.Fatalf("after %d octets: %v %v", n, verdict, err)
					}
				case verdict != Refused || h != Header{} || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says):
					t.Fatalf("after %d octets: %v %v, want %q", n, verdict, err, c.says)
				}
			}
		})
	}
}

func TestNotProxy(t *testing.T) {
	t.Parallel()
	for bytes, at := range map[string]int{
		"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f":   1, // ZMTP 3
		"\x50\x00" + strings.Repeat("R", 0x4f):       2, // ZMTP 1.0, an identity of 79 octets
		"\x0d\x00" + strings.Repeat("\n", 0x0c):      2,
		"POST / HTTP/1.1":                            2,
		"PROXYTCP4 ":                                 6,
		"PROXX ":                                     5,
		"\r\n\r\n\x00\r\nQUIX\n":                     11,
		"\x16\x03\x01":                               1,
		strings.ToLower("PROXY TCP4 1.1.1.1 2.2.2 "): 1,
	} {
		for n := range len(bytes) + 1 {
			want := NeedMore
			if n >= at {
				want = NotProxy
			}
			if _, verdict, err := Parse([]byte(bytes[:n])); verdict != want || err != nil {
				t.Errorf("%q: after %d octets %v %v", bytes, n, verdict, err)
			}
		}
		if Looks([]byte(bytes)) && at > 6 != strings.HasPrefix(bytes, "\r\n\r\n\x00\r\nQUIT") {
			t.Errorf("%q looks like a header", bytes)
		}
	}
}

func TestLooks(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[string]bool{
		"": false, "P": false, "PROX": false, "PROXY": true, "PROXY TCP4 1": true, "PROXYX": false, "\r\n\r\n": false,
		"\r\n\r\n\x00": true, signature2 + "\x21": true, signature2[:11] + "x": false, "GET / HTTP/1.1": false,
	} {
		if got := Looks([]byte(bytes)); got != want {
			t.Errorf("%q: %v", bytes, got)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(NeedMore, NotProxy, Complete, Refused, Verdict(9)); got != "need-more not-proxy complete refused unknown" {
		t.Error(got)
	}
}

// What HAProxy and nginx were recorded to send says what is written beside it.
func TestRecorded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(files) != len(haproxyWays)+1 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	for _, file := range files {
		raw, want := recording(t, file)
		for n := range raw {
			if _, verdict, err := Parse(raw[:n]); verdict != NeedMore {
				t.Errorf("%s: %v %v after %d octets", file, verdict, err, n)
			}
		}
		h, verdict, err := Parse(append(raw, "\xff\x00"...))
		if verdict != Complete || describe(h) != want {
			t.Errorf("%s: %v %v\n%s\nwant\n%s", file, verdict, err, describe(h), want)
		}
		if !Looks(raw) {
			t.Errorf("%s does not look like a header", file)
		}
	}
}

func recording(t testing.TB, file string) (raw []byte, says string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if raw, err = hex.DecodeString(lines[1]); err != nil {
		t.Fatal(err)
	}
	return raw, lines[2]
}

// What the library writes is read as it was meant.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{1, 2} {
		for _, addresses := range [][2]string{{"192.0.2.7:4711", "198.51.100.1:5555"}, {"[2001:db8::7]:1", "[2001:db8::1]:65535"}} {
			source, destination := netip.MustParseAddrPort(addresses[0]), netip.MustParseAddrPort(addresses[1])
			sent := upstream.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(source), net.TCPAddrFromAddrPort(destination))
			if version == 2 {
				if err := sent.SetTLVs([]upstream.TLV{{Type: upstream.PP2_TYPE_UNIQUE_ID, Value: []byte("id-1")}}); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := sent.Format()
			if err != nil {
				t.Fatal(err)
			}
			h, verdict, err := Parse(raw)
			if verdict != Complete || h.Source != source || h.Destination != destination || h.Length != len(raw) || h.Version != version || err != nil {
				t.Errorf("%q: %v %+v %v", raw, verdict, h, err)
			}
			if version == 2 && h.UniqueID != "id-1" {
				t.Errorf("%+v", h)
			}
		}
		for _, sent := range []*upstream.Header{{Version: version, Command: upstream.LOCAL}} {
			raw, err := sent.Format()
			if err != nil {
				t.Fatal(err)
			}
			if h, verdict, err := Parse(raw); verdict != Complete || !h.Local || err != nil {
				t.Errorf("%q: %v %+v %v", raw, verdict, h, err)
			}
		}
	}
}

// Waiting for a header that does not come costs nothing.
func TestWaitingDoesNotAllocate(t *testing.T) {
	b := []byte(binaryHeader(0x21, 0x11, block4+tlv(5, strings.Repeat("x", 1000))))
	line := []byte("PROXY TCP4 192.0.2.7 198.51.100.1 4711 5555")
	other := []byte{0xff}
	if n := testing.AllocsPerRun(100, func() {
		_, _, _ = Parse(b[:len(b)-1])
		_, _, _ = Parse(line)
		_, _, _ = Parse(other)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
