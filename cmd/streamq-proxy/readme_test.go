package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// steering is what the quick start shows of ctl: how it has the proxy run, and what is said then.
func steering(t *testing.T) (variable, run, transcript string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)## 3. Steer it.*?```sh\nexport (\\S+) .*?\nstreamq-proxy (run .*?)\n```\n.*?```console\n(.*?)```\n").FindSubmatch(text)
	if found == nil {
		t.Fatal("the quick start has no transcript")
	}
	return string(found[1]), string(found[2]), string(found[3])
}

// TestReadmeTranscript has a proxy say what the quick start shows of ctl: the words, whatever the ports and the widths of columns.
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
		t.Errorf("the proxy says\n%s\nand the quick start\n%s", got, want)
	}
}

// TestExamplesUsePortsOfListeners: an example's port is not one that the system gives to a connection, in whose place a
// peer that goes on dialling could meet itself.
func TestExamplesUsePortsOfListeners(t *testing.T) {
	const first = 32768 // of net.ipv4.ip_local_port_range unless somebody has changed it
	endpoint := regexp.MustCompile(`tcp://[^\s,;"'\x60\]]*:(\d+)`)
	examples := []string{"../../README.md"}
	for _, dir := range []string{"../../docs", "../../deploy"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".svg") && !strings.HasSuffix(path, ".json") {
				examples = append(examples, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ports := 0
	for _, path := range examples {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range endpoint.FindAllSubmatch(text, -1) {
			ports++
			if port, err := strconv.Atoi(string(found[1])); err != nil || port >= first {
				t.Errorf("%s: %s, want a port below %d", path, found[0], first)
			}
		}
	}
	if ports < 10 {
		t.Errorf("only %d ports were found", ports)
	}
}
