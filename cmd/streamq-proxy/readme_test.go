package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReadmeTranscript has a proxy say what the README shows of ctl: the words, whatever the ports and the widths of columns.
func TestReadmeTranscript(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```console\n")
	transcript, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatal("the README has no transcript")
	}
	dir, err := os.MkdirTemp("", "readme") // t.TempDir may be too long for a unix socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	endpoint := "ipc://" + filepath.Join(dir, "c")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"run", "--frontend", "tcp://127.0.0.1:0", "--worker", "w1=tcp://127.0.0.1:6000", "--http", "", "--control", endpoint,
		}, &bytes.Buffer{}, &bytes.Buffer{})
	}()
	var got strings.Builder
	for line := range strings.Lines(transcript) {
		command, isCommand := strings.CutPrefix(strings.TrimSpace(line), "$ streamq-proxy ")
		if !isCommand {
			continue
		}
		got.WriteString(line)
		args := append(strings.Fields(command), "--control", endpoint, "--timeout", (10 * time.Second).String())
		if err := run(ctx, args, &got, os.Stderr); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	spaces := regexp.MustCompile(` +`)
	if got, want := spaces.ReplaceAllString(got.String(), " "), spaces.ReplaceAllString(transcript, " "); got != want {
		t.Errorf("the proxy says\n%s\nand the README\n%s", got, want)
	}
}
