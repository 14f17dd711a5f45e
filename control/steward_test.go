package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// newSteward steers the pool of a rig that has a worker, and logs to what it returns.
func newSteward(t *testing.T) (*Steward, *rig, *bytes.Buffer) {
	t.Helper()
	r := newRig(t, nil)
	r.say(r.dial(), wire.OK, "ADD", "w1", "tcp://127.0.0.1:1")
	log := &bytes.Buffer{}
	s, err := NewSteward(Proxy{Pools: []*stream.Pool{r.pool}, Shutdown: r.shutdown, Reload: r.reload}, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, r, log
}

var alice = Guest{Level: wire.Operator, Name: "alice", Address: "192.0.2.7"}

// form is one of key=value.
func form(said ...string) url.Values {
	f := url.Values{}
	for _, s := range said {
		key, value, _ := strings.Cut(s, "=")
		f.Add(key, value)
	}
	return f
}

// What is said over HTTP is what the control socket would have been told, and it is logged
// who did it, from where, what, and how that ended.
func TestStewardDoesWhatTheControlSocketDoes(t *testing.T) {
	s, r, log := newSteward(t)
	for _, tc := range []struct {
		verb string
		form url.Values
		code wire.Code
		args string
	}{
		{"DRAIN", form("worker=w1"), wire.OK, "w1"},
		{"DRAIN", form("worker=w1", "pool=main"), wire.NotFound, "w1 pool=main"},
		{"DRAIN", form("worker=nobody"), wire.NotFound, "nobody"},
		{"DRAIN", form("worker=a b", "pool=c"), wire.NotFound, `"a b" pool=c`},
		{"KICK", form("what=client", `which="b\n`), wire.NotFound, `client "\"b\\n"`},
		{"DRAIN", form(), wire.Malformed, ""},
		{"DRAIN", form("worker=w1", "worker=w2"), wire.Malformed, ""},
		{"DRAIN", form("worker=w1", "n=3"), wire.Malformed, ""},
		{"WEIGHT", form("worker=w1", "n=7"), wire.OK, "w1 7"},
		{"WEIGHT", form("worker=w1", "n=0"), wire.Malformed, "w1 0"},
		{"WEIGHT", form("worker=w1"), wire.Malformed, "w1"},
		{"ENABLE", form("worker=w1", "pool="), wire.OK, "w1"},
		{"KICK", form("what=worker", "which=w1"), wire.OK, "worker w1"},
		{"KICK", form("what=client", "which=bob"), wire.NotFound, "client bob"},
		{"KICK", form("what=all", "which=w1"), wire.Malformed, "all w1"},
		{"REBALANCE", form("what=dry-run"), wire.OK, "dry-run"},
		{"REBALANCE", form("what=worker=w1"), wire.Malformed, "worker=w1"}, // begins none
		{"REBALANCE", form("worker=w1", "rate=5/s"), wire.OK, "worker=w1 rate=5/s"},
		{"PAUSE", form(), wire.OK, ""},
		{"RESUME", form(), wire.OK, ""},
		{"SHUTDOWN", form(), wire.UnknownVerb, ""}, // not one that can be said over HTTP
		{"TERMINATE", form(), wire.UnknownVerb, ""},
		{"STATUS", form(), wire.UnknownVerb, ""},
		{"drain", form("worker=w1"), wire.UnknownVerb, ""},
	} {
		log.Reset()
		if got := s.Do(t.Context(), alice, tc.verb, tc.form, nil); got.Code != tc.code {
			t.Errorf("%s %v: %d %s, want %d", tc.verb, tc.form, got.Code, got.Text, tc.code)
		}
		var line struct {
			Msg, Verb, Args, Address, Caller, Level string
			Code                                    wire.Code
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%s %v: %v: %s", tc.verb, tc.form, err, log)
		}
		if line.Msg != "steered over HTTP" || line.Verb != tc.verb || line.Args != tc.args || line.Address != alice.Address || line.Caller != alice.Name || line.Code != tc.code {
			t.Errorf("%s %v: logged %s", tc.verb, tc.form, log)
		}
	}
	if n := s.Requests(); !slices.Contains(n, RequestCount{"PAUSE", wire.OK, 1}) || !slices.Contains(n, RequestCount{"WEIGHT", wire.Malformed, 2}) || !slices.Contains(n, RequestCount{otherVerb, wire.UnknownVerb, 1}) {
		t.Errorf("counted %v", n)
	}
	snapshot, err := r.pool.Snapshot(t.Context())
	if err != nil || snapshot.Workers[0].Weight != 7 {
		t.Errorf("%v %+v", err, snapshot.Workers)
	}
	if len(r.shutdowns) > 0 {
		t.Error("the proxy was told to end")
	}
}

// Who is no operator is refused with the reason, whatever else is wrong with what it says, and
// nothing happens. That is logged once a minute.
func TestStewardRefusesWhoHasNoRight(t *testing.T) {
	s, r, log := newSteward(t)
	mallory := Guest{Name: "mallory", Address: "192.0.2.8", Reason: "nobody said so"}
	for _, v := range WebVerbs() {
		for _, f := range []url.Values{form("worker=w1", "n=9", "what=worker", "which=w1"), form("worker=w1"), form(), form("x=y")} {
			got := s.Do(t.Context(), mallory, v.Name, f, errors.New("it could not be read"))
			if got.Code != wire.Forbidden || got.Text != v.Name+" is for the level operator: nobody said so" {
				t.Errorf("%s: %d %s", v.Name, got.Code, got.Text)
			}
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), "mallory") {
		t.Errorf("%d lines:\n%s", n, log)
	}
	snapshot, err := r.pool.Snapshot(t.Context())
	if err != nil || snapshot.Paused || snapshot.Workers[0].State.String() != "ready" || snapshot.Workers[0].Weight != 1 {
		t.Errorf("%v: something has happened: %+v", err, snapshot.Workers)
	}
}

// A form that could not be read is refused, and logged with who sent it.
func TestStewardRefusesWhatCannotBeRead(t *testing.T) {
	s, _, log := newSteward(t)
	got := s.Do(t.Context(), alice, "PAUSE", form(), wire.Errorf(wire.Malformed, "no form"))
	if got.Code != wire.Malformed || got.Text != "no form" {
		t.Errorf("%d %s", got.Code, got.Text)
	}
	if !strings.Contains(log.String(), `"code":400,"text":"no form","level":"operator","address":"192.0.2.7","caller":"alice"`) {
		t.Errorf("logged %s", log)
	}
}

// Every argument of a verb has a field, and no two have the same.
func TestFieldsOfForms(t *testing.T) {
	var names []string
	for _, v := range WebVerbs() {
		names = append(names, v.Name)
		must, may := v.Fields()
		places, options := v.Places()
		all := append(slices.Clone(must), may...)
		if len(all) != len(places)+len(options) {
			t.Errorf("%s: %v for %s", v.Name, all, v.Args)
		}
		slices.Sort(all)
		if len(slices.Compact(slices.Clone(all))) != len(all) {
			t.Errorf("%s: %v", v.Name, all)
		}
	}
	if want := []string{"DRAIN", "ENABLE", "WEIGHT", "KICK", "REBALANCE", "PAUSE", "RESUME"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}
