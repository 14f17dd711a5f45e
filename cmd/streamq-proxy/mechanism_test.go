package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/stream"
)

// Each name that is no standard one is warned of in one line, with the one that
// was meant if it is a slip.
func TestDoubtfulMechanisms(t *testing.T) {
	var log bytes.Buffer
	doubtMechanisms(slog.New(slog.NewTextHandler(&log, nil)), []stream.Config{
		{Name: "a", Mechanisms: []string{"CURVE", "NULL", "PLAIN", "GSSAPI"}},
		{Name: "b", Mechanisms: []string{"CRUVE", "NUL", "X-OWN"}},
		{Name: "c"},
	})
	want := []string{
		`level=WARN msg="no standard mechanism has this name, did you mean CURVE?" pool=b mechanism=CRUVE`,
		`level=WARN msg="no standard mechanism has this name, did you mean NULL?" pool=b mechanism=NUL`,
		`level=WARN msg="no standard mechanism has this name" pool=b mechanism=X-OWN`,
	}
	got := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines: %s", len(got), log.String())
	}
	for i := range want {
		if !strings.HasSuffix(got[i], want[i]) {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}
