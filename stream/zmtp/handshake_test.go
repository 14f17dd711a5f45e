package zmtp

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unsafe"
)

const (
	signature3 = "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"
	zeros      = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// commandOf is a command of 3.x, of any length.
func commandOf(name, data string) string {
	n := 1 + len(name) + len(data)
	if n < 256 {
		return string([]byte{4, byte(n), byte(len(name))}) + name + data
	}
	return string([]byte{6, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n), byte(len(name))}) + name + data
}

// greeting of ZMTP 3.1 with a mechanism.
func greeting(mechanism string) string {
	return signature3 + "\x03\x01" + mechanism + zeros[:20-len(mechanism)] + zeros
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, bytes, says string }{
		{"first octet", "\x00", "first octet"},
		{"signature", "\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7e", "signature ends with 7e"},
		{"revision", signature3 + "\x00", "revision is 00"},
		{"no mechanism", signature3 + "\x03\x01" + zeros[:20], "no mechanism"},
		{"small letters", signature3 + "\x03\x01" + "curve" + zeros[:15], "no mechanism's name"},
		{"padding", signature3 + "\x03\x01" + "CURVE\x00x" + zeros[:13], "no mechanism's name"},
		{"not ASCII", signature3 + "\x03\x01" + "\xff" + zeros[:19], "no mechanism's name"},
		{"2.0 unknown flags", signature3 + "\x01\x03\x08", "identity has flags 08"},
		{"1.0 identity with flags", "\x05\x01", "identity has flags 01"},
		{"2.0 identity with flags", signature3 + "\x01\x03\x01", "identity has flags 01"},
		{"2.0 long identity", signature3 + "\x01\x03\x02\x00\x00\x00\x00\x00\x00\x01\x00", "identity of 256 octets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []int{len(c.bytes), 1} {
				var client, worker Handshake
				for side, give := range map[string]func([]byte) (State, error){"client": client.Client, "worker": worker.Worker} {
					_, err := inSteps(give, []byte(c.bytes), step)
					if !errors.Is(err, ErrNotZMTP) || !strings.Contains(err.Error(), c.says) {
						t.Errorf("%s in steps of %d: %v, want %q", side, step, err, c.says)
					}
					var before Handshake
					if _, err := before.Client([]byte(c.bytes[:len(c.bytes)-1])); err != nil && len(c.bytes) < 30 {
						t.Errorf("refused before its last octet: %v", err)
					}
				}
			}
		})
	}
}

// signatureOfLong begins an identity of 1.0 that needs eight octets of length.
func signatureOfLong(length uint64) string {
	return string(append(binary.BigEndian.AppendUint64([]byte{0xff}, length), 0))
}

func TestUnversionedPeerMeetsImpossibleSignature(t *testing.T) {
	t.Parallel()
	for _, signature := range []string{"\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f", "\xff\x00\x00\x00\x00\x00\x00\x01\x01\x7f"} {
		var h Handshake
		if _, err := h.Worker([]byte(signature)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Client([]byte("\x01\x00")); !errors.Is(err, ErrNotZMTP) {
			t.Errorf("%x: %v", signature, err)
		}
		h = Handshake{}
		if _, err := h.Client([]byte("\x01\x00")); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Worker([]byte(signature + "more")); !errors.Is(err, ErrNotZMTP) {
			t.Errorf("%x: %v", signature, err)
		}
	}
}

// steps are given in turn: ">" from the client, "<" from the worker.
func play(t *testing.T, steps ...string) (h Handshake, states []State) {
	t.Helper()
	for i, s := range steps {
		state, err := chunk{client: s[0] == '>'}.give(&h, []byte(s[1:]))
		if err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		states = append(states, state)
	}
	return h, states
}

func TestStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		want  []State
	}{
		{"nothing", []string{">", "<"}, []State{Greeting, Greeting}},
		{
			"NULL needs READY both ways",
			[]string{">" + greeting("NULL"), "<" + greeting("NULL"), ">" + commandOf("READY", ""), "<" + commandOf("READY", "")},
			[]State{Greeting, Handshaking, Handshaking, Open},
		},
		{
			"ERROR does not open, and nothing does after it",
			[]string{">" + greeting("NULL") + commandOf("READY", ""), "<" + greeting("NULL") + commandOf("ERROR", "\x03400"), "<" + commandOf("READY", "")},
			[]State{Greeting, Handshaking, Handshaking},
		},
		{
			"GSSAPI takes several INITIATE each way",
			[]string{
				">" + greeting("GSSAPI") + commandOf("INITIATE", "\x00\x00\x00\x05token"), "<" + greeting("GSSAPI") + commandOf("INITIATE", "\x00\x00\x00\x00") + "\x04\x00",
				">" + commandOf("INITIATE", "\x00\x00\x00\x01t"), ">" + commandOf("MESSAGE", "\x00\x00\x00\x01w"), "<" + commandOf("MESSAGE", "\x00\x00\x00\x01w"),
			},
			[]State{Greeting, Handshaking, Handshaking, Handshaking, Open},
		},
		{
			"GSSAPI without encryption ends with READY",
			[]string{
				">" + greeting("GSSAPI") + commandOf("INITIATE", "\x00\x00\x00\x00"), "<" + greeting("GSSAPI") + commandOf("READY", ""), ">" + commandOf("READY", ""),
			},
			[]State{Greeting, Handshaking, Open},
		},
		{
			"an unknown mechanism may have any commands, and ends with READY or a message",
			[]string{
				">" + greeting("X-OWN") + commandOf("HI", "x") + "\x04\x00" + "\x04\x01\x00" + "\x04\x02\x09x", "<" + greeting("X-OWN") + commandOf(strings.Repeat("READY", 20), "x"),
				">" + commandOf("READY", "x"), "<\x02\xff\xff\xff\xff\xff\xff\xff\xff",
			},
			[]State{Greeting, Handshaking, Handshaking, Open},
		},
		{
			"a frame's flags say nothing to libzmq",
			[]string{">" + greeting("NULL") + "\xf9" + commandOf("READY", "")[1:], "<" + greeting("NULL") + "\x00" + commandOf("READY", "")[1:]},
			[]State{Greeting, Open},
		},
		{
			"both 1.0",
			[]string{">\x01", ">\x00", "<\x03\x00ab", ">\xff\xff\xff"},
			[]State{Greeting, Greeting, Open, Open},
		},
		{
			"2.0 meets 3.1 which steps down",
			[]string{">" + signature3, "<" + signature3 + "\x01\x04", ">\x03\x05\x00\x00", "<\x00\x02ab"},
			[]State{Greeting, Greeting, Handshaking, Open},
		},
		{
			"1.0 with an identity of 255 octets",
			[]string{">" + signatureOfLong(256), ">" + strings.Repeat("i", 254), "<\x01\x00", ">i", ">\x05"},
			[]State{Greeting, Greeting, Handshaking, Open, Open},
		},
		{
			"1.0 comes before the other's signature is whole",
			[]string{">\x01\x00", "<" + signature3[:4], "<" + signature3[4:]},
			[]State{Greeting, Greeting, Open},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, states := play(t, c.steps...)
			for i, want := range c.want {
				if states[i] != want {
					t.Errorf("after step %d: %v, want %v", i+1, states[i], want)
				}
			}
		})
	}
}

func TestMechanismIsKnownWithItsLastOctet(t *testing.T) {
	t.Parallel()
	for mechanism, shape := range map[string]string{
		"NULL": greeting("NULL"), "CURVE": greeting("CURVE"), "X-9_.+": greeting("X-9_.+"),
		"ABCDEFGHIJKLMNOPQRST": greeting("ABCDEFGHIJKLMNOPQRST"),
	} {
		var h Handshake
		for i := range 64 {
			if _, err := h.Client([]byte{shape[i]}); err != nil {
				t.Fatal(err)
			}
			if got := h.Mechanism(); i < 31 && got != "" || i >= 31 && got != mechanism {
				t.Errorf("%s: %q after %d octets", mechanism, got, i+1)
			}
			if h.WorkerMechanism() != "" || h.Version() != "" {
				t.Errorf("%s: something is known of the worker", mechanism)
			}
		}
	}
	// 2.0 and 1.0 count as NULL from the octet on that says so.
	for shape, at := range map[string]int{signature3 + "\x01\x03": 11, "\x05\x00": 1} {
		var h Handshake
		if _, err := h.Client([]byte(shape[:at-1])); err != nil || h.Mechanism() != "" {
			t.Errorf("%x: %q %v", shape, h.Mechanism(), err)
		}
		if _, err := h.Client([]byte(shape[at-1 : at])); err != nil || h.Mechanism() != "NULL" {
			t.Errorf("%x: %q %v", shape, h.Mechanism(), err)
		}
	}
}

func TestVersionIsTheLower(t *testing.T) {
	t.Parallel()
	of := func(revision, minor string) string {
		return signature3 + revision + minor + "NULL" + zeros[:16] + zeros
	}
	for _, c := range []struct{ client, worker, want string }{
		{of("\x03", "\x01"), of("\x03", "\x01"), "3.1"},
		{of("\x03", "\x00"), of("\x03", "\x01"), "3.0"},
		{of("\x03", "\x01"), of("\x03", "\x00"), "3.0"},
		{of("\x04", "\x00"), of("\x03", "\x07"), "3.1"},
		// libzmq reads an unknown revision as the newest that it knows.
		{of("\x02", "\x00"), of("\x03", "\x01"), "3.1"},
		{of("\x03", "\x01"), signature3 + "\x01", "2.0"},
		{"\x01\x00", signature3, "1.0"},
		{signature3, "\x01\x00", "1.0"},
	} {
		h, _ := play(t, ">"+c.client, "<"+c.worker)
		if got := h.Version(); got != c.want {
			t.Errorf("%x and %x: %q, want %q", c.client, c.worker, got, c.want)
		}
	}
}

func TestHandshakeIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Handshake{}); size > 256 {
		t.Errorf("%d bytes", size)
	}
}

func BenchmarkHandshake(b *testing.B) {
	for _, name := range []string{"curve-req-rep", "null-req-rep"} {
		b.Run(name, func(b *testing.B) {
			chunks := load(b, name)
			b.ReportAllocs()
			for b.Loop() {
				var h Handshake
				for _, c := range chunks {
					if _, err := c.give(&h, c.bytes); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
