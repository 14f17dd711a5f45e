package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/terminal/terminaltest"
)

// twoPools has the workers a1 and a2 in the one and b1 to b5 in the other.
func twoPools(t *testing.T) {
	t.Helper()
	pool := func(name string, workers int) string {
		text := "  - {name: " + name + ", frontend: ['tcp://127.0.0.1:0'], workers: ["
		for i := range workers {
			text += fmt.Sprintf("{name: %s%d, endpoint: 'tcp://127.0.0.1:1'}, ", name[:1], i+1)
		}
		return text + "]}\n"
	}
	file := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(file, []byte("pools:\n"+pool("alpha", 2)+pool("beta", 5)), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, "--config", file, "--control", "$"+controlVariable)
}

// onScreen is what ctl writes to a terminal of that size.
func onScreen(t *testing.T, columns, rows uint16, args ...string) string {
	t.Helper()
	terminal, screen := terminaltest.Open(t, columns, rows)
	all := make(chan string)
	go func() {
		text, _ := io.ReadAll(screen) // EIO when the other side is closed
		all <- string(text)
	}()
	if err := run(t.Context(), append([]string{"ctl"}, args...), terminal, io.Discard); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(<-all, "\r\n", "\n")
}

// A page never has more lines than the terminal, nor longer ones, and the next one is drawn over it.
func TestWatchFits(t *testing.T) {
	twoPools(t)
	for _, tc := range []struct {
		columns, rows uint16
		want          string
	}{
		{20, 5, "POOL   WORKER  STATE\nalpha  a1      ready\nalpha  a2      ready\nbeta   b1      ready\n... 4 more rows"},
		{20, 8, "POOL   WORKER  STATE\nalpha  a1      ready\nalpha  a2      ready\nbeta   b1      ready\n" +
			"beta   b2      ready\nbeta   b3      ready\nbeta   b4      ready\nbeta   b5      ready"},
		{4, 2, "POOL\n... "},
	} {
		page := clearScreen + tc.want
		if got := onScreen(t, tc.columns, tc.rows, "watch", "--count", "2", "--every", "10ms"); got != page+page+"\n" {
			t.Errorf("on %d x %d: %q, want twice %q", tc.columns, tc.rows, got, page)
		}
	}
	if got := onScreen(t, 300, 50, "watch", "--count", "1", "status"); strings.Contains(got, "more rows") || !strings.Contains(got, "\nbeta ") {
		t.Errorf("what fits is not all there: %q", got)
	}
}

// Without a terminal nothing is left out; JSON has the pool as well.
func TestWatchAllPools(t *testing.T) {
	twoPools(t)
	for output, want := range map[string]string{"table": "\nbeta   b5 ", "json": "\"pool\": \"beta\",\n      \"worker\": \"b5\","} {
		var got bytes.Buffer
		if err := run(t.Context(), []string{"ctl", "watch", "--count", "1", "-o", output}, &got, io.Discard); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got.String(), want) {
			t.Errorf("%s has no %q:\n%s", output, want, got.String())
		}
	}
}
