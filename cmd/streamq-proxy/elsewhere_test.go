package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The program builds where it cannot run, and there says why in one line. Without cgo it is such a program on this system, too.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	build := func(system string) string {
		program := filepath.Join(t.TempDir(), "streamq-proxy")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", system, err, said)
		}
		return program
	}
	build("freebsd")
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), build("linux"), "version")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exited *exec.ExitError
	if !errors.As(err, &exited) || exited.ExitCode() != 1 {
		t.Errorf("it ended with %v, want exit status 1", err)
	}
	if said := stderr.String(); stdout.Len() > 0 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "streamq-proxy: ") || !strings.Contains(said, "CGO_ENABLED=1") {
		t.Errorf("it said %q and %q", stdout.String(), said)
	}
}
