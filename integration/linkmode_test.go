package integration

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestInternalLinking builds the proxy by Go's own linker, which keeps our functions from libzmq without a word. The
// program says so in one line and serves nothing.
func TestInternalLinking(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "streamq-proxy")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-linkmode=internal", "-o", program, "../cmd/streamq-proxy")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("this toolchain cannot link the program by itself: %v\n%s", err, out)
	}
	var out, errs bytes.Buffer
	run := exec.CommandContext(t.Context(), program, "run", "--frontend", "tcp://127.0.0.1:0", "--worker", "tcp://127.0.0.1:1", "--http", "")
	run.Stdout, run.Stderr = &out, &errs
	err := run.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the program ended with %v, want exit status 1", err)
	}
	want := ""
	for _, f := range blocks(t, "docs/platforms.md") {
		if f.mark == "<!-- test: TestInternalLinking -->" {
			want = f.body
		}
	}
	if said := errs.String(); out.Len() > 0 || said != want || want == "" {
		t.Errorf("the program said %q and %q, want %q, as docs/platforms.md shows", out.String(), said, want)
	}
}
