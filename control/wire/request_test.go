package wire

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("HELLO\x00client\x00alice\x00endpoint=127.0.0.1:5"))
	f.Add([]byte(""))
	f.Add([]byte("CLIENTS\x00limit=3\x00limit=4"))
	f.Add([]byte("PIN\x00a\x00w1,w2\x00pool="))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(bytes.Split(b, []byte{0}))
		if err != nil {
			if CodeOf(err) != Malformed {
				t.Fatalf("%v is no 400", err)
			}
			return
		}
		if got := strings.Join(r.Frames(), "\x00"); got != string(b) {
			t.Fatalf("%q became %q", b, got)
		}
		if err := r.Check(); err != nil {
			t.Fatalf("%q can be read and may not be sent: %v", b, err)
		}
	})
}
