package zmtp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const socketTypeREQ = "\x0bSocket-Type\x00\x00\x00\x03REQ"

// readyOf is a READY that says a socket's type.
func readyOf(kind string) string {
	return commandOf("READY", "\x0bSocket-Type\x00\x00\x00"+string([]byte{byte(len(kind))})+kind)
}

// stages of a handshake that is in order, as steps for play.
func greeted(mechanism string) []string {
	return []string{">" + greeting(mechanism), "<" + greeting(mechanism)}
}

func curveHelloed() []string {
	return append(greeted("CURVE"), ">"+commandOf("HELLO", "\x01\x00"+strings.Repeat("h", 192)))
}

func curveWelcomed() []string {
	return append(curveHelloed(), "<"+commandOf("WELCOME", strings.Repeat("w", 160)))
}

func curveInitiated() []string {
	return append(curveWelcomed(), ">"+commandOf("INITIATE", strings.Repeat("i", 248)))
}

func plainHelloed() []string {
	return append(greeted("PLAIN"), ">"+commandOf("HELLO", "\x05alice\x06secret"))
}

func plainWelcomed() []string { return append(plainHelloed(), "<"+commandOf("WELCOME", "")) }

func plainInitiated() []string {
	return append(plainWelcomed(), ">"+commandOf("INITIATE", socketTypeREQ))
}

// Each offender is refused, by name, with the octet at which it can be seen, and
// the same in whatever pieces it comes.
func TestViolations(t *testing.T) {
	t.Parallel()
	metadata := func(data string) string { return commandOf("READY", data) }
	for _, c := range []struct {
		name    string
		before  []string
		offends string // ">" from the client, "<" from the worker
		at      int    // octets of offends after which it is seen; 0: with the last
		stage   Stage
		says    string
	}{
		{"long command", greeted("NULL"), ">\x06\x00\x00\x00\x00\x00\x01\x00\x01", 0, StageGreeting, "a command of 65537 octets"},
		{"absurd command", greeted("NULL"), ">\x06\xff\xff\xff\xff\xff\xff\xff\xff", 0, StageGreeting, "octets"},
		{"absurd message", greeted("NULL"), ">\x02\xff\xff\xff\xff\xff\xff\xff\xff", 0, StageGreeting, "octets"},
		{"message in the handshake", greeted("NULL"), ">\x00\x05hello", 3, StageGreeting, "a command of 5 octets with a name of 104"},
		{"empty message in the handshake", greeted("NULL"), ">\x00\x00", 0, StageGreeting, "an empty command in NULL"},
		{"empty name", greeted("NULL"), ">\x04\x01\x00", 0, StageGreeting, "a name of 0"},
		{"long name", greeted("NULL"), ">\x04\x05\x05READ", 3, StageGreeting, "a command of 5 octets with a name of 5"},
		{"unknown command", greeted("NULL"), ">" + commandOf("HALLO", "x"), 8, StageGreeting, "an unknown command in NULL"},
		{"long unknown command", greeted("NULL"), ">" + commandOf(strings.Repeat("READY", 20), "x"), 103, StageGreeting, "an unknown command in NULL"},
		{"small letters", greeted("NULL"), ">" + commandOf("ready", ""), 0, StageGreeting, "an unknown command in NULL"},
		{"INITIATE in NULL", greeted("NULL"), ">" + commandOf("INITIATE", socketTypeREQ), 11, StageGreeting, "INITIATE in NULL"},
		{"PING in the handshake", greeted("NULL"), ">" + commandOf("PING", "\x00\x00"), 7, StageGreeting, "an unknown command"},

		{"metadata of one octet", greeted("NULL"), ">" + metadata("x"), 9, StageGreeting, "READY has a field of 120 octets and 0 left for it"},
		{"metadata without a value", greeted("NULL"), ">" + metadata("\x01x"), 0, StageGreeting, "READY ends within a field"},
		{"metadata with half a length", greeted("NULL"), ">" + metadata("\x01x\x00\x00\x00"), 0, StageGreeting, "READY ends within a field"},
		{"metadata with a long value", greeted("NULL"), ">" + metadata("\x01x\x00\x00\x00\x02y"), 14, StageGreeting, "a field of 2 octets and 1 left for it"},
		{"metadata with an absurd value", greeted("NULL"), ">" + metadata("\x01x\xff\xff\xff\xffy"), 14, StageGreeting, "a field of 4294967295 octets"},
		{"metadata with a name too many", greeted("NULL"), ">" + metadata(socketTypeREQ+"\x02x"), 28, StageGreeting, "a field of 2 octets and 1 left for it"},
		{"ERROR without a reason", greeted("NULL"), ">" + commandOf("ERROR", ""), 0, StageGreeting, "ERROR ends within a field"},
		{"ERROR with a long reason", greeted("NULL"), ">" + commandOf("ERROR", "\x04400"), 9, StageGreeting, "ERROR has a field of 4 octets and 3 left for it"},

		{"HELLO is short", greeted("CURVE"), ">" + commandOf("HELLO", strings.Repeat("h", 193)), 8, StageGreeting, "HELLO of 199 octets in CURVE"},
		{"HELLO is long", greeted("CURVE"), ">" + commandOf("HELLO", strings.Repeat("h", 195)), 8, StageGreeting, "HELLO of 201 octets in CURVE"},
		{"HELLO of another version", greeted("CURVE"), ">" + commandOf("HELLO", "\x01\x01"+strings.Repeat("h", 192)), 10, StageGreeting, "HELLO of CURVE 1.1"},
		{"WELCOME without HELLO", greeted("CURVE"), ">" + commandOf("WELCOME", strings.Repeat("w", 160)), 10, StageGreeting, "WELCOME in CURVE, when the other side's last was greeting"},
		{"READY first", greeted("CURVE"), ">" + readyOf("REQ"), 8, StageGreeting, "READY in CURVE"},
		{"MESSAGE first", greeted("CURVE"), ">" + commandOf("MESSAGE", "x"), 10, StageGreeting, "MESSAGE in CURVE"},
		{"INITIATE without HELLO", greeted("CURVE"), ">" + commandOf("INITIATE", strings.Repeat("i", 248)), 18, StageGreeting, "INITIATE in CURVE"},
		{"INITIATE without WELCOME", curveHelloed(), ">" + commandOf("INITIATE", strings.Repeat("i", 248)), 18, StageHello, "INITIATE in CURVE, when the other side's last was greeting"},
		{"HELLO twice", curveHelloed(), ">" + commandOf("HELLO", strings.Repeat("h", 194)), 8, StageHello, "HELLO in CURVE"},
		{"two clients", curveHelloed(), "<" + commandOf("HELLO", strings.Repeat("h", 194)), 8, StageGreeting, "HELLO in CURVE, when the other side's last was HELLO"},
		{"WELCOME is short", curveHelloed(), "<" + commandOf("WELCOME", strings.Repeat("w", 159)), 10, StageGreeting, "WELCOME of 167 octets in CURVE"},
		{"INITIATE is short", curveWelcomed(), ">" + commandOf("INITIATE", strings.Repeat("i", 247)), 18, StageHello, "INITIATE of 256 octets in CURVE"},
		{"READY from the client", curveWelcomed(), ">" + commandOf("READY", strings.Repeat("r", 30)), 8, StageHello, "READY in CURVE"},
		{"a frame before READY", curveInitiated(), ">\x00", 1, StageInitiate, "a frame before the other side's READY"},
		{"READY is short", curveInitiated(), "<" + commandOf("READY", strings.Repeat("r", 23)), 8, StageWelcome, "READY of 29 octets in CURVE"},
		{"WELCOME twice", curveInitiated(), "<" + commandOf("WELCOME", strings.Repeat("w", 160)), 10, StageWelcome, "WELCOME in CURVE"},

		{"PLAIN without a user", greeted("PLAIN"), ">" + commandOf("HELLO", ""), 0, StageGreeting, "HELLO ends within a field"},
		{"PLAIN with a long user", greeted("PLAIN"), ">" + commandOf("HELLO", "\x09alice"), 9, StageGreeting, "HELLO has a field of 9 octets and 5 left for it"},
		{"PLAIN without a password", greeted("PLAIN"), ">" + commandOf("HELLO", "\x05alice"), 0, StageGreeting, "HELLO ends within a field"},
		{"PLAIN with a long password", greeted("PLAIN"), ">" + commandOf("HELLO", "\x05alice\x02x"), 15, StageGreeting, "HELLO has a field of 2 octets"},
		{"PLAIN with more", greeted("PLAIN"), ">" + commandOf("HELLO", "\x05alice\x01xyz"), 16, StageGreeting, "HELLO has 2 octets too many"},
		{"PLAIN's WELCOME says something", plainHelloed(), "<" + commandOf("WELCOME", "x"), 10, StageGreeting, "WELCOME of 9 octets in PLAIN"},
		{"PLAIN's INITIATE is no metadata", plainWelcomed(), ">" + commandOf("INITIATE", "x"), 12, StageHello, "INITIATE has a field of 120 octets"},
		{"PLAIN: a frame before READY", plainInitiated(), ">\x01", 1, StageInitiate, "a frame before the other side's READY"},
		{"PLAIN: types that do not fit", plainInitiated(), "<" + readyOf("PUB"), 27, StageInitiate, "REQ at a worker that is PUB"},
		{"libzmq's broken ERROR from a client", greeted("PLAIN"), ">\x04\x09\x5eRROR\x03400", 3, StageGreeting, "a name of 94"},

		{"HELLO in GSSAPI", greeted("GSSAPI"), ">" + commandOf("HELLO", "x"), 8, StageGreeting, "HELLO in GSSAPI"},
		{"a token that is short", greeted("GSSAPI"), ">" + commandOf("INITIATE", "\x00\x00\x00\x01"), 15, StageGreeting, "INITIATE has a field of 1 octets and 0 left"},
		{"a token that is long", greeted("GSSAPI"), ">" + commandOf("INITIATE", "\x00\x00\x00\x01xy"), 16, StageGreeting, "INITIATE has 1 octets too many"},
		{"an empty token and more", greeted("GSSAPI"), ">" + commandOf("INITIATE", "\x00\x00\x00\x00y"), 15, StageGreeting, "INITIATE has 1 octets too many"},
		{"no token", greeted("GSSAPI"), ">" + commandOf("MESSAGE", "\x00\x00\x00"), 0, StageGreeting, "MESSAGE ends within a field"},

		{"mechanisms that do not fit", []string{"<" + greeting("CURVE")}, ">" + greeting("PLAIN"), 32, StageSignature, "PLAIN at a worker that speaks CURVE"},
		{"ZMTP 2.0 at CURVE", []string{"<" + greeting("CURVE")}, ">" + signature3 + "\x01", 11, StageSignature, "NULL at a worker that speaks CURVE"},
		{"ZMTP 1.0 at CURVE", []string{"<" + greeting("CURVE")}, ">\x01", 1, StageGreeting, "NULL at a worker that speaks CURVE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.at == 0 {
				c.at = len(c.offends) - 1
			}
			for _, step := range []int{1, 2, 3, 7, len(c.offends)} {
				h, _ := play(t, c.before...)
				side, bytes := c.offends[0], c.offends[1:]
				var err error
				given := 0
				for err == nil && given < len(bytes) {
					n := min(step, len(bytes)-given)
					_, err = chunk{client: side == '>'}.give(&h, []byte(bytes[given:given+n]))
					given += n
				}
				expectViolation(t, err, c.stage, c.says)
				if given < c.at || given >= c.at+step && given > c.at {
					t.Errorf("in steps of %d it was seen after %d octets, want %d", step, given, c.at)
				}
			}
		})
	}
}

func expectViolation(t *testing.T, err error, stage Stage, says string) {
	t.Helper()
	var v *Violation
	if !errors.As(err, &v) || !errors.Is(err, ErrProtocol) || errors.Is(err, ErrNotZMTP) {
		t.Fatalf("error %v, want %q", err, says)
	}
	if v.Stage != stage || !strings.Contains(v.What, says) {
		t.Errorf("%v, want after %v %q", v, stage, says)
	}
}

// What libzmq takes, or has never looked at, passes.
func TestTolerated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps []string
		want  State
	}{
		{"READY without a type", append(greeted("NULL"), ">"+commandOf("READY", ""), "<"+readyOf("REP")), Open},
		{"a property without a name", append(greeted("NULL"), ">"+commandOf("READY", "\x00\x00\x00\x00\x01x"), "<"+readyOf("REP")), Open},
		{"properties of an application", append(greeted("NULL"), ">"+commandOf("READY", "\x03X-a"+"\x00\x00\x01\x00"+strings.Repeat("v", 256)+socketTypeREQ), "<"+readyOf("REP")), Open},
		{"a name as long as can be", append(greeted("NULL"), ">"+commandOf("READY", "\xff"+strings.Repeat("n", 255)+"\x00\x00\x00\x00"), "<"+readyOf("REP")), Open},
		{"another spelling is another property", append(greeted("NULL"), ">"+commandOf("READY", "\x0bsocket-type\x00\x00\x00\x04PULL"), "<"+readyOf("REP")), Open},
		{"messages right behind READY", append(greeted("NULL"), ">"+readyOf("REQ")+"\x01\x00\x00\x05hello", "<"+readyOf("REP")), Open},
		{"the long form of a short length", append(greeted("NULL"), ">\x06\x00\x00\x00\x00\x00\x00\x00\x06\x05READY", "<"+readyOf("REP")), Open},
		{"ERROR in place of WELCOME", append(curveHelloed(), "<"+commandOf("ERROR", "\x03400")), Handshaking},
		{"ERROR in place of READY", append(curveInitiated(), "<"+commandOf("ERROR", "\x03400"), "<anything"), Handshaking},
		{"ERROR with more behind its reason", append(curveInitiated(), "<"+commandOf("ERROR", "\x03400 and more")), Handshaking},
		{"go-zeromq's ERROR, without a length", append(plainHelloed(), "<"+commandOf("ERROR", "invalid")), Handshaking},
		{"libzmq 4.3.4's ERROR", append(plainHelloed(), "<\x04\x09\x5eRROR\x03400"), Handshaking},
		{"an empty user and password", append(greeted("PLAIN"), ">"+commandOf("HELLO", "\x00\x00")), Handshaking},
		{"a frame after READY", append(curveInitiated(), "<"+commandOf("READY", strings.Repeat("r", 24)), ">\xff\xff\xff"), Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, states := play(t, c.steps...)
			if got := states[len(states)-1]; got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			var octets []string
			for _, s := range c.steps {
				for i := range len(s) - 1 {
					octets = append(octets, s[:1]+s[1+i:2+i])
				}
			}
			if _, states := play(t, octets...); states[len(states)-1] != c.want {
				t.Errorf("octet by octet %v, want %v", states[len(states)-1], c.want)
			}
		})
	}
}

// The pairs of types that may talk, written down once more from the protocol.
func TestSocketTypes(t *testing.T) {
	t.Parallel()
	legal := "PAIR-PAIR PUB-SUB PUB-XSUB XPUB-SUB XPUB-XSUB REQ-REP REQ-ROUTER DEALER-REP DEALER-DEALER DEALER-ROUTER ROUTER-ROUTER PUSH-PULL " +
		"CLIENT-SERVER RADIO-DISH SCATTER-GATHER DGRAM-DGRAM PEER-PEER CHANNEL-CHANNEL"
	kinds := []string{"X-OWN", "X-OTHER"}
	for i := range socketTypes {
		kinds = append(kinds, socketTypes[i].name)
	}
	for _, a := range kinds {
		for _, b := range kinds {
			own := strings.HasPrefix(a, "X-") && strings.HasPrefix(b, "X-")
			want := own || strings.Contains(" "+legal+" ", " "+a+"-"+b+" ") || strings.Contains(" "+legal+" ", " "+b+"-"+a+" ")
			for _, first := range []string{">", "<"} {
				h, _ := play(t, greeted("NULL")...)
				steps := map[string]string{">": readyOf(a), "<": readyOf(b)}
				if _, err := (chunk{client: first == ">"}).give(&h, []byte(steps[first])); err != nil {
					t.Fatal(err)
				}
				second := map[string]string{">": "<", "<": ">"}[first]
				state, err := chunk{client: second == ">"}.give(&h, []byte(steps[second]))
				if (err == nil) != want || want && state != Open {
					t.Errorf("%s at %s: %v %v", a, b, state, err)
				}
				var v *Violation
				if err != nil && (!errors.As(err, &v) || v.Side != Client || !strings.Contains(v.What, " at a worker that is ")) {
					t.Errorf("%s at %s: %v", a, b, err)
				}
			}
		}
	}
}

// Each type that a side names counts, as with libzmq.
func TestSecondSocketType(t *testing.T) {
	t.Parallel()
	h, _ := play(t, append(greeted("NULL"), "<"+readyOf("ROUTER"))...)
	_, err := h.Client([]byte(commandOf("READY", "\x0bSocket-Type\x00\x00\x00\x06DEALER\x0bSocket-Type\x00\x00\x00\x15DEALERDEALERDEALERDEA")))
	if err == nil || !strings.HasSuffix(err.Error(), "DEALER and an unknown type at a worker that is ROUTER") {
		t.Error(err)
	}
}

func TestErrorReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ bytes, want string }{
		{commandOf("ERROR", "\x03400"), "400"},
		{commandOf("ERROR", "\x00"), ""},
		{commandOf("ERROR", "\x0dgo\x1b[31maway\r\n!"), "go?[31maway??"},
		{commandOf("ERROR", "\xff"+strings.Repeat("x", 255)), strings.Repeat("x", maxReason)},
		{commandOf("ERROR", "invalid"), "invalid"},
		{"\x04\x09\x5eRROR\x03400", "400"},
	} {
		for _, step := range []int{1, 4, 1000} {
			h, _ := play(t, plainHelloed()...)
			if _, err := inSteps(h.Worker, []byte(c.bytes), step); err != nil {
				t.Fatal(err)
			}
			if got := h.ErrorReason(); got != c.want || h.Stage(Worker) != StageError {
				t.Errorf("%q: %q after %v", c.bytes, got, h.Stage(Worker))
			}
		}
	}
}

func TestSidesAndStages(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(Client, Worker, Side(9)); got != "client worker unknown" {
		t.Error(got)
	}
	got := fmt.Sprint(StageNothing, StageSignature, StageGreeting, StageHello, StageWelcome, StageInitiate, StageReady, StageError, Stage(99))
	if got != "nothing signature greeting HELLO WELCOME INITIATE READY ERROR unknown" {
		t.Error(got)
	}
}

func TestAsServer(t *testing.T) {
	t.Parallel()
	server := []byte(greeting("NULL"))
	server[32] = 1
	var h Handshake
	if _, err := h.Worker(server); err != nil || !h.AsServer(Worker) || h.AsServer(Client) {
		t.Errorf("%v %v %v", h.AsServer(Worker), h.AsServer(Client), err)
	}
}

// Credentials are not kept, not even for the length of a handshake.
func TestCredentialsAreNotKept(t *testing.T) {
	t.Parallel()
	h, _ := play(t, plainHelloed()...)
	if s := fmt.Sprintf("%s", h.client.text); strings.Contains(s, "alice") || strings.Contains(s, "secret") {
		t.Errorf("%q", s)
	}
}
