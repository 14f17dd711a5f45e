package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What `make build` builds tells its revision wherever git knows one, also where
// Go was told not to ask (go env -w GOFLAGS=-buildvcs=false).
func TestMakeStampsTheRevision(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	want := "-buildvcs=true"
	git := exec.Command("git", "rev-parse", "HEAD")
	git.Dir = "../.."
	if git.Run() != nil {
		want = "-buildvcs=false"
	}
	for _, env := range [][]string{nil, {"PATH=/nowhere", "GIT_DIR=/nowhere"}} {
		plan := exec.Command("make", "-n", "build", "SHELL=/bin/bash")
		plan.Dir = "../.."
		plan.Env = append(os.Environ(), env...)
		if env != nil {
			want = "-buildvcs=false"
		}
		said, err := plan.CombinedOutput()
		if err != nil || !strings.Contains(string(said), want) {
			t.Errorf("with %v: %v\n%s\nwant %s", env, err, said, want)
		}
	}
}
