package main

import (
	"os"
	"strings"
	"testing"
)

// The manual has the exit codes of ctl as its help does.
func TestManualHasEveryExitCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	if words := strings.Join(strings.Fields(string(text)), " "); !strings.Contains(words, "Exit codes: "+exitCodes()+".") {
		t.Errorf("it does not say: Exit codes: %s.", exitCodes())
	}
}
