package zmtp

import (
	"errors"
	"strings"
	"testing"
)

// held plays steps with a guarded worker and says what is held back after each.
func held(t *testing.T, steps ...string) (h Handshake, after []uint64) {
	t.Helper()
	h.Guard("")
	for i, s := range steps {
		if _, err := (chunk{client: s[0] == '>'}).give(&h, []byte(s[1:])); err != nil {
			t.Fatalf("step %d: %v", i+1, err)
		}
		after = append(after, h.Held())
	}
	return h, after
}

func TestHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		want  []uint64
	}{
		{
			"libzmq: the mechanism waits for the worker's, READY for READY",
			[]string{
				">" + signature3, "<" + signature3, ">\x03", "<\x03", ">" + greeting("NULL")[11:], "<" + greeting("NULL")[11:],
				">" + readyOf("REQ"), ">\x00\x01x", "<" + readyOf("REP"),
			},
			[]uint64{0, 0, 0, 0, 52, 0, uint64(len(readyOf("REQ"))), uint64(len(readyOf("REQ")) + 3), 0},
		},
		{
			"all at once: what the worker needs in order to speak passes",
			[]string{">" + greeting("NULL") + readyOf("REQ"), "<" + greeting("NULL")[:11], "<" + greeting("NULL")[11:32], "<" + greeting("NULL")[32:] + readyOf("REP")},
			[]uint64{uint64(52 + len(readyOf("REQ"))), uint64(52 + len(readyOf("REQ"))), uint64(len(readyOf("REQ"))), 0},
		},
		{
			"the worker spoke first",
			[]string{"<" + greeting("NULL"), ">" + greeting("NULL"), "<" + readyOf("REP"), ">" + readyOf("REQ")},
			[]uint64{0, 0, 0, 0},
		},
		{
			"a worker that refuses must not hear READY",
			[]string{"<" + greeting("NULL"), ">" + greeting("NULL") + readyOf("REQ"), "<" + commandOf("ERROR", "\x03400")},
			[]uint64{0, uint64(len(readyOf("REQ"))), uint64(len(readyOf("REQ")))},
		},
		{
			"CURVE hides its types",
			[]string{"<" + greeting("CURVE"), ">" + greeting("CURVE") + commandOf("HELLO", "\x01\x00"+strings.Repeat("h", 192))},
			[]uint64{0, 0},
		},
		{
			"an old worker",
			[]string{">" + greeting("NULL")[:12], "<" + signature3 + "\x01\x04", "<\x00\x00"},
			[]uint64{0, 0, 0},
		},
		{"an old client", []string{">" + signature3 + "\x01\x03\x00\x00", ">\x00\x01x"}, []uint64{0, 0}},
		{"an oldest client", []string{">\x01\x00", ">\x02\x00x"}, []uint64{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, after := held(t, c.steps...)
			for i, want := range c.want {
				if after[i] != want {
					t.Errorf("after step %d %d octets are held, want %d", i+1, after[i], want)
				}
			}
		})
	}
}

// Nothing is held for a worker that listens, nor any more after Release.
func TestNotHeld(t *testing.T) {
	t.Parallel()
	h, _ := play(t, ">"+greeting("NULL")+readyOf("REQ"))
	if h.Held() != 0 {
		t.Error("held without a guard")
	}
	h, after := held(t, ">"+greeting("NULL")+readyOf("REQ"))
	if h.Release(); h.Held() != 0 || after[0] == 0 {
		t.Error("held after Release, or not before")
	}
}

// What does not fit is seen before the worker has it, and the worker's own word
// is left for the client.
func TestMisfitWhileHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		last  string
		held  uint64
		says  string
	}{
		{"mechanism", []string{">" + greeting("NULL"), "<" + greeting("CURVE")[:31]}, greeting("CURVE")[31:], 52, "NULL at a worker that speaks CURVE"},
		{"type", append(greeted("NULL"), ">"+readyOf("PULL")), readyOf("ROUTER"), uint64(len(readyOf("PULL"))), "PULL at a worker that is ROUTER"},
	} {
		h, after := held(t, c.steps...)
		if got := after[len(after)-1]; got != c.held {
			t.Errorf("%s: %d octets are held, want %d", c.name, got, c.held)
		}
		_, err := h.Worker([]byte(c.last))
		var v *Violation
		if !errors.As(err, &v) || v.Side != Client || v.What != c.says {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestGuardKeepsErrorFromTheWorker(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"NULL", "PLAIN", "CURVE", "GSSAPI"} {
		var h Handshake
		h.Guard(mechanism)
		if _, err := h.Worker([]byte(greeting(mechanism))); err != nil {
			t.Fatal(err)
		}
		_, err := h.Client([]byte(greeting(mechanism) + commandOf("ERROR", "\x03400")))
		if !errors.Is(err, ErrClientGaveUp) || errors.Is(err, ErrProtocol) || !strings.HasSuffix(err.Error(), "400") {
			t.Errorf("%s: %v", mechanism, err)
		}
		h, _ = play(t, append(greeted(mechanism), ">"+commandOf("ERROR", "\x03400"))...)
		if h.Stage(Client) != StageError {
			t.Errorf("%s: without a guard %v", mechanism, h.Stage(Client))
		}
	}
}

// Versions without mechanisms never learn the worker's: what is known of the
// pool must do.
func TestGuardAgainstOldVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ known, bytes, says string }{
		{"CURVE", signature3 + "\x01", "ZMTP 2.0 at a worker that speaks CURVE"},
		{"CURVE", "\x01", "ZMTP 1.0 at a worker that speaks CURVE"},
		{"PLAIN", signatureOfLong(255), "ZMTP 1.0 at a worker that speaks PLAIN"},
		{"NULL", signature3 + "\x01", ""},
		{"", signature3 + "\x01", ""},
		{"CURVE", signature3 + "\x03\x01", ""},
	} {
		var h Handshake
		h.Guard(c.known)
		if _, err := h.Worker([]byte(signature3)); err != nil {
			t.Fatal(err)
		}
		_, err := h.Client([]byte(c.bytes))
		var v *Violation
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s, %x: %v", c.known, c.bytes, err)
		case c.says != "" && (!errors.As(err, &v) || v.Side != Client || v.What != c.says):
			t.Errorf("%s, %x: %v", c.known, c.bytes, err)
		}
	}
	// A worker that has spoken is believed.
	var h Handshake
	h.Guard("CURVE")
	if _, err := h.Worker([]byte(greeting("NULL"))); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Client([]byte(signature3 + "\x01")); err != nil {
		t.Error(err)
	}
}

// Every recorded conversation goes through a guard, too, octet by octet, and at
// the end of those that opened nothing is held back.
func TestRecordedPeersAreNotHeldForEver(t *testing.T) {
	t.Parallel()
	for _, r := range recorded {
		if r.refused != "" {
			continue
		}
		var h Handshake
		h.Guard(r.workerMechanism)
		for _, c := range load(t, r.name) {
			if _, err := inSteps(func(b []byte) (State, error) { return c.give(&h, b) }, c.bytes, 1); err != nil {
				t.Fatalf("%s: %v", r.name, err)
			}
		}
		if waits := strings.HasPrefix(r.name, "null-zap-"); (h.Held() == 0) == waits {
			t.Errorf("%s: %d octets are held", r.name, h.Held())
		}
	}
}
