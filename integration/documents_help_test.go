package integration

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestHelpSays has each command say by --help what its section shows: its form, and then what it does.
func TestHelpSays(t *testing.T) {
	const document = "docs/reference/commands.md"
	var help string
	var commands []string
	for _, f := range blocks(t, document) {
		if f.mark != "<!-- test: TestHelpSays -->" {
			continue
		}
		if form, isForm := strings.CutPrefix(f.body, "streamq-proxy"); isForm && strings.Count(f.body, "\n") == 1 {
			words := strings.Fields(form)
			if i := slices.IndexFunc(words, func(w string) bool { return strings.ToLower(w) != w || strings.HasPrefix(w, "[") }); i >= 0 {
				words = words[:i]
			}
			said, err := exec.Command(os.Getenv(binaryVariable), append(words, "--help")...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %v\n%s", words, err, said)
			}
			help = string(said)
			commands = append(commands, strings.Join(words, " "))
		}
		if !strings.Contains(help, strings.TrimSpace(f.body)) {
			t.Errorf("%v: the command does not say\n%s\nbut\n%s", f, f.body, help)
		}
	}
	for _, known := range []string{"", "run", "ctl", "ctl watch", "agent"} {
		if !slices.Contains(commands, known) {
			t.Errorf("%q has no section: %q", known, commands)
		}
	}
}
