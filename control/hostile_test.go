package control

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Whatever is said gets one reply, with a code and a text.
func TestNonsense(t *testing.T) {
	r := newRig(t, nil)
	s := r.raw(zmq4.DEALER)
	long := strings.Repeat("x", wire.MaxArgument+1)
	many := make([]any, 10_000)
	for i := range many {
		many[i] = "x"
	}
	for _, tc := range []struct {
		name   string
		frames []any
		want   string
	}{
		{"unknown verb", []any{"FROBNICATE"}, "501"},
		{"lower case", []any{"status"}, "501"},
		{"an empty message", []any{""}, "400"},
		{"an empty verb", []any{"", ""}, "400"},
		{"bad UTF-8", []any{"HELLO", "client", "\xff\xfe"}, "400"},
		{"a binary verb", []any{"\x00\x01\x02"}, "501"},
		{"too few", []any{"HELLO", "client"}, "400"},
		{"too many", []any{"PING", "pong"}, "400"},
		{"unknown option", []any{"CLIENTS", "colour=red"}, "400"},
		{"an option twice", []any{"CLIENTS", "limit=1", "limit=2"}, "400"},
		{"a bad number", []any{"CLIENTS", "limit=many"}, "400"},
		{"a bad state", []any{"CLIENTS", "state=asleep"}, "400"},
		{"no kind", []any{"HELLO", "broker", "x"}, "400"},
		{"an identity of 10 KiB", []any{"HELLO", "client", strings.Repeat("x", 10<<10)}, "400"},
		{"a long identity", []any{"HELLO", "client", strings.Repeat("x", pairing.MaxName+1)}, "400"},
		{"an identity with a newline", []any{"HELLO", "client", "a\nb"}, "400"},
		{"a bad endpoint", []any{"HELLO", "client", "x", "endpoint=here"}, "400"},
		{"no such pool", []any{"WORKERS", "pool=none"}, "404"},
		{"a long argument", []any{"PING", long}, "400"},
		{"10,000 frames", many, "400"},
		{"a heartbeat for nobody", []any{"HEARTBEAT", "nobody"}, "404"},
		{"a word with an argument", []any{"PAUSE", "now"}, "400"},
		{"an unknown worker", []any{"DRAIN", "nobody"}, "404"},
		{"a weight", []any{"WEIGHT", "w", "0"}, "400"},
		{"whois", []any{"WHOIS", "10.0.0.1:1"}, "404"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := s.SendMessage(tc.frames...); err != nil {
				t.Fatal(err)
			}
			m, err := s.RecvMessage(0)
			if err != nil {
				t.Fatal(err)
			}
			if len(m) > 0 && m[0] == "" {
				m = m[1:]
			}
			if len(m) < 2 || m[0] != tc.want || m[1] == "" {
				t.Errorf("got %q, want %s", m, tc.want)
			}
		})
	}
	// And not one reply more.
	if err := s.SetRcvtimeo(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if m, err := s.RecvMessage(0); err == nil {
		t.Errorf("one reply too many: %q", m)
	}
	counted := map[string]uint64{}
	for _, n := range r.server.Stats().Requests {
		counted[n.Verb] += n.Count
	}
	if counted[otherVerb] < 4 || counted["HELLO"] < 5 {
		t.Errorf("counted %v", counted)
	}
}

// A frame of a gigabyte is announced: libzmq closes the connection before it comes.
func TestGiantFrame(t *testing.T) {
	r := newRig(t, nil)
	c, err := net.Dial("unix", filepath.Join(r.dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(nullPeer()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte{2, 0, 0, 0, 0, 0x40, 0, 0, 0}); err != nil { // a long frame of 1<<30 bytes
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(c); errors.Is(err, syscall.ETIMEDOUT) || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Fatal("the connection stays open")
	}
	r.say(r.dial(), wire.OK, "PING")
}

// Who asks too much is told so, and others are served meanwhile.
func TestFlood(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Rate = 50 })
	s := r.raw(zmq4.DEALER)
	const n = 100 // fits into the queues: each is answered
	for range n {
		if _, err := s.SendMessage("PING"); err != nil {
			t.Fatal(err)
		}
	}
	other := r.dial()
	r.say(other, wire.OK, "STATUS")
	codes := map[string]int{}
	for range n {
		m, err := s.RecvMessage(0)
		if err != nil {
			t.Fatal(err)
		}
		codes[m[0]]++
	}
	if codes["200"] < 50 || codes["429"] == 0 || codes["200"]+codes["429"] != n {
		t.Errorf("%v", codes)
	}
	eventually(t, "it may ask again", func() bool {
		if _, err := s.SendMessage("PING"); err != nil {
			t.Fatal(err)
		}
		m, err := s.RecvMessage(0)
		return err == nil && m[0] == "200"
	})
}

// Who never reads its replies loses them, and holds up nobody.
func TestNeverReads(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Rate = 1 << 20 })
	s := r.raw(zmq4.DEALER)
	if err := errors.Join(s.SetSndtimeo(10*time.Millisecond), s.SetRcvhwm(1)); err != nil {
		t.Fatal(err)
	}
	other := r.dial()
	deadline := time.Now().Add(patience)
	for i := 0; r.server.Stats().Unread == 0; i++ {
		_, err := s.SendMessage("HELP")
		if err != nil && !again(err) {
			t.Fatal(err)
		}
		if i%1000 == 0 {
			r.say(other, wire.OK, "PING")
		}
		if time.Now().After(deadline) {
			t.Fatal("no reply was ever dropped")
		}
	}
	r.say(other, wire.OK, "PING")
}

// The table of hints is bounded, whoever fills it.
func TestHintFlood(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, p *stream.Config) { c.Rate, p.Pairing.HintMax = 1<<20, 100 })
	c := r.dial()
	for i := range 1000 {
		r.say(c, wire.OK, "HINT", fmt.Sprint("id-", i), "endpoint=10.0.0.1:"+fmt.Sprint(i+1))
	}
	if n := r.snapshot().Stats.Hints; n != 200 { // and as many preferences
		t.Errorf("%d hints are held", n)
	}
	for i := range 101 {
		want := wire.OK
		if i == 100 {
			want = wire.Conflict
		}
		r.say(c, want, "PIN", fmt.Sprint("id-", i), "w1")
	}
}

func FuzzArguments(f *testing.F) {
	f.Add([]byte("HELLO\x00client\x00alice\x00endpoint=127.0.0.1:5"))
	f.Add([]byte(""))
	f.Add([]byte("CLIENTS\x00limit=3\x00limit=4"))
	f.Add([]byte("PIN\x00a\x00w1,w2\x00pool="))
	verbs := Verbs()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wire.ParseRequest(bytes.Split(b, []byte{0}))
		if err != nil {
			return
		}
		for i := range verbs {
			args, options, err := verbs[i].arguments(r.Args)
			if err != nil && wire.CodeOf(err) != wire.Malformed {
				t.Fatalf("%v is no 400", err)
			}
			if err == nil && len(args)+len(options) != len(r.Args) {
				t.Fatalf("%s %q: %q %q", verbs[i].Name, r.Args, args, options)
			}
		}
	})
}

// A caller that has as many requests under way as it may gets every reply, in
// the order of its requests, heartbeats among others.
func TestManyUnderWay(t *testing.T) {
	r := newRig(t, func(_ *rig, c *Config, _ *stream.Config) { c.Rate = 1 << 20 })
	s := r.raw(zmq4.DEALER)
	r.say(r.dial(), wire.OK, "PIN", "ann", "w1")
	for range 20 {
		for i := range wire.MaxUnderWay {
			words := []any{"HEARTBEAT", "ann"}
			switch i % 16 {
			case 7:
				words = []any{"HEARTBEAT", "nobody"}
			case 15:
				words = []any{"FROBNICATE"}
			}
			if _, err := s.SendMessage(words...); err != nil {
				t.Fatal(err)
			}
		}
		for i := range wire.MaxUnderWay {
			want := map[int]string{7: "404", 15: "501"}[i%16]
			if want == "" {
				want = "200"
			}
			m, err := s.RecvMessage(0)
			if err != nil || m[0] != want {
				t.Fatalf("reply %d is %q, want %s: %v", i, m, want, err)
			}
		}
	}
}
