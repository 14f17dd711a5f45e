package manifests

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"
)

// filter reads settings of Envoy's TCP proxy, beside which the two are that every one has to have.
func filter(t *testing.T, settings []byte) (*tcpproxy.TcpProxy, error) {
	t.Helper()
	text, err := yaml.YAMLToJSON(append([]byte("stat_prefix: orders\ncluster: orders\n"), settings...))
	if err != nil {
		t.Fatal(err)
	}
	f := new(tcpproxy.TcpProxy)
	if err := protojson.Unmarshal(text, f); err != nil { // an unknown field is one
		return nil, err
	}
	return f, f.ValidateAll()
}

// Envoy's types have the setting that the manual shows, and take it for the day that the other balancers have.
func TestEnvoyShown(t *testing.T) {
	text, err := os.ReadFile("../../../docs/field.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile("(?s)<!-- test: TestEnvoyShown -->\n```yaml\n(.*?)```").FindSubmatch(text)
	if shown == nil {
		t.Fatal("the manual shows nothing of it")
	}
	if f, err := filter(t, shown[1]); err != nil || f.GetIdleTimeout().AsDuration() != 24*time.Hour {
		t.Errorf("%v: %v", f, err)
	}
	for old, wrong := range map[string]string{"idle_timeout": "idle_time", "86400s": "24h"} {
		changed := bytes.Replace(shown[1], []byte(old), []byte(wrong), 1)
		if f, err := filter(t, changed); err == nil {
			t.Errorf("nothing is wrong with\n%s: %v", changed, f)
		}
	}
}
