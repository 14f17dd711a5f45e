package shared

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

type pairingRecollection = pairing.Recollection

var ann = pairing.Who{Name: "ann"}

// TestKeys: no two have the same key, whatever they and their pools are called, and none is long.
func TestKeys(t *testing.T) {
	long := strings.Repeat("x", 1000)
	keys := map[string]string{}
	for _, space := range []Space{OfPool("a"), OfGroup("a"), OfPool("a:i"), OfPool("a%3Ai"), OfPool("i"), OfPool("")} {
		for _, name := range []string{"", "a", "i:a", ":i:a", "a:i:b", "i", long, long + "y", "10.0.0.1"} {
			for _, byAddress := range []bool{false, true} {
				who := pairing.Who{ByAddress: byAddress, Name: name}
				key := space.key("streamq", who)
				is := string(space) + " " + key
				if other, taken := keys[key]; taken {
					t.Errorf("%q is the key of %s and of %s %+v", key, other, space, who)
				}
				if keys[key] = is; len(key) > 200 {
					t.Errorf("the key of %+v is %d bytes long", who, len(key))
				}
			}
		}
	}
}

// FuzzDecode: what is read is what would be written, or nothing.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"1 w1", "1 ", "2 w1", "", "1 a\nb", "1 \xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		is, err := decode(text)
		if err != nil {
			if is.Known || is.Worker != "" {
				t.Fatalf("of what cannot be read there is %+v", is)
			}
			return
		}
		if again, ok := encode(is.Worker); !ok || again != text {
			t.Fatalf("%q would be written as %q", text, again)
		}
	})
}

// TestWordKeys: no two words have the same key, nor one of anything else, and none is long.
func TestWordKeys(t *testing.T) {
	long := strings.Repeat("x", 1000)
	keys := map[string]bool{}
	for _, name := range []string{"", "a", "w:a", ":ws:a", "s:w", long, long + "y"} {
		for _, byAddress := range []bool{false, true} {
			keys[OfPool("a").key("streamq", pairing.Who{ByAddress: byAddress, Name: name})] = true
		}
		for r := range pairing.RegisterPin + 1 {
			w := pairing.Steering{Worker: name, Register: r}
			if r == pairing.RegisterPin {
				w.Worker, w.Identity = "", name
			}
			key := OfPool("a").wordKey("streamq", &w)
			if keys[key] || len(key) > 200 {
				t.Errorf("%q is taken, or long", key)
			}
			keys[key] = true
		}
	}
}

// FuzzDecodeWord: what is read is what would be written, about what was asked for, and possible; or nothing.
func FuzzDecodeWord(f *testing.F) {
	now := time.UnixMilli(2_000_000_000_000)
	for _, s := range []string{"1 1 a draining", "1 2000000000000 b ready", "1 1 a 7", "1 1 a 0", "1 1 a 16777217", "2 1 a 7", "1 9000000000000 a 7", "1 1 a  7", "1 01 a 7", "1 1 a ", "1 1 a w1,w 2", "1 1 a w1,,w2"} {
		for r := range pairing.RegisterPin + 1 {
			f.Add(s, uint8(r))
		}
	}
	f.Fuzz(func(t *testing.T, text string, r uint8) {
		about := pairing.Steering{Worker: "w", Register: pairing.Register(r) % (pairing.RegisterPin + 1)}
		if about.Register == pairing.RegisterPin {
			about.Worker, about.Identity = "", "ann"
		}
		is, err := decodeWord(text, &about, now)
		if err != nil {
			return
		}
		again, ok := encodeWord(&is)
		if !ok || again != text || is.Worker != about.Worker || is.Identity != about.Identity || len(text) > wordMax || is.Register != about.Register || !is.Everywhere || is.At > now.Add(aheadMost).UnixMilli() {
			t.Fatalf("%q is %+v, and would be written as %q", text, is, again)
		}
		table := pairing.New(pairing.Config{QueueTimeout: 1, FinishTimeout: 1, RetryMin: 1, RetryMax: 1, SharedWait: 1, HintMax: 1, HintTTL: 1})
		if _, err := table.AddWorker(0, pairing.WorkerConfig{Name: "w", Endpoint: "tcp://10.0.0.1:1"}); err != nil {
			t.Fatal(err)
		}
		if heeded, _, err := table.Heed(0, is); !heeded || err != nil {
			t.Fatalf("%+v is impossible: %v", is, err)
		}
	})
}

// TestParseServer: what is wrong is said, and never the password.
func TestParseServer(t *testing.T) {
	for _, good := range []string{
		"redis://localhost", "redis://localhost:6379/3", "rediss://user:pa%40ss@redis.example:6380", "valkey://[::1]:6379", "valkeys://h",
		"unix:///run/redis.sock", "unix:///run/redis.sock?db=2", "redis://s1:26379?addr=s2:26379&addr=s3:26379&master_set=mymaster", "redis://:secret@h",
	} {
		s, err := ParseServer(good)
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if _, err := s.option(func(net.Conn) {}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		if text := s.String(); strings.Contains(text, "pa%40ss") || strings.Contains(text, "secret") || s.HasPassword() != strings.Contains(text, "xxxxx") {
			t.Errorf("%s is shown as %s", good, text)
		}
	}
	for _, bad := range []string{
		"", "localhost:6379", "http://sec/ret", "redis://", "redis://user:sec%zzret@h", "redis://user:sec ret@h", "redis://user:sec/ret@h",
		"redis://u:sec?ret@h", "redis://u:sec#ret@h", "redis://h:1/sec", "redis://h?password=secret", "redis://u:secret@h?addr=x", "unix://host/secret", "redis://u:sec\x00ret@h",
	} {
		if s, err := ParseServer(bad); err == nil {
			t.Errorf("%s is %v", bad, s)
		} else if strings.Contains(err.Error(), "sec") && !strings.Contains(bad, "password=") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// answering is a store in which nothing is.
type answering struct{ Backend }

func (answering) Look(_ context.Context, keys []string, _ int) ([]Value, error) {
	return make([]Value, len(keys)), nil
}

func (answering) LookAlong(_ context.Context, keys, along []string, _ int) (values, others []Value, err error) {
	return make([]Value, len(keys)), make([]Value, len(along)), nil
}

// TestPendingAmongUnanswered: of look-ups that nobody answers those count as pending of which that is what is known, and no others.
func TestPendingAmongUnanswered(t *testing.T) {
	s := &Store{pending: newPending()}
	told := func(pairing.Recollection) {}
	s.lookUp(t.Context(), []ask{{key: "a", told: told}, {pin: "p", told: told}, {key: "b", told: told}})
	if is := s.Stats().Lookups; is["pending"] != 1 || is["down"] != 2 {
		t.Errorf("it counts %v", is)
	}
}

// TestLateInARow: a name that is answered in time ends the row of late ones, after which a store counts as down.
func TestLateInARow(t *testing.T) {
	s := &Store{backend: answering{}, state: Up, pending: newPending(), cfg: Config{Wait: time.Minute}}
	names := s.Names(OfPool("a"), nil)
	for _, look := range []func(){
		func() {
			s.identify(t.Context(), []nameAsk{{ofAddress: "key", told: func(pairing.Heard, time.Time, *pairing.Recollection) {}}})
		},
		func() { names.Waiting(t.Context(), "10.0.0.1") },
	} {
		s.missed(context.DeadlineExceeded)
		if look(); s.late != 0 {
			t.Errorf("%d are late in a row", s.late)
		}
	}
}

// TestLoadsOfMany: a store that names any number of workers takes so much memory; what is known of some goes on being added up.
func TestLoadsOfMany(t *testing.T) {
	sum := map[string]int{"w": 1}
	for i := range loadsWorkers {
		add(sum, map[string]int{fmt.Sprint(i): 1})
	}
	if add(sum, map[string]int{"w": 2}); len(sum) != loadsWorkers || sum["w"] != 3 {
		t.Errorf("%d workers are known, and w has %d", len(sum), sum["w"])
	}
}
