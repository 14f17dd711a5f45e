package main

import (
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
	path, found := strings.CutPrefix(variable, controlVariable+"=ipc://")
	if !found || filepath.Dir(path) != "/tmp" {
		t.Errorf("%s is no path that every new machine has a directory for", variable)
	}
	serve(t, strings.Fields(strings.Replace(command, "127.0.0.1:5555", "127.0.0.1:0", 1))[1:]...)
	var got strings.Builder
	for line := range strings.Lines(transcript) {
		command, isCommand := strings.CutPrefix(strings.TrimSpace(line), "$ streamq-proxy ")
		if !isCommand {
			continue
		}
		got.WriteString(line)
		args := append(strings.Fields(command), "--timeout", (10 * time.Second).String())
		if err := run(t.Context(), args, &got, os.Stderr); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	spaces := regexp.MustCompile(` +`)
	if got, want := spaces.ReplaceAllString(got.String(), " "), spaces.ReplaceAllString(transcript, " "); got != want {
		t.Errorf("the proxy says\n%s\nand the README\n%s", got, want)
	}
}
