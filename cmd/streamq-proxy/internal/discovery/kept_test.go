package discovery

import (
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/streamq/streamq-proxy/pairing"
)

// TestKept: a Discovery that goes on in another's place has the workers that the other had, in every state.
func TestKept(t *testing.T) {
	pool := &fakePool{}
	spec := Spec{Kind: File, Path: "workers"}
	one := New(Config{Log: slog.New(slog.DiscardHandler)}, pool)
	k := one.keepers[0]
	f := &finder{spec: spec}
	k.kept["w1"] = &kept{cfg: pairing.WorkerConfig{Name: "w1", Endpoint: "tcp://10.0.0.1:1", Weight: 3}, finder: f}
	k.kept["w2"] = &kept{cfg: pairing.WorkerConfig{Name: "w2", Endpoint: "tcp://10.0.0.2:1"}, finder: f, leaving: true, was: pairing.Draining}
	k.tell()
	text, err := json.Marshal(one.Kept())
	if err != nil {
		t.Fatal(err)
	}
	var read []Kept
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	other := New(Config{Log: slog.New(slog.DiscardHandler)}, pool)
	other.Keep(read)
	for name, want := range k.kept {
		got := other.keepers[0].kept[name]
		if got == nil || got.cfg != want.cfg || got.leaving != want.leaving || got.was != want.was || got.finder.spec != spec {
			t.Errorf("%s is %+v, not %+v", name, got, want)
		}
	}
	if len(other.Kept()) != 2 {
		t.Errorf("it tells of %+v", other.Kept())
	}
}
