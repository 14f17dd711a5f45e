package terminal_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/terminal"
	"github.com/streamq/streamq-proxy/cmd/streamq-proxy/internal/terminal/terminaltest"
)

func TestSize(t *testing.T) {
	tty, _ := terminaltest.Open(t, 100, 30)
	if columns, rows, is := terminal.Size(tty); columns != 100 || rows != 30 || !is {
		t.Errorf("%d x %d, %v", columns, rows, is)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, _, is := terminal.Size(file); is {
		t.Error("a file is taken for a terminal")
	}
	if _, _, is := terminal.Size(&bytes.Buffer{}); is {
		t.Error("a buffer is taken for a terminal")
	}
}

func TestClip(t *testing.T) {
	for _, tc := range []struct {
		line    string
		columns int
		want    string
	}{
		{"worker", 6, "worker"},
		{"worker", 5, "worke"},
		{"worker", 0, ""},
		{"größe", 3, "grö"},
		{"e\u0301t\u0301e", 2, "e\u0301t\u0301"},
		{"工人", 3, "工"},
		{"工人", 4, "工人"},
	} {
		if got := terminal.Clip(tc.line, tc.columns); got != tc.want {
			t.Errorf("%q in %d columns is %q, want %q", tc.line, tc.columns, got, tc.want)
		}
	}
}
