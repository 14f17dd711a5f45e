package endpoint

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Endpoint
	}{
		{"tcp://127.0.0.1:5555", Endpoint{Network: "tcp", Host: "127.0.0.1", Port: 5555}},
		{"tcp://[::1]:5555", Endpoint{Network: "tcp", Host: "::1", Port: 5555}},
		{"tcp://*:0", Endpoint{Network: "tcp", Host: "*"}},
		{"tcp://eth0:1", Endpoint{Network: "tcp", Host: "eth0", Port: 1}},
		{"ipc:///run/a.sock", Endpoint{Network: "ipc", Path: "/run/a.sock"}},
		{"ipc://@name", Endpoint{Network: "ipc", Path: "@name"}},
	} {
		got, err := Parse(tc.text)
		if got != tc.want || err != nil || got.String() != tc.text {
			t.Errorf("%s is %+v (%s), %v", tc.text, got, got, err)
		}
	}
	if e, err := Parse("tcp://*:*"); e.Port != 0 || err != nil {
		t.Errorf("libzmq's word for any port: %+v, %v", e, err)
	}
}

// What is no endpoint has an error of one line, with the endpoint and the reason.
func TestParseMistakes(t *testing.T) {
	for text, reason := range map[string]string{
		"":                                   "want tcp://HOST:PORT or ipc://PATH",
		"127.0.0.1:5555":                     "want tcp://HOST:PORT or ipc://PATH",
		"udp://127.0.0.1:1":                  `transport "udp" is not served`,
		"tcp://127.0.0.1":                    "want tcp://HOST:PORT",
		"tcp://::1:5555":                     "brackets",
		"tcp://127.0.0.1:65536":              "from 0 to 65535",
		"tcp://:5555":                        "no usable host",
		"tcp://a;b:1":                        "no usable host",
		"ipc://":                             "want ipc:///path/of/socket",
		"ipc://@":                            "want ipc:///path/of/socket",
		"ipc:///a\x00b":                      "a NUL",
		"ipc:///" + strings.Repeat("x", 107): "the path has 108 bytes",
		"ipc://@" + strings.Repeat("x", 107): "the path has 108 bytes",
		"tcp://" + strings.Repeat("x\n", 3) + ":1": "no usable host",
	} {
		_, err := Parse(text)
		var bad *Error
		if !errors.As(err, &bad) || !errors.Is(err, ErrInvalid) || bad.Endpoint != text || !strings.Contains(bad.Reason, reason) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: two lines: %v", text, err)
		}
	}
}

func TestDialable(t *testing.T) {
	for text, can := range map[string]bool{
		"tcp://host:1": true, "tcp://*:1": false, "tcp://host:0": false, "ipc:///run/a.sock": true, "ipc://@name": true,
		"tcp://0.0.0.0:1": false, "tcp://[::]:1": false, "tcp://[::ffff:0.0.0.0]:1": false, "tcp://[::%lo]:1": false,
		"tcp://224.0.0.1:1": false, "tcp://[ff02::1%lo]:1": false, "tcp://255.255.255.255:1": false,
		"tcp://127.255.255.255:1": true, "tcp://[fe80::1%lo]:1": true,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Dialable(); (err == nil) != can || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What others ask of an endpoint in place of its network.
func TestQuestions(t *testing.T) {
	for text, want := range map[string]struct {
		addressed, name bool
		address, file   string
		beside          string
	}{
		"tcp://127.0.0.1:5555":       {true, false, "127.0.0.1:5555", "", "tcp://127.0.0.1:5556"},
		"tcp://[::ffff:127.0.0.1]:1": {true, false, "127.0.0.1:1", "", "tcp://[::ffff:127.0.0.1]:2"},
		"tcp://*:5555":               {true, false, "invalid AddrPort", "", "tcp://*:5556"},
		"tcp://127.0.0.1:0":          {true, false, "127.0.0.1:0", "", "tcp://127.0.0.1:0"},
		"tcp://localhost:1":          {true, true, "invalid AddrPort", "", "tcp://localhost:2"},
		"ipc:///run/a.sock":          {false, false, "invalid AddrPort", "/run/a.sock", "ipc:///run/a.sock.x"},
		"ipc://@name":                {false, false, "invalid AddrPort", "", "ipc://@name.x"},
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if e.Addressed() != want.addressed || e.IsName() != want.name || e.Address().String() != want.address || e.File() != want.file {
			t.Errorf("%s: addressed %v, a name %v, address %v, file %q", text, e.Addressed(), e.IsName(), e.Address(), e.File())
		}
		if got := e.Beside(".x").String(); got != want.beside {
			t.Errorf("%s is beside %s", got, text)
		}
		if err := e.CheckName(); (err == nil) != want.name || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMeets(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"tcp://127.0.0.1:1", "tcp://127.0.0.1:1", true},
		{"tcp://127.0.0.1:1", "tcp://*:1", true},
		{"tcp://127.0.0.1:1", "tcp://127.0.0.2:1", false},
		{"tcp://127.0.0.1:1", "tcp://127.0.0.1:2", false},
		{"tcp://127.0.0.1:0", "tcp://127.0.0.1:0", false},
		{"ipc:///a", "ipc:///a", true},
		{"ipc:///a", "ipc://@a", false},
		{"ipc:///a", "tcp://*:1", false},
	} {
		a, _ := Parse(tc.a)
		b, _ := Parse(tc.b)
		if a.Meets(b) != tc.want || b.Meets(a) != tc.want {
			t.Errorf("%s and %s meet: %v, want %v", tc.a, tc.b, a.Meets(b), tc.want)
		}
	}
}

// SRV records have a name and no port.
func TestParseService(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://_zmtp._tcp.orders.example": "_zmtp._tcp.orders.example",
		"tcp://":                          "", "tcp://a:1": "", "ipc://a": "", "a": "", "tcp://[::1]": "",
	} {
		if name, err := ParseService(text); name != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s is %q, %v", text, name, err)
		}
	}
}
