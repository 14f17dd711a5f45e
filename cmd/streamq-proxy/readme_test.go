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

// steering is what the README shows of ctl: how it has the proxy run, and what is said then.
func steering(t *testing.T) (variable, run, transcript string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)## Steer it.*?```sh\nexport (\\S+) .*?\nstreamq-proxy (run .*?)\n```\n.*?```console\n(.*?)```\n").FindSubmatch(text)
	if found == nil {
		t.Fatal("the README has no transcript")
	}
	return string(found[1]), string(found[2]), string(found[3])
}

// TestReadmeTranscript has a proxy say what the README shows of ctl: the words, whatever the ports and the widths of columns.
func TestReadmeTranscript(t *testing.T) {
	variable, command, transcript := steering(t)
	name, value, _ := strings.Cut(variable, "=")
	if path, isPath := strings.CutPrefix(value, "ipc://"); !isPath || filepath.Dir(path) != "/tmp" {
		t.Errorf("%s is no path that every new machine has a directory for", value)
	}
	dir, err := os.MkdirTemp("", "readme") // t.TempDir may be too long for a unix socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	endpoint := "ipc://" + filepath.Join(dir, "c")
	t.Setenv(name, endpoint)
	command = strings.NewReplacer("$"+name, endpoint, "127.0.0.1:5555", "127.0.0.1:0").Replace(command)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append(strings.Fields(command), "--http", ""), &bytes.Buffer{}, &bytes.Buffer{})
	}()
	var got strings.Builder
	for line := range strings.Lines(transcript) {
		command, isCommand := strings.CutPrefix(strings.TrimSpace(line), "$ streamq-proxy ")
		if !isCommand {
			continue
		}
		got.WriteString(line)
		args := append(strings.Fields(command), "--timeout", (10 * time.Second).String())
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
