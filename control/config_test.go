package control

import (
	"errors"
	"log/slog"
	"reflect"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
)

// What Equal does not look at is the log, and what was bound by another process.
func TestConfigEqual(t *testing.T) {
	full := Config{
		Endpoints: []string{"ipc:///a"}, Mode: 0o600, Cert: "cert", Clients: "clients", LoopbackLevel: wire.Operator, Rate: 1, Connections: 1,
		Log: slog.Default(), Inherit: []Listener{{}},
	}
	same := full
	same.Endpoints, same.Log, same.Inherit = []string{"ipc:///a"}, nil, nil
	if !full.Equal(&same) {
		t.Error("two that are the same are not equal")
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i)
		other := full
		reflect.ValueOf(&other).Elem().Field(i).SetZero()
		if reflect.ValueOf(full).Field(i).IsZero() {
			t.Errorf("%s: the test does not set it", field.Name)
		}
		if full.Equal(&other) != (field.Name == "Log" || field.Name == "Inherit") {
			t.Errorf("without %s they are equal: %v", field.Name, full.Equal(&other))
		}
	}
}

// Each mistake is about its own setting, and none hides another.
func TestConfigMistakes(t *testing.T) {
	c := Config{Endpoints: []string{"tcp://*:1", "foo", "ipc:///a"}, Mode: 0o1777, Cert: "cert"}
	var got []Mistake
	for _, m := range c.Mistakes() {
		got = append(got, Mistake{Setting: m.Setting, Index: m.Index})
	}
	want := []Mistake{{Setting: SettingCert}, {Setting: SettingMode}, {Setting: SettingEndpoints, Index: 1}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	c.Cert = ""
	if all := c.Mistakes(); len(all) != 3 || all[1].Setting != SettingEndpoints || all[1].Index != 0 {
		t.Errorf("an endpoint without a guard: %v", all)
	}
	var m *Mistake
	if err := c.Validate(); !errors.As(err, &m) || len(c.Mistakes()) != 3 {
		t.Errorf("%v", err)
	}
}
